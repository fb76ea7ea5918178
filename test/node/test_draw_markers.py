"""Pictures of markers: pixels calculated by hand, and the program over real DDS."""

import math
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')
pytest.importorskip('visualization_msgs.msg', reason='visualization_msgs is not installed')

from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from spatialllm_ros.demo.marker_drawing import draw_markers, draw_picture, from_above
from spatialllm_ros.demo.marker_listener import Listener, info_topic
from spatialllm_ros.demo.marker_shapes import MarkerError
from spatialllm_ros.demo.marker_views import through_camera
from spatialllm_ros.errors import SceneError
from spatialllm_ros.schema import CameraModel

ROOT = Path(__file__).parents[2]
CAMERA = CameraModel(800, 600, 450.0, 450.0, 399.5, 299.5)
"""As high as the picture, which therefore has its very pixels."""
BLACK = np.zeros((600, 800, 3), np.uint8)
INFO = CameraInfo(width=8, height=6, k=[8.0, 0.0, 3.5, 0.0, 8.0, 2.5, 0.0, 0.0, 1.0])
GREEN = (0, 255, 0)


def marker(kind, xyz, scale=(1.0, 1.0, 1.0), turn=(0.0, 0.0, 0.0, 1.0), frame='optical', **fields):
    pose = Pose(
        position=Point(**dict(zip('xyz', xyz, strict=True))),
        orientation=Quaternion(**dict(zip('xyzw', turn, strict=True))),
    )
    size = Vector3(**dict(zip('xyz', scale, strict=True)))
    green, header = ColorRGBA(g=1.0, a=1.0), Header(frame_id=frame)
    return Marker(
        header=header, ns='front/things', type=kind, pose=pose, scale=size, color=green, **fields
    )


def drawn(*markers):
    """Return which pixels (600, 800) are green in the view through the camera."""
    view = through_camera(BLACK, CAMERA)
    draw_markers(view, markers)
    return view.image[..., 1] > 100


def drawn_from_above(*markers):
    """Return which pixels (600, 600) are green in the view from above."""
    view = from_above(CAMERA, markers)
    draw_markers(view, markers)
    return (view.image[..., 1] > 150) & (view.image[..., 0] < 100)


def edges(pixels):
    """Return the first and last column and row that have pixels."""
    rows, columns = np.nonzero(pixels)
    return columns.min(), columns.max(), rows.min(), rows.max()


def test_a_cube_is_a_wireframe_where_its_corners_project_to():
    seen = drawn(marker(Marker.CUBE, (0.0, 0.0, 2.0)))
    # Half a metre to a side is 450 * 0.5 / 1.5 = 150 pixels in front, 450 * 0.5 / 2.5 = 90 behind.
    assert edges(seen) == pytest.approx((249.5, 549.5, 149.5, 449.5), abs=2)
    assert seen[299, 308:312].any()
    assert seen[299, 488:492].any()
    assert not seen[215:385, 315:485].any()


def test_a_turned_cube_is_turned():
    eighth = math.pi / 8
    turn = (0.0, 0.0, math.sin(eighth), math.cos(eighth))  # by 45 degrees about the optical axis
    seen = drawn(marker(Marker.CUBE, (0.0, 0.0, 2.0), turn=turn))
    reach = 150 * math.sqrt(2)
    expected = (399.5 - reach, 399.5 + reach, 299.5 - reach, 299.5 + reach)
    assert edges(seen) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize('fields', [
    {'scale': (1.0, 0.1, 0.1)},
    {'scale': (0.1, 0.2, 0.23), 'points': [Point(), Point(x=1.0)]},
])  # fmt: skip
def test_an_arrow_to_the_right_ends_to_the_right(fields):
    seen = drawn(marker(Marker.ARROW, (0.0, 0.0, 4.5), **fields))
    left, right, *_ = edges(seen)
    # 450 * 1 / 4.5 = 100 pixels long; the dark rim hides the tip.
    assert (left, right) == pytest.approx((399.5, 499.5), abs=4)
    thickness = seen.sum(axis=0)
    assert thickness[410:470].max() <= 13  # a shaft of 10 pixels
    assert thickness[475:482].max() >= 15  # a head of 20 from 77 pixels on
    assert thickness[494] < thickness[480]


def test_an_arrow_towards_the_camera_points_down_from_above():
    half = math.sqrt(0.5)
    turn = (0.0, half, 0.0, half)  # about y, which takes x to -z
    arrow = marker(Marker.ARROW, (0.0, 0.0, 3.0), (1.0, 0.1, 0.1), turn)
    seen = drawn_from_above(arrow)
    # 3 m ahead, 1 m behind and 1 m of room are 5 m in 600 pixels; the camera is in row 480.
    assert edges(seen)[2:] == pytest.approx((480 - 3 * 120, 480 - 2 * 120), abs=3)
    assert np.nonzero(seen.sum(axis=1) > 15)[0].min() > 180  # the head is at the lower end


