"""Located objects as markers."""

import sys

import numpy as np
import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')
pytest.importorskip('visualization_msgs.msg', reason='visualization_msgs is not installed')

from visualization_msgs import msg as kinds

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.node.markers import Markers, marker_array
from spatialllm_ros.schema import Answer, AnswerKind, Frame, LocatedObject, Query

MARKERS = '/spatialllm/markers'


def markers(heading_rad, question='where is the red car?', camera='front'):
    rgb = np.zeros((3, 4, 3), np.uint8)
    frame = Frame(rgb, guessed_camera(4, 3, 1.0), 2_000_000_005, 'optical', camera)
    pose = LocatedObject((0.0, 3.0, 4.0), (0, 0), heading_rad)
    answer = Answer('a place', AnswerKind.POSE, 0.5, 2_000_000_005, 'optical', camera, pose=pose)
    return marker_array(kinds, frame, Query(question), answer).markers


def test_an_object_with_a_front_is_an_arrow_and_a_label():
    body, label = markers(heading_rad=0.0)
    assert (body.type, label.type) == (kinds.Marker.ARROW, kinds.Marker.TEXT_VIEW_FACING)
    assert label.text == 'red car 5.0 m'
    for marker in (body, label):
        assert (marker.header.stamp.sec, marker.header.stamp.nanosec) == (2, 5)
        assert marker.header.frame_id == 'optical'
        assert marker.lifetime.sec > 0
    place = body.pose.position
    assert (place.x, place.y, place.z) == (0.0, 3.0, 4.0)
    assert label.pose.position.y < 3.0  # y is down


def test_an_object_without_a_front_is_a_sphere():
    assert markers(heading_rad=None)[0].type == kinds.Marker.SPHERE


def test_an_object_replaces_its_own_marker_alone():
    def key(marker):
        return marker.ns, marker.id

    first = markers(0.0)
    again = markers(1.0, 'locate the red car.')
    other, rear = markers(0.0, 'where is the mug?'), markers(0.0, camera='rear')
    assert [key(m) for m in first] == [key(m) for m in again]
    assert len({key(m) for m in [*first, *other, *rear]}) == 6


def test_one_sentence_says_that_markers_are_off(monkeypatch):
    monkeypatch.setitem(sys.modules, 'visualization_msgs', None)
    with pytest.raises(ConfigError, match='visualization_msgs'):
        Markers(node=None)


def test_the_node_marks_what_it_locates(scripted, peer):
    heard = []
    peer.node.create_subscription(kinds.MarkerArray, MARKERS, heard.append, 10)
    with peer.filming() as stamps:
        peer.until(lambda: peer.ask('where is the red car?') and heard)
        header = heard[0].markers[0].header
        assert (header.stamp.sec, header.stamp.nanosec) in stamps
    place = heard[0].markers[0].pose.position
    assert (place.x, place.y, place.z) == (1.0, 0.5, 4.0)
