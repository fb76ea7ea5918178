"""Located objects as vision_msgs; where they are not installed, by stand-ins with their fields."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.node.detections import Detections, detection_array
from spatialllm_ros.schema import Answer, AnswerKind, Frame, LocatedObject, Query

NAMES = ('BoundingBox3D', 'Detection3D', 'Detection3DArray', 'ObjectHypothesis',
         'ObjectHypothesisWithPose')  # fmt: skip

try:
    from vision_msgs import msg as kinds
except ImportError:
    kinds = SimpleNamespace(**dict.fromkeys(NAMES, SimpleNamespace))


def test_a_located_object_is_a_detection_in_the_frame_of_its_image():
    frame = Frame(np.zeros((3, 4, 3), np.uint8), guessed_camera(4, 3, 1.0), 0, 'optical', 'front')
    answer = Answer(
        'a place', AnswerKind.POSE, 0.75, 2_000_000_005, 'optical', 'front',
        pose=LocatedObject((0.0, 3.0, 4.0), (0, 0), 0.0),
    )  # fmt: skip
    array = detection_array(kinds, frame, Query('where is the red car?'), answer)
    (detection,) = array.detections
    for header in (array.header, detection.header):
        assert (header.stamp.sec, header.stamp.nanosec, header.frame_id) == (2, 5, 'optical')
    (result,) = detection.results
    assert (result.hypothesis.class_id, result.hypothesis.score) == ('red car', 0.75)
    assert detection.id == 'front/red car'
    for pose in (result.pose.pose, detection.bbox.center):
        assert (pose.position.x, pose.position.y, pose.position.z) == (0.0, 3.0, 4.0)
        # The front (x) points at the camera, optical -z, and z up, optical -y.
        q = pose.orientation
        front_z = 2 * (q.x * q.z - q.w * q.y)
        up_y = 2 * (q.y * q.z - q.w * q.x)
        assert (front_z, up_y) == pytest.approx((-1.0, -1.0))


def test_one_sentence_says_that_detections_are_off(monkeypatch):
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    with pytest.raises(ConfigError, match='vision_msgs'):
        Detections(node=None)


def test_the_node_publishes_what_it_locates(scripted, peer):
    real = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not installed')
    heard = []
    topic = '/spatialllm/detections'
    peer.node.create_subscription(real.Detection3DArray, topic, heard.append, 10)
    with peer.filming() as stamps:
        peer.until(lambda: peer.ask('where is the red car?') and heard)
        header = heard[0].header
        assert (header.stamp.sec, header.stamp.nanosec) in stamps
    place = heard[0].detections[0].bbox.center.position
    assert (place.x, place.y, place.z) == (1.0, 0.5, 4.0)
