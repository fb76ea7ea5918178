"""What the worker does while nobody asks: order, priority, turns. No time is measured."""

import queue
import threading
from collections import Counter

import pytest

from spatialllm_ros.errors import (
    CancelledError,
    EngineError,
    QuestionError,
    StaleFrameError,
    UnknownCameraError,
)
from spatialllm_ros.runtime.scheduler import Rates, SchedulerSettings
from spatialllm_ros.runtime.watches import Watch
from spatialllm_ros.schema import Query

DEADLINE_S = 20.0
EVERY_FRAME = Rates(watch_hz=1e6)


def watch(name, question='what?', camera='front'):
    return Watch(name, Query(question, camera=camera))


def heard(desk, count):
    """Return the names of the next watches that were answered."""
    return [desk.watched.get(timeout=DEADLINE_S)[0] for _ in range(count)]


def test_standing_questions_are_one_batch_on_every_encoded_frame(make_desk):
    desk = make_desk(rates=EVERY_FRAME)
    desk.scheduler.watch([watch('a', 'one'), watch('b', 'two')])
    for number in range(1, 4):
        frame = desk.film(stamp_s=4 + number / 10)
        answers = dict(desk.watched.get(timeout=DEADLINE_S) for _ in range(2))
        assert {name: answer.text for name, answer in answers.items()} == {'a': 'one', 'b': 'two'}
        assert {answer.stamp_ns for answer in answers.values()} == {frame.stamp_ns}
        assert all(answer.camera is frame.camera for answer in answers.values())
        assert desk.session.batches == [['one', 'two']] * number
    answer = answers['a']
    assert (answer.timing.encode_s, answer.timing.image_age_s) == (0.25, 0.7)


def test_who_draws_hears_the_standing_answers_with_their_frame(make_desk):
    desk, drawn = make_desk(rates=EVERY_FRAME), queue.Queue()
    desk.scheduler.add_listener(lambda *answered: drawn.put(answered))
    desk.scheduler.watch([watch('a', 'one'), watch('b', 'fail'), watch('c', 'two', 'rear')])
    for camera, question in (('front', 'one'), ('rear', 'two')):
        newest = desk.film(camera)
        frame, query, answer = drawn.get(timeout=DEADLINE_S)
        assert frame is newest
        assert (query.question, query.camera, answer.text) == (question, camera, question)
    assert drawn.empty()


def test_a_frame_that_a_question_had_encoded_counts_too(make_desk, clock):
    desk = make_desk(rates=Rates(watch_hz=0.001))
    desk.scheduler.watch([watch('a', 'one')])
    desk.film()
    assert heard(desk, 1) == ['a']
    desk.film()
    desk.ask('question')
    assert heard(desk, 1) == ['a']
    assert desk.session.encoded.qsize() == 2


def test_more_than_a_batch_is_answered_in_turn(make_desk):
    desk = make_desk(batch_size=2, rates=EVERY_FRAME)
    desk.scheduler.watch([watch(name, name) for name in 'abcde'])
    desk.film()
    assert heard(desk, 5) == list('abcde')
    assert desk.session.batches == [['a', 'b'], ['c', 'd'], ['e']]


def slow(desk, batch_s):
    """Let each batch take so long, while a new image comes and the clock of the stamps goes on."""
    answer_each = desk.session.answer_each

    def later(seen, requests):
        desk.stamps_s += batch_s
        desk.film(stamp_s=desk.stamps_s)
        yield from answer_each(seen, requests)

    desk.session.answer_each = later


def test_one_round_may_take_longer_than_an_image_stays_new(make_desk, clock):
    desk = make_desk(batch_size=1, rates=Rates(watch_hz=0.001))
    slow(desk, 0.4)
    desk.scheduler.watch([watch(name, name) for name in 'abcdefgh'])
    first = desk.film(stamp_s=5.0)
    told = [desk.watched.get(timeout=DEADLINE_S) for _ in range(8)]
    assert [(name, getattr(said, 'text', said)) for name, said in told] == list(
        zip('abcdefgh', 'abcdefgh', strict=True)
    )
    # By hand: begun at ages of 0, 0.4 and 0.8 s; at 1.2 s a new one is taken in its place.
    seconds = [answer.stamp_ns / 1e9 for _, answer in told]
    assert seconds == pytest.approx([5.0] * 3 + [6.2] * 3 + [7.4] * 2)
    assert told[0][1].stamp_ns == first.stamp_ns
    desk.film('rear')
    desk.ask('one', camera='rear', max_age_s=60.0)  # whatever were due would be asked before this
    assert len(desk.session.batches) == 9, 'a round is not begun anew before its time'


def test_nobody_starves_where_images_grow_old_in_mid_round(make_desk):
    desk = make_desk(batch_size=1, rates=EVERY_FRAME)
    slow(desk, 0.4)
    desk.scheduler.watch([watch(name, name) for name in 'abcde'])
    desk.film(stamp_s=5.0)
    outcomes = [desk.watched.get(timeout=DEADLINE_S) for _ in range(40)]
    assert not [outcome for _, outcome in outcomes if isinstance(outcome, Exception)]
    counts = Counter(name for name, _ in outcomes)
    assert set(counts) == set('abcde')
    assert max(counts.values()) - min(counts.values()) <= 1


