"""The demo's questioner over real DDS, against a scripted session in place of a model."""

import os
import pty
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from rclpy.action import ActionServer
from sensor_msgs.msg import Image
from std_msgs.msg import String

from spatialllm_msgs.action import AskSpatial
from spatialllm_msgs.msg import SpatialAnswer, Status
from spatialllm_ros.demo import questioner
from spatialllm_ros.demo.ask_client import AskClient, Reply
from spatialllm_ros.demo.questioner import Questioner, ask_aloud
from spatialllm_ros.demo.truth import Truth
from spatialllm_ros.errors import AnswerTimeoutError, ReplyError
from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.schema import QuestionRecord

ROOT = Path(__file__).parents[2]
QUESTIONER = ROOT / 'spatialllm_ros/demo/questioner.py'
SIDES = ('left', 'right')
RIGHT = QuestionRecord('sim-7', 'orientation_on_the_left', 'which side?', SIDES, 'right')
WRONG = QuestionRecord('sim-7', 'orientation_on_the_left', 'which end?', SIDES, 'left')
FAILING = QuestionRecord('sim-7', 'count', 'fail', (), '2')


@contextmanager
def filming_truth(peer, image, *records, is_delayed=False, namespace=''):
    """Publish images with their truth; a delayed one speaks of an image of an earlier second."""
    images = peer.node.create_publisher(Image, f'{namespace}/image', 2)
    truths = peer.node.create_publisher(String, f'{namespace}/camera/truth', 2)

    def publish():
        image.header.stamp = stamp = peer.node.get_clock().now().to_msg()
        text = Truth('sim-7', records).to_json((stamp.sec - is_delayed, stamp.nanosec))
        truths.publish(String(data=text))
        images.publish(image)

    timer = peer.node.create_timer(0.05, publish)
    try:
        yield
    finally:
        timer.cancel()


@pytest.fixture
def asked(scripted, peer, grey_image, start_node):
    """Return how the questioner ended, and what it wrote, with some truth."""

    def ask(*records, questions=6, **truth):
        with filming_truth(peer, grey_image(), *records, **truth):
            process = start_node(QUESTIONER, questions=questions, period_s=0.05)
            return process.exit_status(), process.log

    return ask


def test_answers_are_judged_by_the_truth_of_their_image(asked):
    status, log = asked(RIGHT, WRONG)
    assert status == 0
    assert log.count('✓') == log.count('✗ left') == 3
    assert log.count('which side?') == log.count('which end?') == 3
    assert 'right (50%)' in log
    assert '6 of 6 questions answered, 3 of 6 right, latency' in log


def test_answers_about_an_image_of_unknown_truth_are_not_judged(asked):
    status, log = asked(RIGHT, is_delayed=True)
    assert status == 0
    assert '6 of 6 questions answered, latency' in log
    assert '✓' not in log


@pytest.mark.parametrize(('failing', 'expected'), [(1, 0), (2, 1)])
def test_it_fails_if_less_than_five_in_six_are_answered(asked, failing, expected):
    words = ['fail'] * failing + [f'which {i}?' for i in range(failing, 6)]
    status, log = asked(*(QuestionRecord('sim-7', 'x', text, SIDES, 'right') for text in words))
    assert status == expected, log
    assert 'no answer, ENGINE_ERROR: expected a working engine' in log


def test_node_and_truth_are_looked_for_in_the_own_namespace(start_node, peer, grey_image):
    start_node(namespace='/r1')
    with filming_truth(peer, grey_image(), RIGHT, namespace='/r1'):
        process = start_node(QUESTIONER, namespace='/r1', questions=2, period_s=0.05)
        assert process.exit_status() == 0
    assert '2 of 2 questions answered, 2 of 2 right' in process.log


def test_without_truth_it_asks_questions_of_its_own(scripted, peer, start_node):
    with peer.filming():
        process = start_node(QUESTIONER, questions=4, period_s=0.05)
        assert process.exit_status() == 0
    assert 'is there a person in view?' in process.log
    assert '4 of 4 questions answered, latency' in process.log


