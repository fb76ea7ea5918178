"""Answers in metres beside a depth image. Real DDS, a scripted session."""

import array
import math
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from rclpy.time import Duration
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from spatialllm_msgs.msg import SpatialAnswer, Status
from spatialllm_msgs.srv import Locate

WIDTH, HEIGHT = 320, 240
K = [200.0, 0.0, 100.0, 0.0, 200.0, 100.0, 0.0, 0.0, 1.0]
RAY = 1.5
"""Of the scripted place, column 300 row 200: |(1, 1/2, 1)|."""


def image(samples, encoding, is_bigendian=0):
    """Return samples (H, W) as a message whose rows are padded."""
    height, width = samples.shape
    raw = samples.astype(samples.dtype.newbyteorder('><'[not is_bigendian]))
    padded = np.pad(raw.view(np.uint8).reshape(height, -1), ((0, 0), (0, 4)))
    return Image(
        header=Header(frame_id='camera_optical'), height=height, width=width, encoding=encoding,
        step=padded.shape[1], is_bigendian=is_bigendian,
        data=array.array('B', padded.tobytes()),
    )  # fmt: skip


def metres(z_m, width=WIDTH, height=HEIGHT):
    return image(np.full((height, width), z_m, np.float32), '32FC1')


@contextmanager
def filming(peer, depth=None, later_s=0.0):
    """Publish calibrated images and depth images, both with fresh stamps."""
    picture = image(np.full((HEIGHT, WIDTH), 128, np.uint8), 'mono8')
    info = CameraInfo(width=WIDTH, height=HEIGHT, k=K)
    topics = {'image': picture, 'camera_info': info} | ({'depth': depth} if depth else {})
    publishers = {t: peer.node.create_publisher(type(m), t, 1) for t, m in topics.items()}

    def publish():
        now = peer.node.get_clock().now()
        picture.header.stamp = info.header.stamp = now.to_msg()
        if depth:
            depth.header.stamp = (now + Duration(nanoseconds=round(later_s * 1e9))).to_msg()
        for topic in reversed(topics):
            publishers[topic].publish(topics[topic])

    timer = peer.node.create_timer(0.05, publish)
    yield
    timer.cancel()


@pytest.fixture
def with_depth(start_node, peer):
    """A node with a depth topic, active."""
    node = start_node(camera__depth_topic='depth')
    peer.until(lambda: peer.state() == 'active')
    return node


def ask_measured(peer, question):
    """Ask until the depth images have begun to come."""
    return peer.until(
        lambda: (r := peer.ask(question)).status == Status.OK and not r.answer.depth_note and r
    ).answer


@pytest.mark.parametrize('depth', [
    metres(2.0),
    metres(2.0, width=WIDTH // 2, height=HEIGHT // 2),
    image(np.full((HEIGHT, WIDTH), 2000, np.uint16), '16UC1', is_bigendian=1),
], ids=['metres', 'half the size', 'millimetres, big-endian'])  # fmt: skip
def test_distances_and_places_stand_beside_what_depth_tells(with_depth, peer, depth):
    with filming(peer, depth):
        distance = ask_measured(peer, 'how far is the red car?')
        found = peer.call(Locate, '/spatialllm/locate', phrase='red car')
    assert (distance.kind, distance.number) == (SpatialAnswer.NUMBER, 3.4)
    assert distance.depth_m == pytest.approx(2.0 * RAY)
    assert found.poses[0].pose.position.z == 4.0
    assert list(found.depths_m) == pytest.approx([2.0 * RAY])
    assert list(found.depth_notes) == ['']


def test_what_cannot_be_measured_says_why(with_depth, peer):
    with filming(peer, metres(2.0)):
        ask_measured(peer, 'how far is the red car?')
        absent = peer.ask('how far is the purple dog?').answer
        between = peer.ask('how far is the red car from the mug?').answer
        colour = peer.ask('what colour?').answer
    assert (absent.number, between.number) == (3.4, 3.4)
    assert absent.depth_note == 'the object could not be located: there is no purple dog'
    assert 'distances from the camera' in between.depth_note
    assert colour.depth_note == between.depth_note
    assert all(math.isnan(answer.depth_m) for answer in (absent, between, colour))


def spoiled(**fields):
    message = metres(2.0)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(('depth', 'later_s', 'words'), [
    (None, 0.0, 'no depth image has arrived on /depth'),
    (metres(2.0), 1.0, 'within 0.05 s of the image'),
    (metres(2.0, width=200), 0.0, 'aspect of 320x240'),
    (metres(math.nan), 0.0, 'found 0 with one, 0 too near and 0 beyond range'),
    (spoiled(encoding='rgb8'), 0.0, '32FC1 or 16UC1'),
    (spoiled(step=3), 0.0, 'expected a step'),
], ids=['none', 'late', 'shape', 'hole', 'encoding', 'garbage'])  # fmt: skip
def test_depth_images_of_no_use_cost_no_answer(with_depth, peer, depth, later_s, words):
    newest = peer.diagnostics()
    with filming(peer, depth, later_s):
        came = 'depth images received'
        status = peer.until(lambda: newest().get('spatialllm: camera camera'))
        assert came in status
        if depth:
            peer.until(lambda: int(newest()['spatialllm: camera camera'][came]) > 1)
        reply = peer.ask_until(Status.OK, 'how far is the red car?')
        place = peer.ask_until(Status.OK, 'where is the red car?')
    assert (reply.answer.number, place.answer.kind) == (3.4, SpatialAnswer.POSE)
    for answer in (reply.answer, place.answer):
        assert math.isnan(answer.depth_m)
        assert words in answer.depth_note


def test_depth_images_that_contradict_themselves_are_counted_and_told(with_depth, peer):
    newest = peer.diagnostics()

    def told():
        status = newest().get('spatialllm: camera camera', {'message': ''})
        return 'expected a step' in status['message'] and status

    with filming(peer, spoiled(step=3)):
        status = peer.until(told)
    received, rejected = (int(status[f'depth images {name}']) for name in ('received', 'rejected'))
    assert received == rejected > 0
    assert 'depth image of /depth dropped' in with_depth.log
    with filming(peer, metres(2.0)):
        assert ask_measured(peer, 'how far is the red car?').depth_m == pytest.approx(3.0)


def test_without_a_depth_topic_nothing_is_measured(scripted, peer):
    with filming(peer, metres(2.0)):
        answer = peer.ask_until(Status.OK, 'how far is the red car?').answer
    assert (answer.number, answer.depth_note) == (3.4, "camera 'camera' has no depth_topic")
    assert math.isnan(answer.depth_m)
