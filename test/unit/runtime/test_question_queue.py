"""Questions that wait and run, without a worker."""

import math
import time

import pytest

from spatialllm_ros.errors import AnswerTimeoutError, BusyError, CancelledError, EngineError
from spatialllm_ros.runtime.question_queue import AnswerFuture, Question, QuestionQueue
from spatialllm_ros.schema import Answer, AnswerKind, Query, Timing


@pytest.fixture
def queue():
    queue = QuestionQueue(size=3, batch_size=2)
    queue.open()
    return queue


def question(queue, camera='front', limit_s=math.inf, on_text=None):
    return Question(
        Query('what?', camera=camera), on_text, AnswerFuture(queue.cancel),
        received_s=time.monotonic(), limit_s=limit_s,
    )  # fmt: skip


def put(queue, *cameras, **more):
    asked = [question(queue, camera, **more) for camera in cameras]
    for one in asked:
        queue.put(one)
    return asked


def answer(**timing):
    return Answer('yes', AnswerKind.YES_NO, 1.0, 6_500_000_000, '', '', timing=Timing(**timing))


def test_batches_go_by_camera_and_age(queue):
    a, b, c = put(queue, 'front', 'rear', 'front')
    assert queue.take_batch() == [a, c]
    assert len(queue) == 1
    d, e = put(queue, 'rear', 'rear')
    assert queue.take_batch() == [b, d]
    assert queue.take_batch() == [e]
    assert queue.take_batch() == []


def test_a_full_queue_refuses_until_there_is_room(queue):
    a, *_ = put(queue, 'front', 'front', 'front')
    with pytest.raises(BusyError, match='at most 3 waiting'):
        put(queue, 'front')
    a.future.cancel()
    put(queue, 'front')


def test_a_closed_queue_refuses_and_has_ended_all_that_waited(queue):
    running, waiting = put(queue, 'front', 'rear')
    queue.take_batch()
    queue.close()
    with pytest.raises(CancelledError):
        waiting.future.result(0)
    assert running.is_cancelled
    assert not running.future.done()
    with pytest.raises(BusyError, match='activate'):
        put(queue, 'front')


def test_a_cancelled_question_has_no_other_outcome(queue):
    (running,) = put(queue, 'front')
    queue.take_batch()
    assert running.future.cancel()
    queue.end(running, answer())
    with pytest.raises(CancelledError):
        running.future.result(0)
    assert not running.future.cancel()


def test_a_session_that_stops_by_the_limit_means_a_timeout(queue):
    (running,) = put(queue, 'front', limit_s=0.0)
    queue.take_batch()
    assert running.is_overdue
    queue.end(running, CancelledError('told to stop'))
    with pytest.raises(AnswerTimeoutError, match='within 0 s'):
        running.future.result(0)


def test_only_those_whose_time_is_up_end(queue):
    (late,) = put(queue, 'front', limit_s=0.0)
    (early,) = put(queue, 'front')
    queue.end_overdue()
    assert isinstance(late.future.exception(0), AnswerTimeoutError)
    assert queue.take_batch() == [early]


def test_an_error_ends_what_runs_and_nothing_else(queue):
    running, waiting = put(queue, 'front', 'rear')
    queue.take_batch()
    queue.end_running(EngineError('smoke'))
    assert str(running.future.exception(0)) == 'smoke'
    assert not waiting.future.done()


def test_the_times_add_up(queue):
    (running,) = put(queue, 'front')
    running.received_s -= 2.0
    running.image_age_s, running.encode_s = 0.5, 0.25
    queue.take_batch()
    queue.end(running, answer(prefill_s=0.5, decode_s=0.125))
    timing = running.future.result(0).timing
    assert timing.image_age_s == 0.5
    assert timing.total_s >= 2.0
    parts = (timing.encode_s, timing.queue_s, timing.prefill_s, timing.decode_s)
    assert sum(parts) == pytest.approx(timing.total_s)
    assert parts[1] >= 1.125


def test_a_listener_that_fails_is_logged_and_not_called_again(queue, caplog):
    heard = []

    def listen(text):
        heard.append(text)
        raise ZeroDivisionError

    asked = question(queue, on_text=listen)
    asked.show('one')
    asked.show('one two')
    assert heard == ['one']
    assert 'ZeroDivisionError' in caplog.text