def test_in_a_terminal_it_takes_questions(scripted, peer, start_node):
    ours, theirs = pty.openpty()
    with peer.filming():
        process = start_node(QUESTIONER, stdin=theirs, questions=1, period_s=0.05)
        peer.until(lambda: 'Your own questions' in process.log)
        os.write(ours, b'what colour?\n')
        peer.until(lambda: 'mean colour 128 128 128 up None (50%)' in process.log)
        os.write(ours, b'\x04')
        assert process.exit_status() == 0
    os.close(ours)
    os.close(theirs)


def test_an_answer_is_shown_as_it_is_written(capsys):
    class StubClient:
        def ask(self, question, options, on_text):
            on_text('the')
            on_text('the red')
            return Reply(
                StatusCode.OK, '', SpatialAnswer(text='the red car', confidence=0.25), 0.1
            )

    assert ask_aloud(StubClient(), 'which?')
    shown = capsys.readouterr().out
    assert shown.startswith('\r  the\r  the red\r  the red car (25%)')


def run_ask(domain, *words):
    command = [sys.executable, '-m', 'spatialllm_ros.demo.ask', *words]
    environment = os.environ | {'ROS_DOMAIN_ID': str(domain)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_one_question_from_another_terminal(scripted, peer, domain):
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        open_one = run_ask(domain, 'what colour?')
        closed = run_ask(domain, 'which?', '--option', 'left', '--option', 'right')
        failed = run_ask(domain, 'fail')
    assert (open_one.returncode, closed.returncode, failed.returncode) == (0, 0, 1)
    assert 'mean colour 128' in open_one.stdout
    assert 'right (50%)' in closed.stdout
    assert 'ENGINE_ERROR' in failed.stdout


@pytest.mark.parametrize('where', [
    ['--node', '/r1/spatialllm'], ['--node', 'r1/spatialllm'], ['--ros-args', '-r', '__ns:=/r1'],
])  # fmt: skip
def test_a_node_in_a_namespace_can_be_asked(start_node, domain, where):
    start_node(namespace='/r1')
    asked = run_ask(domain, 'what colour?', *where)
    assert (asked.returncode, asked.stderr) == (1, '')
    assert "no answer, NO_FRAME: expected an image from camera 'camera' on /r1/im" in asked.stdout


@pytest.mark.parametrize('words', [['--options', 'left', 'right'], ['--opt', 'left']])
def test_options_are_given_one_by_one(domain, words):
    refused = run_ask(domain, 'which?', *words)
    assert refused.returncode == 2
    assert '--option OPTION' in refused.stderr


@pytest.mark.parametrize('given', [{'period_s': '2'}, {'questions': '-1'}, {'period_s': '-0.5'}])
def test_a_number_that_cannot_be_ends_it_with_the_reason(start_node, given):
    process = start_node(QUESTIONER, **given)
    assert process.exit_status() == 1
    assert all(f'demo_questioner: {name}: ' in process.log for name in given)


@pytest.fixture
def client(domain):
    with AskClient('test_client', [], domain) as client:
        yield client


def test_no_node_is_named(client):
    with pytest.raises(AnswerTimeoutError, match=r'/spatialllm/ask within 0\.1 s'):
        client.wait_for_node(0.1)


def test_a_status_that_nobody_knows_is_said(peer, client):
    def execute(goal):
        goal.abort()
        return AskSpatial.Result(status=99)

    server = ActionServer(peer.node, AskSpatial, '/spatialllm/ask', execute)
    client.wait_for_node(30.0)
    with pytest.raises(ReplyError, match='found 99; is it of another version'):
        client.ask('is it bright?')
    peer.run(server.destroy)


def test_no_image_is_said_with_what_the_node_says(scripted, client, monkeypatch, capsys):
    monkeypatch.setattr(questioner, 'IMAGE_TIMEOUT_S', 0.3)
    monkeypatch.setattr(questioner, 'TELL_S', 0.1)
    words = "expected an image from camera 'camera' on /image, found none"
    with pytest.raises(AnswerTimeoutError, match=f'^{words}.* after 0.3 s$') as ended:
        Questioner(client).run()
    assert str(ended.value).count('expected') == 1
    assert capsys.readouterr().out.count(words) == 1