def test_who_was_told_that_the_image_is_old_has_not_seen_it(make_desk):
    desk = make_desk(batch_size=1, rates=EVERY_FRAME)
    answer_each = desk.session.answer_each

    def then_silence(seen, requests):
        desk.stamps_s = 8.0
        yield from answer_each(seen, requests)

    desk.session.answer_each = then_silence
    desk.scheduler.watch([watch('a'), watch('b')])
    desk.film(stamp_s=4.5)
    (first, _), (second, told) = (desk.watched.get(timeout=DEADLINE_S) for _ in range(2))
    assert (first, second, type(told)) == ('a', 'b', StaleFrameError)
    desk.ask('one', max_age_s=60.0)
    assert desk.watched.empty(), 'an image is said to be old once'
    desk.film(stamp_s=7.9)
    assert heard(desk, 2) == ['b', 'a'], 'who waits longest comes first'


def test_a_question_ends_the_standing_ones_and_they_are_asked_anew(make_desk):
    desk = make_desk(batch_size=2, rates=EVERY_FRAME)
    desk.scheduler.watch([watch('a', 'one'), watch('b', 'talk'), watch('c', 'two')])
    desk.film()
    desk.session.words.get(timeout=DEADLINE_S)
    asked = desk.submit('question')
    desk.let_go_on()
    assert asked.result(DEADLINE_S).text == 'question'
    assert heard(desk, 1) == ['a']
    desk.session.words.get(timeout=DEADLINE_S)
    # Those that have waited longest come first, and what was answered is not asked again.
    assert desk.session.batches == [['one', 'talk'], ['question'], ['talk', 'two']]
    assert desk.watched.empty()


def test_questions_come_before_encoding(make_desk):
    desk = make_desk(rates=Rates({'front': 1e6, 'rear': 1e6}))
    desk.film()
    talking = desk.talk()
    rear = desk.film('rear')
    newest = desk.film(stamp_s=4.9)
    asked = [desk.submit(question) for question in ('one', 'two')]
    while not desk.session.encoded.empty():
        desk.session.encoded.get()
    talking.cancel()
    desk.let_go_on()
    assert [future.result(DEADLINE_S).stamp_ns for future in asked] == [newest.stamp_ns] * 2
    assert desk.session.encoded.get(timeout=DEADLINE_S) is newest
    assert desk.session.encoded.get(timeout=DEADLINE_S) is rear


def test_cameras_take_turns_in_encoding(make_desk):
    names = ('a', 'b', 'c')
    desk = make_desk(cameras=names, rates=Rates(dict.fromkeys(names, 1e6)))
    encoded, go_on = queue.Queue(), threading.Semaphore(0)
    encode = desk.session.encode

    def slow(frame):
        encoded.put(frame.camera_name)
        assert go_on.acquire(timeout=DEADLINE_S)
        return encode(frame)

    desk.session.encode = slow
    desk.film('c')
    order = [encoded.get(timeout=DEADLINE_S)]
    for _ in range(8):
        for name in names:  # each of them always has a new one
            desk.film(name)
        go_on.release()
        order.append(encoded.get(timeout=DEADLINE_S))
    go_on.release(100)
    assert order == ['c', 'a', 'b'] * 3


def test_each_camera_has_its_own_rate(make_desk, clock):
    desk = make_desk(rates=Rates({'front': 1.0, 'rear': 0.1}))
    for camera in ('front', 'rear'):
        first = desk.film(camera)
        assert desk.session.encoded.get(timeout=DEADLINE_S) is first
    clock.now_s += 2.0
    desk.film('rear')
    due = desk.film()
    assert desk.session.encoded.get(timeout=DEADLINE_S) is due
    desk.ask('one')  # whatever were due would have been encoded before the next wait
    assert desk.session.encoded.empty()


def test_rates_and_limits_change_while_the_worker_runs(make_desk):
    desk = make_desk()
    unseen = desk.film()
    desk.scheduler.apply(SchedulerSettings(queue_size=1, rates=Rates({'front': 1e6})))
    assert desk.session.encoded.get(timeout=DEADLINE_S) is unseen
    talking = desk.talk()
    waiting = desk.submit('one')
    with pytest.raises(Exception, match='at most 1 waiting'):
        desk.submit('two')
    for future in (talking, waiting):
        future.cancel()


def test_a_failure_is_told_and_the_next_frame_is_another_try(make_desk, caplog):
    desk = make_desk(rates=EVERY_FRAME)
    desk.scheduler.watch([watch('a', 'fail'), watch('b', 'one')])
    for _ in range(2):
        desk.film()
        outcomes = dict(desk.watched.get(timeout=DEADLINE_S) for _ in range(2))
        assert {type(outcome) for outcome in outcomes.values()} == {EngineError}
    desk.scheduler.watch([watch('a', 'crash')])
    desk.film()
    _, outcome = desk.watched.get(timeout=DEADLINE_S)
    assert 'ZeroDivisionError' in str(outcome)
    assert desk.ask('three').text == 'three'


