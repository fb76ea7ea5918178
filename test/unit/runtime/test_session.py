"""Packed decoding and closed answers against a slow reading of each text from its beginning."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from spatialllm_ros.errors import (
    AnswerParseError,
    BundleError,
    CancelledError,
    QuestionError,
    UncalibratedCameraError,
)
from spatialllm_ros.runtime import answering
from spatialllm_ros.runtime.bundle import SpecialTokens
from spatialllm_ros.runtime.decoding import PrefixedContext
from spatialllm_ros.runtime.session import Request
from spatialllm_ros.schema import AnswerKind, Query

QUESTIONS = [
    Query('is the red car left of the mug ?', ('yes', 'no')),
    Query('where is the dog ?', ('left', 'right', 'left of the mug')),
    Query('how far is the red mug ?'),
    Query('is the dog right of the car ?', ('no', 'yes')),
    Query('the blue car ?'),
]


def logs(scores):
    return scores - math.log(sum(math.exp(score) for score in scores))


class SlowReader:
    """Reads a whole text anew for every word; knows no cache, no packing, no session."""

    def __init__(self, language, words, image):
        self._language, self._words = language, words
        self._prefix = ('<s>', *image)

    def next_logs(self, question, said):
        text = (*self._prefix, *question.split(), '<answer>', *said)
        return logs(self._language(text))

    def option_logs(self, question, option):
        words = [*option.split(), '</s>']
        return sum(
            self.next_logs(question, words[:n])[self._words.index(word)]
            for n, word in enumerate(words)
        )

    def write(self, question, limit):
        said, total = [], 0.0
        while len(said) <= limit:
            scores = self.next_logs(question, said)
            total += scores.max()
            word = self._words[int(scores.argmax())]
            if word == '</s>':
                break
            said.append(word)
        return said, total


@pytest.fixture
def slow(chance, words, image_words, frame):
    return SlowReader(chance, words, image_words(frame()))


def plain(outcome):
    """Return an outcome without its times, to compare."""
    if isinstance(outcome, Exception):
        return type(outcome), str(outcome)
    return (
        outcome.text, outcome.kind, outcome.choice, outcome.number, round(outcome.confidence, 9),
    )  # fmt: skip


def heard_by(requests):
    return [request.on_text.__self__ for request in requests]


def requests_for(queries):
    return [Request(query, [].append) for query in queries]


def test_open_answers_are_the_greedy_ones(text_session, frame, slow):
    session = text_session()
    open_queries = [query for query in QUESTIONS if not query.options]
    requests = requests_for(open_queries)
    outcomes = session.answer_batch(session.encode(frame()), requests)
    for query, outcome, heard in zip(open_queries, outcomes, heard_by(requests), strict=True):
        said, total = slow.write(query.question, limit=10)
        assert heard == [' '.join(said[: n + 1]) for n in range(min(10, len(said)))]
        if not isinstance(outcome, AnswerParseError):
            assert outcome.text == ' '.join(said)
            assert outcome.confidence == pytest.approx(math.exp(total))


def test_scores_of_options_are_those_of_whole_texts(text_session, frame, slow, words):
    session = text_session(temperature=1.7)
    closed = [query for query in QUESTIONS if query.options]
    answers = session.answer_batch(session.encode(frame()), requests_for(closed))
    for query, answer in zip(closed, answers, strict=True):
        scores = [slow.option_logs(query.question, option) for option in query.options]
        scores.append(slow.next_logs(query.question, [])[words.index('there')])
        shares = np.exp(logs(np.array(scores) / 1.7))
        best = int(shares.argmax())
        assert best < len(query.options), 'this language finds something there'
        assert (answer.choice, answer.text) == (best, query.options[best])
        assert answer.confidence == pytest.approx(shares[best])


@pytest.mark.parametrize('context', [64, 32], ids=['one pass', 'several passes'])
def test_together_is_the_same_as_one_at_a_time(text_session, frame, context):
    session = text_session(context=context)
    together = session.answer_batch(session.encode(frame()), requests_for(QUESTIONS))
    alone = [
        session.answer_batch(session.encode(frame()), requests_for([query]))[0]
        for query in QUESTIONS
    ]
    assert not any(isinstance(outcome, QuestionError) for outcome in together)
    assert [plain(outcome) for outcome in together] == [plain(outcome) for outcome in alone]


@pytest.mark.parametrize('context', range(23, 49))
def test_long_answers_are_taken_up_again_where_room_runs_out(text_session, frame, context):
    """Answers of 9, 4, 2 and 3 words, for each of which room for 6 is kept."""
    queries = [Query(q) for q in ('where is the car ?', 'where is the dog ?', 'the car ?')]
    queries += [Query('is the dog red ?', ('yes', 'no'))]
    session = text_session(SAID, context=context)
    requests = requests_for(queries)
    outcomes = session.answer_batch(session.encode(frame()), requests)
    assert [outcome.text for outcome in outcomes] == [SAID[query.question] for query in queries]
    for query, heard in zip(queries, heard_by(requests), strict=True):
        words = SAID[query.question].split()
        assert heard == [' '.join(words[: n + 1]) for n in range(len(words))]
    assert all(0 <= outcome.timing.prefill_s < outcome.timing.total_s for outcome in outcomes)


def test_a_prefix_serves_again_and_again(text_session, frame):
    session = text_session()
    fresh = {}
    for seed in (1, 2):
        for query in QUESTIONS:
            outcomes = session.answer_batch(session.encode(frame(seed)), requests_for([query]))
            fresh[seed, query] = plain(outcomes[0])
    held = {seed: session.encode(frame(seed)) for seed in (1, 2)}
    images = session._engine.images
    for query in reversed(QUESTIONS * 2):
        for seed in (2, 1):
            outcomes = session.answer_batch(held[seed], requests_for([query]))
            assert plain(outcomes[0]) == fresh[seed, query]
    assert session._engine.images == images
    assert len({fresh[seed, QUESTIONS[2]] for seed in (1, 2)}) == 2


SAID = {
    'how far is the mug ?': '3.4 m',
    'where is the car ?': 'column 42 row 61 distance 3.4 m heading 90 degrees',
    'where is the dog ?': 'there is no dog',
    'is the dog red ?': 'there is no dog',
    'the car ?': 'red car',
    'a mug ?': '3.4 mug',
    'red ?': 'red',
    'of ?': 'the ' * 11,
}


def test_answers_mean_what_they_say(text_session, frame):
    session = text_session(SAID)
    encoded = session.encode(frame())
    far = session.answer(encoded, Query('how far is the mug ?'))
    assert (far.kind, far.number, far.unit) == (AnswerKind.NUMBER, 3.4, 'm')
    car = session.answer(encoded, Query('where is the car ?'))
    assert car.kind == AnswerKind.POSE
    assert np.linalg.norm(car.pose.centre_optical_m) == pytest.approx(3.4)
    assert car.pose.heading_rad == pytest.approx(math.pi / 2)
    assert (far.stamp_ns, far.frame_id, far.camera_name) == (1_000, 'optical', 'front')
    absent = session.answer(encoded, Query('is the dog red ?', ('yes', 'no')))
    assert (absent.kind, absent.text) == (AnswerKind.TEXT, 'there is no dog')
    assert absent.yes is absent.choice is None


@pytest.mark.parametrize('wholes', [(), ('yes',)], ids=['as any words', 'whole'])
def test_the_end_of_a_whole_answer_is_not_asked_for(text_session, frame, words, wholes):
    """A length is one in any vocabulary; a word is one where the bundle says so."""
    said = {'is the mug red ?': 'yes', 'is the car red ?': 'yes yes', 'how far ?': '3.4 m'}
    special = SpecialTokens(*range(6), whole=tuple(words.index(word) for word in wholes))
    session = text_session(said, tokens=special)
    language, begun = session._engine._language, []

    def listening(text):
        if '<answer>' in text:
            begun.append(len(text) - 1 - text.index('<answer>'))
        return language(text)

    session._engine._language = listening
    encoded = session.encode(frame())
    far = session.answer(encoded, Query('how far ?'))
    assert (far.text, far.number) == ('3.4 m', 3.4)
    assert begun.pop() == 1
    assert session.answer(encoded, Query('is the mug red ?')).yes is True
    assert begun.pop() == (0 if wholes else 2)  # the word, and the guess that "and" follows
    both = session.answer(encoded, Query('is the car red ?'))
    assert both.text == ('yes' if wholes else 'yes yes')


@pytest.fixture
def passes(monkeypatch):
    """Count the passes behind the question; gives the list of their numbers of words."""
    counts, extend = [], PrefixedContext.extend

    def counting(context, strands, words, guesses=()):
        counts.append(len(words) + sum(len(way) for ways in guesses for way in ways))
        extend(context, strands, words, guesses)

    monkeypatch.setattr(PrefixedContext, 'extend', counting)
    return counts


@pytest.mark.parametrize(
    ('question', 'read'),
    [
        # column|, 42 row|, 61 distance|, 3.4 m heading|, 90| degrees
        ('where is the car ?', [1, 2, 2, 3, 1]),
        # there is no|, dog| end; "mug" stands behind "dog" in the question
        ('is the dog mug ?', [3, 2]),
        # red car| end; the question has the name, and another
        ('the red mug red car ?', [3]),
        # red| mug| end; the guess "car" was wrong, as was that a name is the first of several
        ('the red car ?', [2, 2]),
    ],
)
def test_what_was_guessed_right_is_not_asked_for(text_session, frame, passes, question, read):
    said = SAID | {
        'is the dog mug ?': 'there is no dog', 'the red mug red car ?': 'red car',
        'the red car ?': 'red mug',
    }  # fmt: skip
    session = text_session(said)
    assert session.answer(session.encode(frame()), Query(question)).text == said[question]
    assert passes == read


def test_guesses_end_where_the_model_knows_no_positions(text_session, frame):
    """The longest question, and an answer that runs to its limit among guesses."""
    limit, manifest = 10, text_session().bundle.manifest
    words = ['red', 'car'] * manifest.decoder.positions
    room = manifest.decoder.positions - 1 - manifest.image.tokens - 1 - limit
    question, said = ' '.join(words[:room]), ' '.join(words[:limit])
    limits = replace(manifest.limits, answer_tokens=limit, question_characters=500)
    session = text_session({question: said}, limits=limits)
    assert session.answer(session.encode(frame()), Query(question)).text == said


@pytest.mark.parametrize('seed', range(20))
def test_no_answer_depends_on_guesses(text_session, frame, words, passes, monkeypatch, seed):
    """Whatever is guessed; an answer goes on behind a wrong guess as if nobody had made it."""
    rng = np.random.default_rng(seed)

    def wild(*_):
        lengths = rng.integers(4, size=rng.integers(3))
        return [rng.integers(5, len(words), length).tolist() for length in lengths]

    session = text_session()
    monkeypatch.setattr(answering, 'ways_on', lambda *_: [])
    expected = session.answer_batch(session.encode(frame(seed)), requests_for(QUESTIONS))
    without = len(passes)
    monkeypatch.setattr(answering, 'ways_on', wild)
    found = session.answer_batch(session.encode(frame(seed)), requests_for(QUESTIONS))
    assert [plain(outcome) for outcome in found] == [plain(outcome) for outcome in expected]
    assert sum(passes[without:]) > sum(passes[:without]) > 0


def test_metric_answers_need_a_calibrated_camera(text_session, frame):
    session = text_session(SAID)
    guess = replace(frame(is_calibrated=False), to_calibrate='look at a chessboard')
    encoded = session.encode(guess)
    for question in ('how far is the mug ?', 'where is the car ?'):
        with pytest.raises(UncalibratedCameraError, match=r'intrinsics; look at a chessboard$'):
            session.answer(encoded, Query(question))
    assert session.answer(encoded, Query('the car ?')).text == 'red car'


UNCALIBRATED_SAYS = {
    'how far is the mug ?': ([], '3.4 m'),
    'where is the car ?': ([], SAID['where is the car ?']),
    'the mug ?': (['90 degrees'], '90 degrees'),
    'the car ?': (['red', 'red car'], 'red car'),
    'where is the dog ?': (
        ['there', 'there is', 'there is no', 'there is no dog'], 'there is no dog',
    ),
    'red ?': (['column'], 'column'),
}  # fmt: skip
"""By question: what is heard of the answer where lengths are refused, and the whole answer."""


@pytest.mark.parametrize('question', UNCALIBRATED_SAYS)
def test_metres_that_will_be_refused_are_never_heard(text_session, frame, question):
    expected, said = UNCALIBRATED_SAYS[question]
    session = text_session({question: said})
    heard = {}
    for is_calibrated in (True, False):
        heard[is_calibrated] = []
        request = Request(Query(question), heard[is_calibrated].append)
        session.answer_batch(session.encode(frame(is_calibrated=is_calibrated)), [request])
    words = said.split()
    assert heard[True] == [' '.join(words[: n + 1]) for n in range(len(words))]
    assert heard[False] == expected


def test_a_chosen_option_is_heard_whatever_the_camera(text_session, frame):
    session, heard = text_session({'how far ?': '3.4 m'}), []
    query = Query('how far ?', ('3.4 m', '90 m'))
    session.answer(session.encode(frame(is_calibrated=False)), query, heard.append)
    assert heard == ['3.4 m']


def test_what_is_no_answer_is_refused(text_session, frame):
    session = text_session(SAID)
    encoded = session.encode(frame())
    with pytest.raises(AnswerParseError, match=r"found '3\.4 mug'"):
        session.answer(encoded, Query('a mug ?'))
    with pytest.raises(AnswerParseError, match='at most 10'):
        session.answer(encoded, Query('of ?'))


def test_a_bad_question_stands_in_its_place(text_session, frame):
    session = text_session(SAID)
    queries = [Query('the car ?'), Query(''), Query('how far is the mug ?')]
    good, bad, also_good = session.answer_batch(session.encode(frame()), requests_for(queries))
    assert (good.text, also_good.text) == ('red car', '3.4 m')
    assert isinstance(bad, QuestionError)
    with pytest.raises(QuestionError):
        session.check(queries[1])


def test_words_come_one_by_one_and_stop_when_cancelled(text_session, frame):
    session = text_session(SAID)
    heard, other = [], []
    cancelled = Request(Query('where is the dog ?'), heard.append, lambda: len(heard) == 2)
    kept = Request(Query('is the dog red ?'), other.append, lambda: False)
    outcomes = session.answer_batch(session.encode(frame()), [cancelled, kept])
    assert heard == ['there', 'there is']
    assert isinstance(outcomes[0], CancelledError)
    assert other == ['there', 'there is', 'there is no', 'there is no dog']
    assert outcomes[1].text == 'there is no dog'


def test_a_question_cancelled_before_it_began_says_nothing(text_session, frame):
    session, heard = text_session(SAID), []
    with pytest.raises(CancelledError):
        session.answer(
            session.encode(frame()), Query('the car ?', ('red', 'blue')), heard.append,
            lambda: True,
        )  # fmt: skip
    assert heard == []


def test_outcomes_come_when_they_are_there(text_session, frame):
    session, heard = text_session(SAID), []
    requests = [
        Request(Query('where is the car ?'), heard.append),
        Request(Query('the car ?')),
        Request(Query('red ?', ('red', 'blue'))),
    ]
    outcomes = session.answer_each(session.encode(frame()), requests)
    assert next(outcomes)[0] == 2
    assert heard == ['column']
    assert next(outcomes)[0] == 1
    assert heard[-1] == 'column 42 row 61'
    assert next(outcomes)[0] == 0
    assert list(outcomes) == []


@pytest.mark.parametrize(('name', 'content', 'words'), [
    ('embeddings.npy', b'garbage', 'NumPy array'),
    ('tokenizer.json', b'{}', 'tokenizer'),
])  # fmt: skip
def test_files_that_are_not_what_they_should_be(bundle_folder, text_session, name, content, words):
    (bundle_folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=f'{name}: expected a.* {words}'):
        text_session()


def test_embeddings_of_another_model_are_refused(bundle_folder, text_session):
    np.save(bundle_folder / 'embeddings.npy', np.zeros((3, 3), np.float16))
    with pytest.raises(BundleError, match=r'shape \(\d+, 8\), found \(3, 3\)'):
        text_session()


def test_a_tokenizer_with_more_words_than_rows_is_refused(bundle_folder, text_session, words):
    path = bundle_folder / 'tokenizer.json'
    plain = json.loads(path.read_text())
    plain['model']['vocab']['zebra'] = len(words)
    path.write_text(json.dumps(plain))
    rows = rf'ids below {len(words)}, the rows of .*embeddings\.npy, found {len(words)};'
    with pytest.raises(BundleError, match=rf'tokenizer\.json: expected {rows}'):
        text_session()