def test_a_sphere_is_a_disc_in_both_views():
    ball = marker(Marker.SPHERE, (1.0, 0.0, 3.0), (0.5, 0.5, 0.5))
    assert edges(drawn_from_above(ball)) == pytest.approx((390, 450, 90, 150), abs=3)
    left, right, top, bottom = edges(drawn(ball))
    assert (left + right) / 2 == pytest.approx(399.5 + 450 / 3, abs=3)
    assert bottom - top == pytest.approx(450 * 0.5 / 3, abs=4)


def test_capital_letters_are_as_high_as_the_scale_says():
    words = marker(Marker.TEXT_VIEW_FACING, (0.0, 0.0, 4.5), (0.0, 0.0, 0.5), text='HH')
    left, right, top, bottom = edges(drawn(words))
    assert bottom - top == pytest.approx(50, rel=0.3)
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((399.5, 299.5), abs=8)


def test_from_above_words_stand_beside_their_object():
    half = math.sqrt(0.5)
    words = marker(Marker.TEXT_VIEW_FACING, (0.0, 0.0, 3.0), (0.0, 0.0, 0.15), text='mug')
    for around_y, expected_below in ((half, False), (-half, True)):
        turn = (0.0, around_y, 0.0, half)
        arrow = marker(Marker.ARROW, (0.0, 0.0, 3.0), (0.5, 0.1, 0.1), turn)
        added = drawn_from_above(arrow, words) & ~drawn_from_above(arrow)
        assert (np.nonzero(added)[0].mean() > 120) == expected_below


def test_the_nearer_marker_hides_the_farther_one():
    near, far = (marker(Marker.SPHERE, (0.0, 0.0, z)) for z in (2.0, 4.0))
    near.color = ColorRGBA(r=1.0, a=1.0)
    for order in ((near, far), (far, near)):
        view = through_camera(BLACK, CAMERA)
        draw_markers(view, order)
        assert view.image[300, 400].tolist() == [255, 0, 0]


def test_half_of_the_colour_shows_half_of_the_image():
    ball = marker(Marker.SPHERE, (0.0, 0.0, 2.0))
    ball.color.a = 0.5
    view = through_camera(np.full_like(BLACK, 200), CAMERA)
    draw_markers(view, [ball])
    assert view.image[300, 400].tolist() == pytest.approx([100, 227, 100], abs=2)


def test_what_reaches_behind_the_camera_is_cut_off():
    behind = marker(Marker.SPHERE, (0.0, 0.0, -2.0))
    assert not drawn(behind).any()
    assert edges(drawn_from_above(behind))[2] > 300
    rod = marker(
        Marker.ARROW, (0.0, 0.5, -1.0), (6.0, 0.1, 0.1), (0.0, -(0.5**0.5), 0.0, 0.5**0.5)
    )
    seen = drawn(rod)  # from behind to 5 m ahead, half a metre below
    assert edges(seen)[2:] == pytest.approx((299.5 + 450 * 0.45 / 5, 599), abs=12)


@pytest.mark.parametrize(('number', 'name'), [(Marker.CYLINDER, 'CYLINDER'), (99, 'type 99')])
def test_an_unknown_type_is_refused_by_name(number, name):
    with pytest.raises(MarkerError, match=f"found {name} in the namespace 'front/things'"):
        draw_picture(BLACK, 'optical', CAMERA, [marker(number, (0.0, 0.0, 2.0))])


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(MarkerError, match="'optical', found 'map'"):
        draw_picture(BLACK, 'optical', CAMERA, [marker(Marker.CUBE, (0.0, 0.0, 2.0), frame='map')])
    with pytest.raises(MarkerError, match='found 3'):
        drawn(marker(Marker.ARROW, (0.0, 0.0, 2.0), points=[Point()] * 3))
    with pytest.raises(SceneError, match='quaternion'):
        drawn(marker(Marker.CUBE, (0.0, 0.0, 2.0), turn=(0.0, 0.0, 0.0, 0.0)))
    with pytest.raises(MarkerError, match=r"finite numbers .* 'front/things'"):
        draw_picture(BLACK, 'optical', CAMERA, [marker(Marker.SPHERE, (0.0, math.nan, 2.0))])


def test_what_has_no_size_is_not_seen():
    kinds = (Marker.ARROW, Marker.SPHERE, Marker.TEXT_VIEW_FACING)
    nothing = [marker(kind, (0.0, 0.0, 2.0), (0.0, 0.0, 0.0), text='mug') for kind in kinds]
    assert drawn(*nothing).sum() < 10