@pytest.mark.parametrize(('frame_id', 'words'), [
    ('broken', 'expected an engine, found smoke'),
    ('burning', 'expected an answer, found a failure: ZeroDivisionError()'),
])  # fmt: skip
def test_an_image_that_cannot_be_encoded_is_told_and_tried_again_at_the_rate(
    make_desk, clock, caplog, frame_id, words
):
    desk = make_desk(rates=Rates(watch_hz=0.5))
    desk.scheduler.watch([watch('a'), watch('b'), watch('c', camera='rear')])
    desk.film(frame_id=frame_id)
    told = dict(desk.watched.get(timeout=DEADLINE_S) for _ in range(2))
    assert {name: type(outcome) for name, outcome in told.items()} == {
        'a': EngineError, 'b': EngineError,
    }  # fmt: skip
    assert all(words in str(outcome) for outcome in told.values())
    assert f'an image of front could not be encoded: {words}' in caplog.text
    desk.film(frame_id=frame_id)
    desk.film('rear')
    assert heard(desk, 1) == ['c']
    assert desk.session.encoded.qsize() == 2  # the second one of front has to wait
    clock.now_s += 2.1
    desk.film()
    assert sorted(heard(desk, 2)) == ['a', 'b']


def test_a_listener_that_fails_does_not_end_the_worker(make_desk, caplog):
    desk = make_desk(rates=EVERY_FRAME)
    desk.watched.put = None
    desk.scheduler.watch([watch('a')])
    desk.film()
    assert desk.ask('three').text == 'three'
    desk.film()
    assert desk.ask('four').text == 'four'


def test_an_encoded_frame_that_has_grown_old_is_not_watched(make_desk):
    desk = make_desk(rates=EVERY_FRAME)
    desk.film(stamp_s=1.0)
    desk.ask('one', max_age_s=60.0)
    desk.scheduler.watch([watch('a')])
    _, outcome = desk.watched.get(timeout=DEADLINE_S)
    assert isinstance(outcome, StaleFrameError)
    assert desk.session.batches == [['one']]


@pytest.mark.parametrize(('bad', 'kind', 'words'), [
    ([watch('Door')], QuestionError, "found 'Door'"),
    ([watch('a__b')], QuestionError, "found 'a__b'"),
    ([watch('a' * 65)], QuestionError, 'at most 64 characters'),
    ([watch('a'), watch('b'), watch('a')], QuestionError, "found 'a' 2 times"),
    ([watch(f'w{n}') for n in range(33)], QuestionError, 'at most 32 watches, found 33'),
    ([watch('fine'), watch('mute', '')], QuestionError, 'mute: expected a question'),
    ([watch('belly', camera='belly')], UnknownCameraError, "belly: .*'front', 'rear'"),
])  # fmt: skip
def test_what_cannot_be_watched_changes_nothing(make_desk, bad, kind, words):
    desk = make_desk(rates=EVERY_FRAME)
    kept = desk.scheduler.watch([watch('kept', camera='')])
    assert kept[0].query.camera == 'front'
    with pytest.raises(kind, match=words):
        desk.scheduler.watch(bad)
    desk.film()
    assert heard(desk, 1) == ['kept']


def test_the_most_that_is_allowed_is_answered(make_desk):
    desk = make_desk(rates=EVERY_FRAME)
    names = [f'w{n}' for n in range(32)]
    desk.scheduler.watch([watch(name) for name in names])
    desk.film()
    assert heard(desk, 32) == names
    desk.scheduler.watch([])
    desk.film()
    desk.ask('one')
    assert desk.watched.empty()


def test_stopping_ends_a_standing_question_in_mid_answer(make_desk):
    desk = make_desk(rates=EVERY_FRAME)
    desk.scheduler.watch([watch('a', 'talk')])
    desk.film()
    desk.session.words.get(timeout=DEADLINE_S)
    stopping = threading.Thread(target=desk.scheduler.stop)
    stopping.start()
    while desk.scheduler._queue.is_open:
        pass
    desk.let_go_on()
    stopping.join(DEADLINE_S)
    assert not stopping.is_alive()
    assert desk.watched.empty()
    desk.scheduler.start()
    desk.film()
    desk.session.words.get(timeout=DEADLINE_S)


def test_a_cancelled_question_is_no_matter_of_the_standing_ones(make_desk):
    desk = make_desk(rates=EVERY_FRAME)
    desk.film()
    talking = desk.talk()
    desk.scheduler.watch([watch('a')])
    talking.cancel()
    desk.let_go_on()
    with pytest.raises(CancelledError):
        talking.result(DEADLINE_S)
    assert heard(desk, 1) == ['a']
