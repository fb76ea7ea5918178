"""Cameras, engines and clients that fail: the node answers again within a second. Real DDS."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage

from spatialllm_msgs.msg import Status
from spatialllm_msgs.srv import AskSpatial as AskOnce
from spatialllm_ros.node.spinning import spin_once

BURST = 60
CLIENT = Path(__file__).with_name('vanishing_client.py')
JPEG = cv2.imencode('.jpg', np.full((6, 8, 3), 128, np.uint8))[1].tobytes()


def is_said(diagnostics, words):
    return words in diagnostics().get('spatialllm: camera camera', {}).get('message', '')


def test_a_camera_that_stops_and_starts_again(scripted, peer, accounts):
    diagnostics = peer.diagnostics()
    assert peer.ask('ready?').status == Status.NO_FRAME
    for _ in range(3):
        with peer.filming() as stamps:
            peer.answers_within_a_second(stamps)
        peer.ask_until(Status.STALE_FRAME, 'ready?')
    peer.until(lambda: is_said(diagnostics, 's old'))
    with peer.filming() as stamps:
        peer.answers_within_a_second(stamps)
        peer.until(lambda: is_said(diagnostics, 'no CameraInfo'))
    questions, _ = accounts()
    assert set(nonzero(questions)) == {'NO_FRAME', 'OK', 'STALE_FRAME'}


def nonzero(counts):
    return {name: number for name, number in counts.items() if number}


GOOD = {
    'small': {},
    'large': {'height': 480, 'width': 640, 'step': 1920, 'data': bytes([128] * 921_600)},
    'grey': {'encoding': 'mono8', 'step': 8, 'data': bytes([128] * 48)},
    'turned': {'encoding': 'bgr8'},
    'padded': {'step': 32, 'data': bytes([128] * 192)},
    'deep': {'encoding': 'mono16', 'step': 16, 'data': bytes([128] * 96)},
    'high': {'height': 8, 'width': 6, 'step': 18},
}


def test_a_camera_that_changes_size_and_encoding(answering, peer, grey_image, accounts):
    for fields in (*GOOD.values(), GOOD['small']):
        with peer.filming(grey_image(**fields)) as stamps:
            peer.answers_within_a_second(stamps, options=['yes', 'no'])
    _, (camera,) = accounts()
    assert camera['frames rejected'] == '0'


BAD = {
    'too small a step': {'step': 23},
    'too large a step': {'step': 2**32 - 1},
    'data cut short': {'data': bytes(143)},
    'no data': {'data': b''},
    'an unknown encoding': {'encoding': 'rgb9'},
    'no encoding': {'encoding': ''},
    'no size': {'height': 0, 'width': 0},
    'a depth image': {'encoding': '32FC1', 'step': 32, 'data': bytes(192)},
    'the largest size': {'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1},
}


@pytest.fixture
def rejected(peer):
    """Give a function that tells how many images were dropped so far."""
    diagnostics = peer.diagnostics()
    camera = 'spatialllm: camera camera'
    return lambda: int(diagnostics().get(camera, {}).get('frames rejected', 0))


def test_a_camera_that_sends_garbage(answering, peer, grey_image, accounts, rejected):
    for fields in BAD.values():
        before = rejected()
        with peer.filming(grey_image(**fields)):
            peer.until(lambda before=before: rejected() > before + 3)
            peer.ask_until(Status.NO_FRAME if not before else Status.STALE_FRAME, 'is it?')
        with peer.filming() as stamps:
            peer.answers_within_a_second(stamps, options=['yes', 'no'])
    accounts()


@pytest.mark.parametrize('file', [b'', JPEG[:40], JPEG[:-30], b'\xff' * 200, JPEG[::-1]],
                         ids=['empty', 'header', 'cut', 'ones', 'reversed'])  # fmt: skip
def test_a_camera_that_sends_broken_files(start_node, peer, accounts, rejected, file):
    start_node(camera__transport='compressed', max_frame_age_s=0.3)
    whole, broken = (CompressedImage(format='jpeg', data=data) for data in (JPEG, file))
    with peer.filming(whole, topic='image/compressed'):
        peer.ask_until(Status.OK, 'ready?')
    with peer.filming(broken, topic='image/compressed'):
        peer.until(lambda: rejected() > 3)
        peer.ask_until(Status.STALE_FRAME, 'ready?')
    with peer.filming(whole, topic='image/compressed') as stamps:
        peer.answers_within_a_second(stamps)
    accounts()


NAN = float('nan')
NO_INTRINSICS = {
    'not a number': {'k': [NAN] * 9, 'd': [NAN] * 5},
    'without end': {'k': [1e308, 0.0, 4.0, 0.0, 1e308, 3.0, 0.0, 0.0, 1.0]},
    'of another image': {'width': 80},
    'all zero': {'k': [0.0] * 9},
}


def intrinsics(**fields):
    k = [8.0, 0.0, 3.5, 0.0, 8.0, 2.5, 0.0, 0.0, 1.0]
    return CameraInfo(**{'width': 8, 'height': 6, 'k': k} | fields)


def test_a_camera_with_impossible_intrinsics(scripted, peer, accounts):
    for fields in NO_INTRINSICS.values():
        with peer.filming(info=intrinsics(**fields)):
            refused = peer.ask_until(Status.UNCALIBRATED, 'how far is it?')
            assert 'publish on /camera_info the CameraInfo of its images' in refused.message
            assert 'field_of_view_deg only guesses' in refused.message
            assert peer.ask('ready?').status == Status.OK
        with peer.filming(info=intrinsics()) as stamps:
            peer.answers_within_a_second(stamps, 'how far is it?')
    accounts()


def test_a_camera_without_colours_is_warned_of_once(scripted, peer, grey_image):
    with peer.filming(grey_image(encoding='mono8', step=8, data=bytes(range(48)))) as stamps:
        peer.answers_within_a_second(stamps)
        peer.until(lambda: len(stamps) > 5)
    assert scripted.log.count('the image is grey') == 1


def test_an_engine_that_fails_in_every_way(scripted, peer, grey_image, accounts):
    scripted.may_trace = True
    smoke = grey_image()
    smoke.header.frame_id = 'smoke'
    with peer.filming() as stamps:
        peer.ask_until(Status.OK, 'ready?')
        for question in ('fail', 'mumble', 'crash'):
            goal, _ = peer.send_goal(question)
            ended = peer.result(goal.get_result_async()).result
            assert (ended.status, ended.answer.text) == (Status.ENGINE_ERROR, '')
            del stamps[:]
            peer.answers_within_a_second(stamps)
    with peer.filming(smoke):
        peer.ask_until(Status.ENGINE_ERROR, 'ready?')
    with peer.filming() as stamps:
        peer.answers_within_a_second(stamps)
    assert 'ZeroDivisionError' in scripted.log
    assert 'the engine is on fire' in scripted.log
    questions, _ = accounts()
    assert set(nonzero(questions)) <= {'OK', 'ENGINE_ERROR', 'NO_FRAME', 'STALE_FRAME'}


@pytest.mark.parametrize('how', ['action', 'service'])
def test_a_client_that_disappears_in_mid_answer(start_node, peer, accounts, domain, how):
    start_node(answer_timeout_s=0.5, diagnostics_period_s=0.1)
    diagnostics = peer.diagnostics()

    def received_of_vanished():
        model = diagnostics().get('spatialllm: model', {})
        return int(model.get('questions received', 0)) - peer.asked

    with peer.filming() as stamps:
        peer.ask_until(Status.OK, 'ready?')
        for vanished in range(3):
            peer.until(lambda n=vanished: received_of_vanished() == n)
            client = subprocess.Popen([sys.executable, str(CLIENT), how, str(domain)])
            try:
                peer.until(lambda n=vanished: received_of_vanished() > n)
            finally:
                client.kill()
                client.wait()
            del stamps[:]
            peer.answers_within_a_second(stamps)
    questions, _ = accounts()
    assert questions['TIMEOUT'] == 3 + peer.replies[Status.TIMEOUT]


def test_a_burst_of_questions_ends_in_replies_every_one(start_node, peer, accounts):
    start_node(max_waiting_questions=4, answer_timeout_s=1.0)
    client = peer.node.create_client(
        AskOnce, '/spatialllm/ask_once', qos_profile=QoSProfile(depth=BURST)
    )
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        before, _ = accounts()
        assert client.wait_for_service(30.0)
        replies = [client.call_async(AskOnce.Request(question='count')) for _ in range(BURST)]
        found = Counter(peer.result(reply).status for reply in replies)
    assert set(found) <= {Status.OK, Status.BUSY}
    peer.asked += BURST
    after, _ = accounts()
    for status, name in ((Status.OK, 'OK'), (Status.BUSY, 'BUSY')):
        assert found[status] == after[name] - before[name]


def test_an_answer_that_no_message_can_hold_ends_nothing_else(scripted, peer):
    scripted.may_trace = True
    with peer.filming() as stamps:
        peer.ask_until(Status.OK, 'ready?')
        for number in range(1, 4):
            peer.ask_in_passing('speak garbage')
            peer.until(lambda number=number: scripted.log.count('UnicodeEncodeError') == number)
            assert peer.ask('ready?').status == Status.OK
        assert 'send_response' in scripted.log, 'with its traceback'
        stamps.clear()
        peer.answers_within_a_second(stamps)


@pytest.fixture
def lone_node(domain):
    """A node and its executor in this process."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node('lone', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node, executor
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def fail():
    raise ZeroDivisionError


def test_a_callback_that_fails_is_called_again(lone_node):
    node, executor = lone_node
    called = []

    def count_and_fail():
        called.append('again')
        fail()

    node.create_timer(0.001, count_and_fail)
    while len(called) < 3:
        spin_once(executor, node, timeout_s=1.0)


def test_what_the_executor_cannot_go_on_from_ends_the_node(lone_node, monkeypatch):
    node, executor = lone_node
    timer = node.create_timer(0.001, fail, callback_group=ReentrantCallbackGroup())
    deaf = node.create_timer(3600.0, fail)
    assert deaf.callback_group.beginning_execution(deaf)  # and nothing ever ends it

    def spin():
        while True:
            spin_once(executor, node, timeout_s=1.0)

    with pytest.raises(ZeroDivisionError):
        spin()
    deaf.callback_group.ending_execution(deaf)
    timer.cancel()
    monkeypatch.setattr(executor, 'wait_for_ready_callbacks', lambda *_: fail())
    with pytest.raises(ZeroDivisionError):
        spin_once(executor, node)
