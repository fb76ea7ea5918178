"""The worker between askers and a session, with a scripted session in place of a model."""

import queue
import random
import threading

import pytest

from spatialllm_ros.errors import (
    AnswerTimeoutError,
    BusyError,
    CancelledError,
    EngineError,
    NoFrameError,
    QuestionError,
    StaleFrameError,
    UnknownCameraError,
)
from spatialllm_ros.runtime.frame_store import FrameCounts, FrameStore
from spatialllm_ros.runtime.scheduler import Rates, Scheduler
from spatialllm_ros.schema import Query, Timing

DEADLINE_S, ENCODE_S = 20.0, 0.25


def test_an_answer_has_the_stamp_of_its_frame_and_all_its_times(clock, desk):
    talking = desk.talk()
    asked = desk.submit('what?')
    clock.now_s += 2.0
    talking.cancel()
    desk.let_go_on()
    answer = asked.result(DEADLINE_S)
    assert (answer.text, answer.stamp_ns, answer.camera_name) == ('what?', 4_500_000_000, 'front')
    assert answer.timing == pytest.approx(
        Timing(
            image_age_s=0.5,
            encode_s=0.0,
            queue_s=2.0 - 0.03,
            prefill_s=0.01,
            decode_s=0.02,
            total_s=2.0,
        )
    )


def test_the_clock_may_jump_while_a_question_waits(desk):
    talking = desk.talk()
    asked = desk.submit('what?')
    desk.stamps_s = 1005.0
    desk.film(stamp_s=1004.75)
    talking.cancel()
    desk.let_go_on()
    assert asked.result(DEADLINE_S).timing.image_age_s == 0.25


def test_a_frame_is_encoded_once_for_all_its_questions(desk):
    first, second = desk.ask('one'), desk.ask('two')
    assert (first.timing.encode_s, second.timing.encode_s) == (ENCODE_S, 0.0)
    newer = desk.film()
    desk.film('rear')
    desk.ask('three')
    desk.ask('four', camera='rear')
    desk.ask('five')
    encoded = [desk.session.encoded.get_nowait() for _ in range(3)]
    assert [frame.camera_name for frame in encoded] == ['front', 'front', 'rear']
    assert encoded[1] is newer
    assert desk.session.encoded.empty()


def test_waiting_questions_to_one_camera_run_together_and_cameras_take_turns(make_desk):
    desk = make_desk(batch_size=3)
    desk.film()
    desk.film('rear')
    talking = desk.talk()
    cameras = {'a': '', 'b': 'front', 'c': 'rear', 'd': '', 'e': '', 'f': 'rear'}
    asked = [desk.submit(question, camera) for question, camera in cameras.items()]
    assert desk.scheduler.waiting == 6
    talking.cancel()
    desk.let_go_on()
    answers = [future.result(DEADLINE_S) for future in asked]
    assert [answer.text for answer in answers] == list(cameras)
    assert [answer.camera_name for answer in answers] == [c or 'front' for c in cameras.values()]
    assert desk.session.batches == [['talk'], ['c', 'f'], ['a', 'b', 'd'], ['e']]
    assert desk.scheduler.waiting == 0


def test_a_question_and_its_lookup_share_a_frame_however_small_batches_and_queue_are(make_desk):
    desk = make_desk(batch_size=1, queue_size=1)
    desk.film()
    talking = desk.talk()
    pair = desk.scheduler.submit_with_lookup(Query('how far?'), Query('where?'))
    with pytest.raises(BusyError):
        desk.submit('one more')
    talking.cancel()
    newer = desk.film(stamp_s=4.75)
    desk.let_go_on()
    answers = [future.result(DEADLINE_S) for future in pair]
    assert [answer.text for answer in answers] == ['how far?', 'where?']
    assert {answer.stamp_ns for answer in answers} == {newer.stamp_ns}
    assert all(answer.camera is newer.camera for answer in answers)
    assert desk.session.batches == [['talk'], ['how far?', 'where?']]


def test_a_lookup_outlives_its_question(desk):
    talking = desk.talk()
    question, lookup = desk.scheduler.submit_with_lookup(Query('how far?'), Query('where?'))
    question.cancel()
    talking.cancel()
    desk.let_go_on()
    assert lookup.result(DEADLINE_S).text == 'where?'


