"""Evaluation on held-out worlds: which worlds, who answers, what the report says."""

import json
import math
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest

from spatialllm_ros.errors import AnswerParseError, ConfigError, SceneError
from spatialllm_ros.evaluation.asked_worlds import QUESTIONS_PER_WORLD, asked_worlds, seeds_from
from spatialllm_ros.evaluation.held_out import Examiner, HeldOutWorlds
from spatialllm_ros.evaluation.pictures import one_of_each, write_pictures
from spatialllm_ros.evaluation.report import make_report
from spatialllm_ros.evaluation.scoring import TWELVE, Judged
from spatialllm_ros.questions import QUESTION_TYPES
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.runtime.session import EncodedFrame
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS
from spatialllm_ros.schema import Answer, AnswerKind, QuestionRecord

FIRST, LAST = 900_000_000, 999_999_999
SIZE_PX = (96, 72)
WORLDS = 8


def test_seeds_go_round_within_their_range():
    assert seeds_from(FIRST + 7, 3, HELD_OUT_SEEDS) == [FIRST + 7, FIRST + 8, FIRST + 9]
    assert seeds_from(LAST - 1, 4, HELD_OUT_SEEDS) == [LAST - 1, LAST, FIRST, FIRST + 1]


@pytest.mark.parametrize(('seed', 'count'), [(0, 5), (FIRST - 1, 5), (LAST + 1, 5), (FIRST, 0)])
def test_other_worlds_are_refused(seed, count):
    with pytest.raises(ConfigError, match=f'900000000..999999999.*the seed {seed} and {count}'):
        HeldOutWorlds(seed, count)


def test_worlds_for_choosing_between_models_are_a_split_of_their_own():
    assert HeldOutWorlds(800_000_000, 2, split='validation').seeds() == [800_000_000, 800_000_001]
    for seed, split in ((FIRST, 'validation'), (800_000_000, 'test'), (0, 'validation')):
        with pytest.raises(ConfigError, match=f'the seed {seed} and 2 worlds'):
            HeldOutWorlds(seed, 2, split=split)
    with pytest.raises(ConfigError, match=r"split of .* found 'train'"):
        HeldOutWorlds(split='train')


@pytest.mark.parametrize('wrong', [{'processes': 0}, {'threads': -1}])
def test_impossible_processes_are_refused(wrong):
    with pytest.raises(ConfigError, match='at least one process'):
        HeldOutWorlds(**wrong)


def test_an_unknown_set_of_worlds_is_named():
    with pytest.raises(ConfigError, match="found 'moons'"):
        HeldOutWorlds(style='moons')


@pytest.mark.parametrize(('processes', 'threads', 'expected'), [(3, 0, 2), (8, 0, 1), (2, 5, 5)])
def test_processes_share_the_cores(monkeypatch, processes, threads, expected):
    monkeypatch.setattr(os, 'cpu_count', lambda: 7)
    assert HeldOutWorlds(processes=processes, threads=threads).threads_each() == expected


def worlds_of(seeds):
    try:
        return list(asked_worlds(seeds, SIZE_PX))
    except SceneError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def worlds():
    return worlds_of(range(FIRST, FIRST + WORLDS))


def test_equal_seeds_make_equal_worlds_and_questions(worlds):
    again = worlds_of(range(FIRST, FIRST + WORLDS))
    for first, second in zip(worlds, again, strict=True):
        assert first.records == second.records
        assert (first.frame.rgb == second.frame.rgb).all()
        assert 0 < len(first.records) <= QUESTIONS_PER_WORLD
        assert first.frame.rgb.shape == (72, 96, 3)


def test_wordings_are_those_kept_for_evaluation(worlds):
    for item in (record for world in worlds for record in world.records):
        starts = [wording.split('{')[0] for wording in PHRASINGS[item.type].evaluation]
        assert any(item.question.startswith(start) for start in starts), item


class TruthfulSession:
    """Answers rightly with the image, and without always with the first option or one metre."""

    def __init__(self, worlds) -> None:
        self.worlds = worlds
        self.blind_encodings = 0

    def encode(self, frame):
        return EncodedFrame(frame, 0.0, None)

    def encode_blind(self, frame):
        self.blind_encodings += 1
        return EncodedFrame(frame, 0.0, 'blind')

    def answer_batch(self, encoded, requests):
        (world,) = (w for w in self.worlds if (w.frame.rgb == encoded.frame.rgb).all())
        return [
            self._answer(encoded, record) if encoded.context is None else self._guess(record)
            for record, request in zip(world.records, requests, strict=True)
            if record.question == request.query.question
        ]

    def _answer(self, encoded, record):
        choice = record.options.index(record.answer) if record.answer in record.options else None
        return Answer(record.answer, AnswerKind.TEXT, 1.0, 0, 'f', 'c', choice=choice)

    def _guess(self, record):
        if not record.options:
            return AnswerParseError('expected an answer, found nothing')
        return Answer(record.options[0], AnswerKind.CHOICE, 0.5, 0, 'f', 'c', choice=0)