def test_intrinsics_are_beside_the_raw_image():
    assert info_topic('/camera/image') == '/camera/camera_info'
    assert info_topic('/front/image_raw/compressed') == '/front/camera_info'


class Topics(dict):
    """Stands in for a node: what takes the messages of each topic."""

    def create_subscription(self, kind, topic, take, quality):
        self[topic] = take


def test_markers_go_with_the_image_of_their_stamp():
    topics = Topics()
    listener = Listener(topics, 'markers', '/image')

    def show(sec, *markers):
        header = Header(frame_id='optical')
        header.stamp.sec = sec
        topics['/image'](Image(header=header))
        topics['/camera_info'](CameraInfo(header=header))
        for one in markers:
            one.header.stamp.sec = sec
        topics['markers'](MarkerArray(markers=markers))

    def seen(objects=1):
        found = listener.marked(objects, 0.0)
        return found and (found.image.header.stamp.sec, {one.id for one in found.markers})

    mug, chair = (marker(Marker.SPHERE, (0.0, 0.0, 2.0), id=number) for number in (1, 2))
    show(1, mug, chair)
    assert seen(2) == (1, {1, 2})
    show(2, marker(Marker.SPHERE, (0.0, 0.0, 3.0), id=1))
    assert (seen(1), seen(2)) == ((2, {1}), None)
    show(3, marker(Marker.SPHERE, (0.0, 0.0, 2.0), id=1, action=Marker.DELETE))
    assert seen() == (1, {2})
    show(4, marker(Marker.SPHERE, (0.0, 0.0, 2.0), action=Marker.DELETEALL))
    assert seen() is None


@pytest.fixture
def program(domain, tmp_path):
    """Give a function that runs the program in another process: its status, words and picture."""

    def run(*arguments):
        out = tmp_path / 'pictures/markers.png'
        ended = subprocess.run(
            [
                *(sys.executable, '-m', 'spatialllm_ros.demo.draw_markers', '--out', str(out)),
                *('--image', '/image', *arguments),
            ],
            cwd=ROOT, env=os.environ | {'ROS_DOMAIN_ID': str(domain)},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        return ended, cv2.imread(str(out)) if out.exists() else None

    return run


def publishing(peer, stamps, image, *markers):
    """Publish markers of the newest image, again and again."""
    publisher = peer.node.create_publisher(MarkerArray, '/spatialllm/markers', 10)

    def publish():
        if stamps:
            for one in markers:
                one.header.stamp = image.header.stamp
            publisher.publish(MarkerArray(markers=markers))

    return peer.node.create_timer(0.05, publish)


def test_the_program_draws_what_another_process_publishes(peer, program, grey_image):
    ball = marker(Marker.SPHERE, (1.0, 0.0, 4.0), frame='camera_optical')
    image = grey_image()
    with peer.filming(image, INFO) as stamps:
        timer = publishing(peer, stamps, image, ball)
        ended, picture = program()
        timer.cancel()
    assert ended.returncode == 0, ended.stderr
    assert picture.shape[:2] == (600 + 22 + 10, 800 + 600)
    green = (picture[:600, :800, 1] > 200) & (picture[:600, :800, 0] < 50)
    # An enlargement by 100: the centre of the image is at (399.5, 299.5), a metre at 4 m is 200.
    left, right, top, bottom = edges(green)
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((599.5, 299.5), abs=6)


def test_the_program_refuses_an_unknown_type(peer, program, grey_image):
    image = grey_image()
    with peer.filming(image, INFO) as stamps:
        tube = marker(Marker.CYLINDER, (0.0, 0.0, 4.0), frame='camera_optical')
        timer = publishing(peer, stamps, image, tube)
        ended, picture = program()
        timer.cancel()
    assert (ended.returncode, picture) == (1, None)
    assert "found CYLINDER in the namespace 'front/things'" in ended.stderr
    assert 'Traceback' not in ended.stderr


def test_the_program_asks_the_node_and_draws_its_markers(scripted, peer, program):
    with peer.filming(info=INFO):
        ended, picture = program('--where', 'red car')
    assert ended.returncode == 0, ended.stderr
    assert picture.shape[:2] == (600 + 2 * 22 + 10, 800 + 600)
    amber = (picture[:600, :800, 2] > 200) & (picture[:600, :800, 0] < 120)
    # The scripted car is at (1, 0.5, 4) m: at column 599.5 and row 399.5.
    assert amber[390:410, 585:615].any()


def test_the_program_says_what_it_waited_for(program, peer):
    ended, picture = program('--timeout', '0.5')
    assert (ended.returncode, picture) == (1, None)
    assert '0 from /spatialllm/markers, 0 from /image, 0 from /camera_info' in ended.stderr