def test_a_listener_that_fails_spoils_no_answer(desk, caplog):
    def fail(frame, query, answer):
        raise ZeroDivisionError

    heard = []
    desk.scheduler.add_listener(fail)
    desk.scheduler.add_listener(lambda frame, query, answer: heard.append(answer.text))
    talking = desk.talk()
    asked = [desk.submit(question) for question in ('one', 'two')]
    talking.cancel()
    desk.let_go_on()
    assert [future.result(DEADLINE_S).text for future in asked] == ['one', 'two']
    desk.ask('three')
    assert heard[:2] == ['one', 'two']
    assert caplog.text.count('expected a listener to return') >= 2


def test_an_answer_does_not_wait_for_its_batch(desk):
    holding = desk.talk()
    short, long = desk.submit('short'), desk.submit('talk')
    holding.cancel()
    desk.let_go_on()
    assert short.result(DEADLINE_S).text == 'short'
    desk.session.words.get(timeout=DEADLINE_S)
    assert desk.session.batches[-1] == ['short', 'talk']
    assert not long.done()


def test_words_are_heard_as_they_come(desk):
    heard = []
    desk.ask('one', on_text=heard.append)
    assert heard == ['one']


def test_a_listener_is_told_each_answer_with_its_frame(desk):
    told = queue.Queue()
    desk.scheduler.add_listener(lambda *answered: told.put(answered))
    first, frame = desk.ask('one'), desk.frames.take('front')
    with pytest.raises(EngineError):
        desk.ask('fail')
    newer = desk.film('rear')
    second = desk.ask('two', camera='rear')
    for expected_frame, expected in ((frame, first), (newer, second)):
        found, query, answer = told.get(timeout=DEADLINE_S)
        assert found is expected_frame
        assert (query.question, answer.text) == (expected.text, expected.text)
    assert told.empty()


def test_a_callback_may_ask_again(desk):
    again = queue.Queue()
    first = desk.submit('one')
    first.add_done_callback(lambda _: again.put(desk.submit('two')))
    assert again.get(timeout=DEADLINE_S).result(DEADLINE_S).text == 'two'


def test_a_waiting_question_is_cancelled_at_once(desk):
    desk.talk()
    waiting = desk.submit('one')
    assert waiting.cancel()
    with pytest.raises(CancelledError, match='cancelled'):
        waiting.result(0)
    assert desk.scheduler.waiting == 0
    assert not waiting.cancel()
    assert desk.session.batches == [['talk']]


def test_a_running_question_is_cancelled_before_its_next_word(desk):
    running = desk.talk()
    assert running.cancel()
    assert not running.done()
    desk.let_go_on()
    with pytest.raises(CancelledError):
        running.result(DEADLINE_S)
    assert desk.session.words.empty()
    assert not running.cancel()
    assert desk.ask('one').text == 'one'


def test_time_is_up_for_one_that_runs_and_one_that_waits(make_desk, clock):
    desk = make_desk(timeout_s=3.0)
    desk.film()
    running = desk.talk()
    waiting, patient = desk.submit('one'), desk.submit('two', timeout_s=60.0)
    clock.now_s += 2.9
    desk.let_go_on()
    desk.session.words.get(timeout=DEADLINE_S)
    assert not running.done()
    assert not waiting.done()
    clock.now_s += 0.2
    desk.let_go_on()
    for late in (running, waiting):
        with pytest.raises(AnswerTimeoutError, match='within 3 s'):
            late.result(DEADLINE_S)
    assert patient.result(DEADLINE_S).text == 'two'


def test_one_that_waits_times_out_while_another_runs_on(desk, clock):
    running = desk.submit('talk', timeout_s=60.0)
    desk.session.words.get(timeout=DEADLINE_S)
    waiting = desk.submit('one', timeout_s=1.0)
    clock.now_s += 1.0
    desk.let_go_on()
    with pytest.raises(AnswerTimeoutError):
        waiting.result(DEADLINE_S)
    assert not running.done()


def test_a_failing_engine_ends_its_batch_and_no_other(desk, caplog):
    for question, words in (('fail', 'smoke'), ('crash', 'ZeroDivisionError')):
        holding = desk.talk()
        good, bad, after = (desk.submit(q) for q in ('one', question, 'two'))
        holding.cancel()
        desk.let_go_on()
        assert good.result(DEADLINE_S).text == 'one'
        for lost in (bad, after):
            with pytest.raises(EngineError, match=words):
                lost.result(DEADLINE_S)
        assert desk.ask('three').text == 'three'
    assert 'ZeroDivisionError' in caplog.text


def test_a_frame_that_cannot_be_encoded_is_tried_anew_by_each_question(desk):
    desk.film(frame_id='broken')
    for _ in range(2):
        with pytest.raises(EngineError, match='smoke'):
            desk.ask('one')
    assert desk.session.encoded.qsize() == 2
    desk.film()
    assert desk.ask('one').text == 'one'


