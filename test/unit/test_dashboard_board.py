"""What the dashboard remembers, and the rows and bars that it makes of it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialllm_ros.dashboard import board as boards
from spatialllm_ros.dashboard.board import Board, Exchange, WatchAnswer
from spatialllm_ros.dashboard.plots import latency_options
from spatialllm_ros.dashboard.tables import about, history_row, latency_summary, watch_rows
from spatialllm_ros.errors import BusyError


def answered(number, latency_s, text='yes', **parts_s):
    exchange = Exchange(number, 'is it bright?', 'front', confidence=0.914)
    exchange.parts_s = {'queue': 0.0, 'encode': 0.0, 'prefill': 0.0, 'decode': 0.0} | parts_s
    exchange.end('OK', text)
    exchange.latency_s = latency_s
    return exchange


@given(st.lists(st.integers(-1, 7), max_size=400))
def test_the_last_questions_are_kept_and_no_open_one_is_forgotten(steps):
    """-1 asks; other numbers end that one of the open questions."""
    board, waiting, asked = Board(), [], 0
    for step in steps:
        if step >= 0 and step < len(waiting):
            waiting.pop(step).end('OK', 'yes')
        elif len(waiting) == 8:
            with pytest.raises(BusyError):
                board.open('another?')
        else:
            waiting.append(board.open(f'question {asked}'))
            asked += 1
    kept = board.exchanges()
    assert len(kept) == min(asked, 100)
    assert all(one in kept for one in waiting)
    numbers = [one.number for one in kept]
    assert numbers == sorted(set(numbers))


def test_the_oldest_that_has_ended_goes_first():
    board = Board()
    waiting = board.open('still there?')
    for number in range(100):
        board.open(f'question {number}').end('OK', 'yes')
    assert [one.question for one in board.exchanges()] == [
        'still there?',
        *(f'question {number}' for number in range(1, 100)),
    ]
    assert waiting.is_open


def test_only_the_first_end_counts(monkeypatch):
    seconds = iter([10.25, 99.0])
    monkeypatch.setattr(boards.time, 'monotonic', lambda: next(seconds))
    exchange = Exchange(1, 'how far?', asked_s=10.0)
    exchange.end('TIMEOUT', 'no answer within the time limit')
    exchange.end('OK', '3 m')
    assert (exchange.status, exchange.words) == ('TIMEOUT', 'no answer within the time limit')
    assert exchange.latency_s == 0.25


def test_the_words_so_far_name_cameras_where_there_are_several():
    exchange = Exchange(1, 'where is it?')
    assert exchange.words == ''
    exchange.partial['front'] = 'column 4'
    assert exchange.words == 'column 4'
    exchange.partial['rear'] = 'there is'
    assert exchange.words == 'front: column 4; rear: there is'
    exchange.end('OK', 'column 42')
    assert exchange.words == 'column 42'


def test_a_node_is_well_where_it_is_there_and_active():
    board = Board()
    seen = []
    for board.is_present in (False, True):
        for board.state in ('inactive', 'active'):
            seen.append(board.is_well)
    assert seen == [False, False, False, True]


def test_rows_of_the_history():
    waiting = Exchange(1, 'how far?', options=('near', 'far'))
    assert history_row(waiting) == {
        'number': 1, 'question': 'how far? / near / far', 'camera': '', 'answer': '...',
        'confidence': '', 'latency': '',
    }  # fmt: skip
    assert history_row(answered(2, 0.0456)) == {
        'number': 2, 'question': 'is it bright?', 'camera': 'front', 'answer': 'yes',
        'confidence': '91%', 'latency': '46 ms',
    }  # fmt: skip
    refused = Exchange(3, '?')
    refused.end('BAD_QUESTION', 'expected words')
    assert history_row(refused)['answer'] == 'BAD_QUESTION expected words'
    assert history_row(refused)['confidence'] == ''


def test_what_is_said_beside_an_answer():
    exchange = Exchange(1, 'how far?')
    assert about(exchange) == ''
    exchange.is_cancelled = True
    assert about(exchange) == 'cancelling'
    exchange.end('CANCELLED', 'the caller cancelled')
    assert about(exchange) == 'no answer: CANCELLED'
    told = answered(2, 0.2)
    assert about(told) == 'confidence 91%, 200 ms on front'
    told.depth_m = 4.06
    assert about(told) == 'confidence 91%, 200 ms on front, 4.1 m by its depth image'


def test_the_summary_of_latencies_is_of_answers_alone():
    failed = answered(4, 9.0)
    failed.status = 'TIMEOUT'
    assert latency_summary([failed]) == ''
    exchanges = [answered(1, 0.010), answered(2, 0.030), answered(3, 0.500), failed]
    assert latency_summary(exchanges) == 'median 30 ms, slowest 500 ms'


def test_rows_of_standing_questions(monkeypatch):
    monkeypatch.setattr(boards.time, 'monotonic', lambda: 100.0)
    late = WatchAnswer('b', 'is it bright?', 'front', 'yes', 0.5, heard_s=97.2)
    early = WatchAnswer('a', 'is it dark?', 'front', 'no', 1.0, heard_s=100.0)
    rows = watch_rows([late, early])
    assert [row['watch'] for row in rows] == ['a', 'b']
    assert rows[1] == {
        'watch': 'b', 'question': 'is it bright?', 'camera': 'front', 'answer': 'yes',
        'confidence': '50%', 'heard': '3 s ago',
    }  # fmt: skip


def test_bars_add_up_to_the_latencies():
    exchanges = [
        answered(3, 0.1, queue=0.01, encode=0.02, prefill=0.03, decode=0.015),
        Exchange(4, 'still open?'),
        answered(5, 0.02, decode=0.03),  # clocks of two processes: never less than nothing
    ]
    options = latency_options(exchanges)
    bars = {series['name']: series['data'] for series in options['series']}
    assert options['xAxis']['data'] == [3, 5]
    assert bars == {
        'waiting': [10, 0], 'image': [20, 0], 'question': [30, 0], 'answer': [15, 30],
        'ROS and the rest': [25, 0],
    }  # fmt: skip


def test_only_the_last_bars_are_drawn():
    options = latency_options([answered(number, 0.1) for number in range(100)])
    assert options['xAxis']['data'] == list(range(60, 100))


@pytest.mark.parametrize(('confidence', 'words'), [
    (math.nan, 'unknown'), (1e-5, 'below 1%'), (0.914, '91%'),
])  # fmt: skip
def test_a_confidence_that_nobody_knows_is_no_number(confidence, words):
    exchange = answered(1, 0.2)
    exchange.confidence = confidence
    assert about(exchange).startswith(f'confidence {words}, ')
    assert history_row(exchange)['confidence'] == words
    watch = WatchAnswer('a', 'is it?', 'front', 'yes', confidence, heard_s=0.0)
    assert watch_rows([watch])[0]['confidence'] == words
