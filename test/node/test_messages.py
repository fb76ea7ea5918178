"""Answers as messages, errors as statuses. Needs the built interfaces."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from spatialllm_msgs.msg import Status
from spatialllm_ros import errors
from spatialllm_ros.node.messages import (
    STATUS_OF_ERROR,
    StatusCode,
    answer_message,
    nanoseconds,
    pose_message,
    time_message,
)
from spatialllm_ros.schema import Answer, AnswerKind, LocatedObject, Timing

STAMP_NS = 1_764_000_000_123_456_789


def answer(kind=AnswerKind.TEXT, **meaning):
    return Answer(
        text='words', kind=kind, confidence=0.75, stamp_ns=STAMP_NS, frame_id='front_optical',
        camera_name='front', timing=Timing(total_s=0.5, decode_s=0.25), **meaning,
    )  # fmt: skip


def test_the_header_is_the_image_s():
    message = answer_message(answer(), 'what?')
    assert nanoseconds(message.header.stamp) == STAMP_NS
    assert message.header.frame_id == 'front_optical'
    assert (message.camera, message.question, message.text) == ('front', 'what?', 'words')
    assert message.confidence == 0.75
    assert (message.timing.total_s, message.timing.decode_s) == (0.5, 0.25)


@pytest.mark.parametrize(('kind', 'meaning'), [
    (AnswerKind.YES_NO, {'yes': True}),
    (AnswerKind.CHOICE, {'choice': 2}),
    (AnswerKind.NUMBER, {'number': 3.4, 'unit': 'm'}),
])  # fmt: skip
def test_each_kind_fills_its_own_fields(kind, meaning):
    message = answer_message(answer(kind, **meaning), 'what?')
    assert message.kind == kind.value
    expected = {'yes': False, 'choice': -1, 'number': 0.0, 'unit': '', 'has_heading': False}
    for name, value in (expected | meaning).items():
        assert getattr(message, name) == value


def turned(q, vector):
    """Rotate by a quaternion, by Hamilton's product q v q*."""
    axis = np.array([q.x, q.y, q.z])
    return vector + 2 * np.cross(axis, np.cross(axis, vector) + q.w * vector)


@given(
    centre=st.tuples(st.floats(-3, 3), st.floats(-1, 1), st.floats(1, 9)),
    heading=st.floats(0, 2 * math.pi),
)
@example(centre=(2.7738343884133276, 0.0, 1.0), heading=0.346)  # almost half a turn
def test_the_pose_turns_the_object_s_axes_upright_and_to_its_heading(centre, heading):
    up = np.array([0.0, -1.0, 0.0])
    pose = pose_message(LocatedObject(centre, (0, 0), heading), tuple(up))
    assert (pose.position.x, pose.position.y, pose.position.z) == centre
    front, left, top = (turned(pose.orientation, axis) for axis in np.eye(3))
    np.testing.assert_allclose(top, up, atol=1e-9)
    np.testing.assert_allclose(np.cross(front, left), up, atol=1e-9)
    # In the horizontal plane (x, z): 0 points at the camera, pi / 2 to the viewer's left.
    to_camera = np.array([-centre[0], -centre[2]]) / math.hypot(centre[0], centre[2])
    to_left = np.array([to_camera[1], -to_camera[0]])
    expected = math.cos(heading) * to_camera + math.sin(heading) * to_left
    np.testing.assert_allclose(front[[0, 2]], expected, atol=1e-9)


def test_without_a_heading_the_orientation_is_the_identity():
    located = LocatedObject((1.0, 2.0, 3.0), (0, 0), None)
    message = answer_message(answer(AnswerKind.POSE, pose=located), 'where?')
    q = message.pose.orientation
    assert (q.x, q.y, q.z, q.w) == (0.0, 0.0, 0.0, 1.0)
    assert not message.has_heading


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_survive_the_message(stamp_ns):
    assert nanoseconds(time_message(stamp_ns)) == stamp_ns


def test_the_codes_are_those_of_the_message():
    constants = {name: getattr(Status, name) for name in dir(Status) if name.isupper()}
    constants.pop('SLOT_TYPES')
    assert {code.name: code.value for code in StatusCode} == constants


def test_every_error_that_an_answer_can_end_in_has_a_status():
    of_input = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.InputError)
    }
    never_reach_a_caller = {errors.InputError, errors.ImageError, errors.RecordingError}
    assert of_input - never_reach_a_caller <= STATUS_OF_ERROR.keys()
