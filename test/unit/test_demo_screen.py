"""Answers as lines, and the count of how they went."""

from types import SimpleNamespace

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from spatialllm_msgs.msg import SpatialAnswer, Timing
from spatialllm_ros.demo.ask_client import Reply
from spatialllm_ros.demo.screen import Tally, answer_line, verdict
from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.schema import QuestionRecord

RECORD = QuestionRecord('sim-7', 'height_higher', 'which?', ('dog', 'car'), 'dog')
TIMING = Timing(encode_s=0.0224, prefill_s=0.009, decode_s=0.0076)


def reply(latency_s=0.041, status=StatusCode.OK):
    answer = SpatialAnswer(text='the dog', confidence=0.971, timing=TIMING)
    return Reply(status, 'queue is full', answer, latency_s)


def test_an_answer_by_hand():
    line = ' '.join(answer_line(reply(), verdict(RECORD, True)).split())
    assert line == 'the dog (97%) ✓ 41 ms: encode 22, prefill 9, decode 8'


def test_answers_stand_below_each_other():
    lines = [answer_line(reply(latency_s), text) for latency_s in (0.002, 1.0) for text in 'ab']
    assert len({line.index(' ms:') for line in lines}) == 1


def test_no_answer_says_why():
    assert answer_line(reply(status=StatusCode.BUSY)) == 'no answer, BUSY: queue is full'


@pytest.mark.parametrize(('is_right', 'words'), [(True, '✓'), (False, '✗ dog'), (None, '')])
def test_verdicts(is_right, words):
    assert verdict(RECORD, is_right) == words


def test_the_summary_by_hand():
    tally = Tally()
    tally.count(reply(0.010), True)
    tally.count(reply(0.050), False)
    tally.count(reply(0.020), None)
    tally.count(reply(9.0, StatusCode.TIMEOUT), None)
    assert tally.summary() == (
        '3 of 4 questions answered, 1 of 2 right, latency 20 ms (median), 50 ms (slowest)'
    )


def test_nothing_answered_has_no_latency():
    tally = Tally()
    tally.count(SimpleNamespace(status=StatusCode.NO_FRAME), None)
    assert tally.summary() == '0 of 1 questions answered'
