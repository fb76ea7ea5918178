"""Action, services and topics over real DDS, with a scripted session in place of a model."""

from types import SimpleNamespace

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from std_msgs.msg import String

from spatialllm_msgs.msg import SpatialAnswer, Status
from spatialllm_msgs.srv import Locate
from spatialllm_ros.errors import QuestionError
from spatialllm_ros.node.ask_interfaces import locate_query, max_age_s, query


def test_the_answer_of_the_service_carries_the_header_of_its_image(scripted, peer):
    with peer.filming() as stamps:
        reply = peer.ask_until(Status.OK, 'what colour?')
    header = reply.answer.header
    assert (header.stamp.sec, header.stamp.nanosec) in stamps
    assert header.frame_id == 'camera_optical'
    assert reply.answer.camera == 'camera'
    assert reply.answer.question == 'what colour?'
    assert reply.answer.text == 'mean colour 128 128 128 up None'
    assert reply.message == ''


def test_options_and_cameras_reach_the_session(scripted, peer):
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        reply = peer.ask('which?', options=['left', 'right'], camera='camera')
    assert (reply.answer.kind, reply.answer.choice) == (SpatialAnswer.CHOICE, 1)


def test_the_action_streams_and_succeeds(scripted, peer):
    with peer.filming() as stamps:
        peer.ask_until(Status.OK, 'ready?')
        goal, heard = peer.send_goal('what colour?')
        ended = peer.result(goal.get_result_async())
    assert ended.status == GoalStatus.STATUS_SUCCEEDED
    assert ended.result.status == Status.OK
    words = ended.result.answer.text.split()
    expected = [' '.join(words[: n + 1]) for n in range(len(words))]
    assert heard == expected[: len(heard)], 'rclpy drops what it takes after the result'
    stamp = ended.result.answer.header.stamp
    assert (stamp.sec, stamp.nanosec) in stamps


def test_a_running_goal_is_cancelled_and_the_node_answers_on(scripted, peer):
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        goal, heard = peer.send_goal('talk without end')
        peer.until(lambda: len(heard) > 2)
        peer.result(goal.cancel_goal_async())
        ended = peer.result(goal.get_result_async())
        assert ended.status == GoalStatus.STATUS_CANCELED
        assert ended.result.status == Status.CANCELLED
        assert peer.ask('ready?').status == Status.OK


def test_a_waiting_goal_is_cancelled_behind_a_running_one(scripted, peer):
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        running, heard = peer.send_goal('talk without end')
        peer.until(lambda: heard)
        waiting, _ = peer.send_goal('ready?')
        peer.result(waiting.cancel_goal_async())
        ended = peer.result(waiting.get_result_async())
        assert ended.status == GoalStatus.STATUS_CANCELED
        peer.result(running.cancel_goal_async())
        ended = peer.result(running.get_result_async())
        assert ended.result.status == Status.CANCELLED


def test_a_goal_that_cannot_be_answered_is_aborted_with_its_status(scripted, peer):
    goal, _ = peer.send_goal('what colour?')
    ended = peer.result(goal.get_result_async())
    assert ended.status == GoalStatus.STATUS_ABORTED
    assert ended.result.status == Status.NO_FRAME
    assert 'camera' in ended.result.message


@pytest.mark.parametrize('question', ['fail', 'mumble'])
def test_a_failing_model_is_a_status(scripted, peer, question):
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        reply = peer.ask(question)
        assert reply.status == Status.ENGINE_ERROR
        assert 'expected' in reply.message
        assert peer.ask('ready?').status == Status.OK


def test_a_string_on_the_topic_is_answered_or_refused(scripted, peer):
    answers, refusals = [], []
    peer.node.create_subscription(SpatialAnswer, '/spatialllm/answer', answers.append, 10)
    peer.node.create_subscription(
        String, '/spatialllm/refused', lambda message: refusals.append(message.data), 10
    )
    questions = peer.node.create_publisher(String, '/spatialllm/question', 10)

    def heard(said):
        questions.publish(String(data='what colour?'))
        return said

    refusal = peer.until(lambda: heard(refusals))[0]
    assert refusal.startswith('NO_FRAME: ')
    with peer.filming() as stamps:
        answer = peer.until(lambda: heard(answers))[0]
    assert (answer.header.stamp.sec, answer.header.stamp.nanosec) in stamps
    assert answer.question == 'what colour?'