def test_seen_and_unseen_answers_are_judged_apart(worlds):
    session = TruthfulSession(worlds)
    examiner = Examiner(session)
    pairs = [examiner.ask(world) for world in worlds]
    seen, unseen = ([item for pair in pairs for item in pair[which]] for which in (0, 1))
    asked = [record for world in worlds for record in world.records]
    assert [item.record for item in seen] == [item.record for item in unseen] == asked
    assert all(item.is_right for item in seen)
    assert session.blind_encodings == 1
    for item, record in zip(unseen, asked, strict=True):
        assert item.is_right == (record.answer in record.options[:1])

    report = make_report('tiny', HeldOutWorlds(FIRST, WORLDS), seen, unseen)
    assert report.mean_twelve == 1
    assert report.ece == 0
    assert report.distance_median_relative_error == 0
    assert report.heading_median_error_deg == 0
    assert report.centre_median_error_fraction == 0
    for name, score in report.types.items():
        own = [r for r in asked if r.type == name and not r.answer.startswith('there is no')]
        if name != 'absent_object':
            first = sum(r.answer in r.options[:1] for r in own)
            assert (score.accuracy, score.n) == (1, len(own))
            assert score.blind == pytest.approx(first / len(own))


class Denier(TruthfulSession):
    """Says of every question that what it speaks of is not there; would take the last option."""

    def answer_batch(self, encoded, requests):
        return [Answer('there is no car', AnswerKind.TEXT, 0.9, 0, 'f', 'c') for _ in requests]

    def option_logs(self, encoded, queries):
        return [np.arange(len(query.options) + 1.0) for query in queries]


def test_a_denial_is_wrong_unless_an_option_has_to_be_taken(worlds):
    examiner = Examiner(Denier(worlds))
    for world in worlds:
        for answered, is_taken in ((examiner.ask(world), False), (examiner.choose(world), True)):
            for item in (item for items in answered for item in items):
                options, answer = item.record.options, item.record.answer
                if answer in options:
                    assert item.is_right == (is_taken and answer == options[-1])


def judged(kind: str, answer: str, options=(), right=True, confidence=1.0, error=None) -> Judged:
    record = QuestionRecord('sim-900000000', kind, f'a {kind}?', options, answer)
    return Judged(record, answer, right, confidence, error)


SEEN = [
    judged('exist', 'yes', ('yes', 'no'), True, 0.9),
    judged('exist', 'yes', ('yes', 'no'), False, 0.7),
    judged('exist', 'no', ('yes', 'no'), True, 0.8),
    judged('location_above', 'no', ('yes', 'no'), True, 1.0),
    judged('distance_to_camera', '2.0 m', error=0.2),
    judged('distance_to_camera', '1.0 m', error=0.1),
    judged('distance_to_camera', '1.0 m', error=math.inf, right=False),
    judged('heading', '90 degrees', error=math.inf, right=False),
]


def test_json_has_the_stated_keys_and_numbers_by_hand():
    unseen = [replace(item, is_right=item.record.answer == 'yes') for item in SEEN]
    plain = json.loads(make_report('nano', HeldOutWorlds(FIRST, 1), SEEN, unseen).to_json())
    assert plain['types']['exist'] == {
        'accuracy': pytest.approx(2 / 3),
        'blind': pytest.approx(2 / 3),
        'majority': pytest.approx(2 / 3),
        'n': 3,
    }
    assert plain['mean_twelve'] == 1.0
    assert plain['distance_median_relative_error'] == 0.2
    # An infinite median and one of nothing are no numbers in JSON.
    assert plain['heading_median_error_deg'] is None
    assert plain['centre_median_error_fraction'] is None
    # Four closed answers, each in a bin of its own.
    assert plain['ece'] == pytest.approx((0.1 + 0.7 + 0.2 + 0) / 4)
    assert (plain['model'], plain['first_seed'], plain['worlds']) == ('nano', FIRST, 1)


def test_table_names_every_type_the_twelve_first(tmp_path):
    report = make_report('nano', HeldOutWorlds(FIRST, 1), SEEN, SEEN)
    lines = report.table().splitlines()
    assert [line.split()[0] for line in lines[1:5]] == [
        'location_above', 'distance_to_camera', 'exist', 'heading',
    ]  # fmt: skip
    # Of two in three the bounds are (2/3 + z²/6 ± z √(2/27 + z²/36)) / (1 + z²/3), z = 1.96.
    assert lines[3].split() == ['exist', '0.667', '0.667', '0.667', '3', '0.208-0.939']
    assert [line.rsplit(maxsplit=1)[0] for line in lines if line.startswith('mean of')] == [
        'mean of the twelve (1 of them asked)'
    ]
    report.write(tmp_path / 'out' / 'r.json')
    assert json.loads((tmp_path / 'out' / 'r.json').read_text())['worlds'] == 1
    assert set(TWELVE) <= set(QUESTION_TYPES)


def test_pictures_show_one_right_and_one_wrong_answer_of_each_type(worlds, tmp_path):
    chosen = one_of_each(SEEN * 3)
    assert [(item.record.type, item.is_right) for item in chosen] == [
        ('distance_to_camera', True), ('distance_to_camera', False), ('exist', True),
        ('exist', False), ('heading', False), ('location_above', True),
    ]  # fmt: skip
    write_pictures(tmp_path / 'out' / 'page.png', SEEN, (192, 144))
    page = cv2.imread(str(tmp_path / 'out' / 'page.png'))
    assert page.shape[1] > page.shape[0] > 0
    assert page.std() > 10
