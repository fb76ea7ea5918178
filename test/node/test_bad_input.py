"""Every bad input gets its stated result, and the node still answers afterwards. Real DDS."""

import re
import time

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from builtin_interfaces.msg import Duration
from std_msgs.msg import String

from spatialllm_msgs.msg import Status

GOOD_QUESTION = 'is there a red car?'
YES_NO = ['yes', 'no']
OLD, YOUNG = Duration(sec=600), Duration(nanosec=200_000_000)


@pytest.mark.parametrize(('question', 'words'), [
    ('', 'question in words'),
    ('   ', 'question in words'),
    ('how far ' * 1250, 'question'),
    ('\x01\x02\x7f\x1b', 'question in words'),
], ids=['empty', 'blank', '10000 characters', 'control characters'])  # fmt: skip
def test_bad_questions_are_named(answering, peer, question, words):
    with peer.filming():
        peer.ask_until(Status.OK, GOOD_QUESTION, options=YES_NO)
        reply = peer.ask(question)
        assert reply.status == Status.BAD_QUESTION
        assert words in reply.message
        assert reply.answer.text == ''
        goal, _ = peer.send_goal(question)
        assert peer.result(goal.get_result_async()).result.status == Status.BAD_QUESTION
        assert peer.ask(GOOD_QUESTION, options=YES_NO).status == Status.OK


def test_bytes_that_are_no_text_are_refused(answering, peer):
    # A String as it goes over the wire: header, length with the closing zero, bytes.
    binary = bytes(range(0x80, 0x90)) + b'\xff\xfe'
    wire = b'\0\1\0\0' + (len(binary) + 1).to_bytes(4, 'little') + binary + b'\0'
    refusals = []
    peer.node.create_subscription(
        String, '/spatialllm/refused', lambda message: refusals.append(message.data), 10
    )
    questions = peer.node.create_publisher(String, '/spatialllm/question', 10)
    with peer.filming():
        peer.ask_until(Status.OK, GOOD_QUESTION, options=YES_NO)
        refusal = peer.until(lambda: questions.publish(wire) or refusals)[0]
        assert refusal.startswith('BAD_QUESTION: ')
        assert peer.ask(GOOD_QUESTION, options=YES_NO).status == Status.OK


def test_an_unknown_camera_is_told_the_known_ones(answering, peer):
    with peer.filming():
        peer.ask_until(Status.OK, GOOD_QUESTION, options=YES_NO)
        reply = peer.ask(GOOD_QUESTION, options=YES_NO, camera='belly')
        assert reply.status == Status.UNKNOWN_CAMERA
        assert 'camera' in reply.message.replace("'belly'", '')
        assert 'belly' in reply.message
        assert peer.ask(GOOD_QUESTION, options=YES_NO).status == Status.OK


def test_without_an_image_there_is_no_frame(answering, peer):
    reply = peer.ask(GOOD_QUESTION, options=YES_NO)
    assert reply.status == Status.NO_FRAME
    assert "'camera'" in reply.message
    with peer.filming():
        peer.ask_until(Status.OK, GOOD_QUESTION, options=YES_NO)


def test_an_old_image_is_stale_and_both_ages_are_told(answering, peer):
    with peer.filming():
        peer.ask_until(Status.OK, GOOD_QUESTION, options=YES_NO)
    reply = peer.ask_until(
        Status.STALE_FRAME, GOOD_QUESTION, options=YES_NO, max_frame_age=Duration(nanosec=10**8)
    )
    ages_s = [float(number) for number in re.findall(r'\d+\.\d+', reply.message)]
    assert 0.1 in ages_s
    assert len(ages_s) > 1
    assert max(ages_s) >= 0.1
    assert peer.ask(GOOD_QUESTION, options=YES_NO, max_frame_age=OLD).status == Status.OK


BAD_IMAGES = {
    'cut short': ({'data': bytes(143)}, 'layout', 'at least 144 bytes'),
    'unknown encoding': ({'encoding': 'rgb9'}, 'encoding', "found 'rgb9'"),
    'empty': ({'height': 0, 'width': 0, 'step': 0, 'data': b''}, 'size', 'found 0x0'),
    'enormous': ({'height': 20_000, 'width': 20_000, 'step': 60_000}, 'size', '20000x20000'),
}


@pytest.mark.parametrize('name', BAD_IMAGES)
def test_bad_images_are_dropped_counted_and_warned_of(answering, peer, grey_image, name):
    fields, reason, words = BAD_IMAGES[name]
    diagnostics = peer.diagnostics()

    def rejected():
        camera = diagnostics().get('spatialllm: camera camera', {})
        return int(camera.get(f'frames rejected for {reason}', 0))

    with peer.filming():
        peer.ask_until(Status.OK, GOOD_QUESTION, options=YES_NO)
    started = time.monotonic()
    with peer.filming(grey_image(**fields)):
        peer.until(lambda: rejected() >= 30)
    warned_for_s = time.monotonic() - started
    warnings = answering.log.count('image dropped')
    assert 1 <= warnings <= warned_for_s + 1
    assert words in answering.log
    assert peer.ask(GOOD_QUESTION, options=YES_NO, max_frame_age=OLD).status == Status.OK
    with peer.filming():
        peer.ask_until(Status.OK, GOOD_QUESTION, options=YES_NO, max_frame_age=YOUNG)


def test_every_frame_is_accounted_for(answering, peer, grey_image):
    diagnostics = peer.diagnostics()
    with peer.filming():
        peer.ask_until(Status.OK, GOOD_QUESTION, options=YES_NO)
        with peer.filming(grey_image(encoding='rgb9')):
            camera = peer.until(
                lambda: (
                    (c := diagnostics().get('spatialllm: camera camera'))
                    and int(c['frames rejected']) > 5
                    and int(c['frames superseded']) > 5
                    and c
                )
            )
    ended_as = ('used', 'superseded', 'rejected', 'waiting')
    assert int(camera['frames received']) == sum(int(camera[f'frames {how}']) for how in ended_as)