def test_locate_gives_a_pose_in_the_optical_frame(scripted, peer):
    def locate(phrase, **more):
        return peer.call(Locate, '/spatialllm/locate', phrase=phrase, **more)

    with peer.filming() as stamps:
        peer.ask_until(Status.OK, 'ready?')
        found = locate('red car')
        absent = locate('purple dog')
        elsewhere = locate('red car', target_frame='base_link')
        nothing = locate('  ')
    pose = found.poses[0]
    assert (pose.header.stamp.sec, pose.header.stamp.nanosec) in stamps
    assert pose.header.frame_id == 'camera_optical'
    assert (pose.pose.position.x, pose.pose.position.y, pose.pose.position.z) == (1.0, 0.5, 4.0)
    assert (found.status, list(found.has_heading)) == (Status.OK, [True])
    assert (absent.status, absent.poses) == (Status.OK, [])
    assert (elsewhere.status, elsewhere.poses) == (Status.NO_TRANSFORM, [])
    assert 'base_link' in elsewhere.message
    assert (nothing.status, nothing.poses) == (Status.BAD_QUESTION, [])


def test_what_is_not_there_has_no_place_and_what_is_there_is_as_sure_as_that(scripted, peer):
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        placed = {
            phrase: peer.ask(f'where is the {phrase}?').answer for phrase in ('red car', 'ghost')
        }
        found, absent = (
            peer.call(Locate, '/spatialllm/locate', phrase=f' {phrase} ') for phrase in placed
        )
        failed = peer.call(Locate, '/spatialllm/locate', phrase='unsayable')
    assert {answer.kind for answer in placed.values()} == {SpatialAnswer.POSE}
    assert {answer.confidence for answer in placed.values()} == {0.5}
    assert (absent.status, absent.message, absent.poses) == (Status.OK, '', [])
    assert (found.status, len(found.poses)) == (Status.OK, 1)
    assert list(found.confidences) == pytest.approx([0.9])
    assert (failed.status, failed.poses) == (Status.ENGINE_ERROR, [])


@pytest.mark.parametrize('question', [
    'how far is the ' + '.' * 300_000 + 'x',
    'which camera sees a' + ' ' * 300_000 + '? x',
])  # fmt: skip
def test_what_is_far_too_long_is_refused_before_anything_looks_at_it(start_node, peer, question):
    start_node(camera__depth_topic='depth')
    peer.until(lambda: peer.state() == 'active')
    assert peer.ask(question).status == Status.BAD_QUESTION


def test_questions_beyond_the_queue_are_refused_as_busy(start_node, peer):
    start_node(max_waiting_questions=1)
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        running, heard = peer.send_goal('talk without end')
        peer.until(lambda: heard)
        waiting, _ = peer.send_goal('ready?')
        assert peer.ask('ready?').status == Status.BUSY
        for goal in (running, waiting):
            peer.result(goal.cancel_goal_async())
        peer.ask_until(Status.OK, 'ready?')


def test_a_question_without_an_answer_in_time_ends_as_timeout(start_node, peer):
    start_node(answer_timeout_s=0.5)
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        assert peer.ask('talk without end').status == Status.TIMEOUT
        peer.ask_until(Status.OK, 'ready?')


def request(**fields):
    given = {'question': 'what?', 'options': ['a', 'b'], 'camera': '', 'phrase': 'red car'}
    return SimpleNamespace(**given | {'max_frame_age': Duration()} | fields)


def test_a_request_becomes_a_query():
    asked = query(request(max_frame_age=Duration(sec=1, nanosec=500_000_000)))
    assert (asked.options, asked.max_frame_age_s) == (('a', 'b'), 1.5)
    assert locate_query(request()).question == 'where is the red car?'


def test_limits_on_the_image_s_age():
    assert max_age_s(Duration()) is None
    with pytest.raises(QuestionError, match='zero or more'):
        max_age_s(Duration(sec=-1))


def test_a_reply_waits_for_nothing_else_to_happen(start_node, peer):
    start_node(diagnostics_period_s=60.0, max_frame_age_s=3600.0)
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
    assert peer.ask('what colour?').status == Status.OK
    goal, _ = peer.send_goal('what colour?')
    assert peer.result(goal.get_result_async()).status == GoalStatus.STATUS_SUCCEEDED