def test_what_cannot_be_asked_is_refused_at_once(desk):
    with pytest.raises(QuestionError):
        desk.submit('')
    with pytest.raises(UnknownCameraError, match="'front', 'rear'"):
        desk.submit('one', camera='belly')


def test_frames_are_needed_and_may_be_too_old_for_some(make_desk):
    desk = make_desk()
    with pytest.raises(NoFrameError, match="'front'"):
        desk.ask('one')
    desk.film(stamp_s=4.5)
    holding = desk.talk()
    strict, default, loose = (desk.submit(str(age), '', age) for age in (0.4, None, 60.0))
    holding.cancel()
    desk.let_go_on()
    with pytest.raises(StaleFrameError, match=r'0\.40 s.*0\.50 s old'):
        strict.result(DEADLINE_S)
    assert default.result(DEADLINE_S).stamp_ns == loose.result(DEADLINE_S).stamp_ns
    assert desk.session.batches[-1] == ['None', '60.0']
    assert desk.frames.counts() == FrameCounts(received=1, used=1)


def test_stopping_ends_everything_and_starting_begins_anew(desk):
    running, waiting = desk.talk(), desk.submit('one')
    stopping = threading.Thread(target=desk.scheduler.stop)
    stopping.start()
    with pytest.raises(CancelledError):
        waiting.result(DEADLINE_S)
    with pytest.raises(BusyError):
        desk.submit('two')
    desk.let_go_on()
    stopping.join(DEADLINE_S)
    with pytest.raises(CancelledError):
        running.result(0)
    desk.scheduler.stop()
    for _ in range(2):
        desk.scheduler.start()
    assert desk.ask('three').text == 'three'
    assert sum(thread.name == 'spatialllm' for thread in threading.enumerate()) == 1


def test_a_scheduler_that_was_never_started_refuses(scripted_session):
    with pytest.raises(BusyError):
        Scheduler(scripted_session, FrameStore(['front'])).submit(Query('one'))


def test_frames_are_encoded_ahead_at_most_so_often(make_desk, clock):
    desk = make_desk(rates=Rates({'front': 0.1}))
    first = desk.film(stamp_s=4.1)
    assert desk.session.encoded.get(timeout=DEADLINE_S) is first
    clock.now_s += 9.0
    newer = desk.film(stamp_s=4.9)
    answer = desk.ask('one')
    assert (answer.stamp_ns, answer.timing.encode_s) == (first.stamp_ns, 0.0)
    assert desk.ask('two', max_age_s=0.5).stamp_ns == newer.stamp_ns
    assert desk.session.encoded.get(timeout=DEADLINE_S) is newer
    clock.now_s += 11.0
    newest = desk.film(stamp_s=5.0)
    assert desk.session.encoded.get(timeout=DEADLINE_S) is newest
    assert desk.frames.counts() == FrameCounts(received=3, used=3)


def test_encoding_ahead_outlives_old_and_broken_frames(make_desk, clock):
    desk = make_desk(rates=Rates({'front': 10.0, 'rear': 10.0}))
    desk.film('rear', stamp_s=0.0)
    desk.film(frame_id='broken')
    assert desk.session.encoded.get(timeout=DEADLINE_S).frame_id == 'broken'
    clock.now_s += 0.2
    good = desk.film()
    assert desk.session.encoded.get(timeout=DEADLINE_S) is good
    assert desk.ask('one').timing.encode_s == 0.0


def test_many_askers_each_get_one_outcome(make_desk):
    desk = make_desk(queue_size=10_000)
    desk.film()
    desk.session.may_go_on.release(100_000)
    outcomes, asked = queue.Queue(), 200

    def ask(seed):
        chance = random.Random(seed)
        for _ in range(asked):
            future = desk.submit(chance.choice(['one', 'two', 'fail']))
            future.add_done_callback(outcomes.put)
            if chance.random() < 0.5:
                future.cancel()

    threads = [threading.Thread(target=ask, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    ended = [outcomes.get(timeout=DEADLINE_S) for _ in range(4 * asked)]
    for thread in threads:
        thread.join()
    assert len(set(ended)) == 4 * asked
    assert outcomes.empty()
    assert {type(future.exception()) for future in ended} == {
        type(None), CancelledError, EngineError,
    }  # fmt: skip
    assert all(f.result().text in {'one', 'two'} for f in ended if not f.exception())
