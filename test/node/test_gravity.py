"""Gravity from TF: at the image's stamp, else the newest; what is not known is told. Real DDS."""

import ast

import numpy as np
import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from geometry_msgs.msg import Quaternion, Transform, TransformStamped
from rclpy.time import Duration
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from spatialllm_msgs.msg import Status
from spatialllm_msgs.srv import Locate

LEVEL = Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)
"""Optical axes in base_link by REP-103; up, which is base_link's z, is then optical -y."""
ON_ITS_SIDE = Quaternion(x=0.0, y=0.5**0.5, z=0.0, w=0.5**0.5)
"""A quarter turn about y: takes optical -x to base_link's z."""


def transform(stamp, rotation=LEVEL):
    return TransformStamped(
        header=Header(stamp=stamp, frame_id='base_link'),
        child_frame_id='camera_optical',
        transform=Transform(rotation=rotation),
    )


def up_told(peer):
    """Return up in the optical frame as the scripted session has it, in its newest image."""
    return up_in(peer.ask_until(Status.OK, 'ready?'))


def up_in(reply):
    return ast.literal_eval(reply.answer.text.partition(' up ')[2])


def ago(peer, seconds):
    return (peer.node.get_clock().now() - Duration(seconds=seconds)).to_msg()


def camera_message(diagnostics):
    return diagnostics().get('spatialllm: camera camera', {}).get('message', '')


def test_the_newest_transform_serves_images_that_are_newer(tell_tf, start_node, peer):
    start_node(camera__gravity_from='tf')
    diagnostics = peer.diagnostics()
    timer = peer.node.create_timer(0.05, lambda: tell_tf(transform(ago(peer, 0.2))))
    with peer.filming():
        up = peer.until(lambda: up_told(peer))
        peer.until(lambda: camera_message(diagnostics).startswith('no CameraInfo'))
        assert 'gravity' not in camera_message(diagnostics)
    timer.cancel()
    np.testing.assert_allclose(up, (0.0, -1.0, 0.0), atol=1e-9)


@pytest.mark.parametrize(('frame', 'age_s'), [('base_link', 60.0), ('bass_link', 0.2)])
def test_gravity_that_is_not_known_is_told(tell_tf, start_node, peer, frame, age_s):
    start_node(camera__gravity_from='tf', camera__gravity_frame=frame)
    diagnostics = peer.diagnostics()
    timer = peer.node.create_timer(0.05, lambda: tell_tf(transform(ago(peer, age_s))))
    with peer.filming():
        assert up_told(peer) is None
        peer.until(lambda: f"to '{frame}'" in camera_message(diagnostics))
        assert 'gravity is not known: ' in camera_message(diagnostics)
        assert 'no CameraInfo' in camera_message(diagnostics)
    timer.cancel()


def test_a_pose_is_turned_by_the_up_that_the_model_had(tell_tf, start_node, peer, grey_image):
    start_node(camera__gravity_from='tf', max_frame_age_s='3600.0')
    peer.until(lambda: peer.state() == 'active')
    images, image = peer.node.create_publisher(Image, 'image', 1), grey_image()
    start = peer.node.get_clock().now()

    def later(seconds):
        return (start + Duration(seconds=seconds)).to_msg()

    def film():
        tell_tf(transform(later(0.0)))
        image.header.stamp = later(0.1)
        images.publish(image)  # once more where it came before the node listened
        reply = peer.ask('ready?')
        return reply.status == Status.OK and up_in(reply)

    def locate(**more):
        return peer.call(Locate, '/spatialllm/locate', phrase='red car', **more)

    peer.until(film)
    # Only now TF tells of the image's own moment, in the middle of a fall to the side.
    tell_tf(transform(later(0.2), ON_ITS_SIDE))
    peer.until(lambda: locate(target_frame='base_link').status == Status.OK)
    q = locate().poses[0].pose.orientation
    up = (2 * (q.x * q.z + q.w * q.y), 2 * (q.y * q.z - q.w * q.x))  # its z axis, by q v q*
    np.testing.assert_allclose(up, (0.0, -1.0), atol=1e-6)
