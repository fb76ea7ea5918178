"""When a changed answer to a standing question is worth publishing."""

import math
from dataclasses import replace

import pytest

from spatialllm_ros.runtime.steadiness import SteadinessSettings, SteadyAnswer, agree
from spatialllm_ros.schema import Answer, AnswerKind, LocatedObject

SETTINGS = SteadinessSettings(hold_frames=3, min_confidence=0.6, refresh_s=10.0)


def answer(text, kind=AnswerKind.TEXT, confidence=0.9, **more):
    return Answer(text, kind, confidence, 0, '', '', **more)


def yes(confidence=0.9):
    return answer('yes', AnswerKind.YES_NO, confidence, yes=True)


def no(confidence=0.9):
    return answer('no', AnswerKind.YES_NO, confidence, yes=False)


def number(value, unit='m'):
    return answer(f'{value} {unit}', AnswerKind.NUMBER, 0.1, number=value, unit=unit)


def place(*centre_optical_m, heading_deg=None):
    heading_rad = None if heading_deg is None else math.radians(heading_deg)
    located = LocatedObject(centre_optical_m, (0.0, 0.0), heading_rad)
    return answer('there', AnswerKind.POSE, 0.1, pose=located)


def published(*answers, period_s=1.0, settings=SETTINGS):
    """Return at which of some answers, one a period, something was published."""
    steady = SteadyAnswer()
    return [
        number
        for number, answer in enumerate(answers)
        if steady.take(answer, number * period_s, settings)
    ]


def test_the_first_answer_is_published_and_a_flicker_is_not():
    assert published(yes(), no(), no(), yes(), no(), yes()) == [0]


def test_a_change_is_published_once_it_has_held():
    assert published(yes(), no(), no(), no(), no(), yes()) == [0, 3]
    assert published(yes(), no(), settings=SteadinessSettings(hold_frames=1)) == [0, 1]


def test_a_change_among_several_answers_has_to_be_the_same_one():
    options = [
        answer(word, AnswerKind.CHOICE, choice=index) for index, word in enumerate(['a', 'b', 'c'])
    ]
    a, b, c = options
    assert published(a, b, c, b, c, c, c) == [0, 6]
    unsure = replace(c, confidence=0.3)
    assert published(a, b, b, unsure, b, b, b) == [0, 6], 'an image between them breaks the row'


def test_an_unsure_answer_neither_makes_nor_breaks_a_change():
    assert published(yes(), *[no(0.55)] * 8) == [0]
    assert published(yes(), no(), no(0.55), no(), no()) == [0, 4]


def test_an_unchanged_answer_is_published_anew_so_often():
    assert published(*[yes()] * 25) == [0, 10, 20]
    assert published(yes(), no(), no(), no(), *[no()] * 12) == [0, 3, 13]


def test_changes_are_counted_and_the_newest_is_kept():
    steady = SteadyAnswer()
    for second, taken in enumerate([yes(), no(), no(), no(0.7)]):
        steady.take(taken, float(second), SETTINGS)
    assert steady.changes == 1
    assert steady.published == no(0.7)


def test_numbers_and_places_agree_within_tolerance():
    assert agree(number(10.0), number(10.9))
    assert not agree(number(10.0), number(11.5))
    assert agree(number(0.2), number(0.3))
    assert not agree(number(3.0), number(3.0, 'degrees'))
    assert agree(number(355.0, 'degrees'), number(5.0, 'degrees'))
    assert not agree(number(355.0, 'degrees'), number(15.0, 'degrees'))
    assert not agree(number(3, ''), number(4, ''))
    assert agree(place(0.0, 0.0, 5.0), place(0.3, 0.3, 5.2))
    assert not agree(place(0.0, 0.0, 5.0), place(0.5, 0.5, 5.0))
    assert not agree(place(0.0, 0.0, 5.0), answer('there is no car'))
    assert not agree(answer('left'), answer('right'))


@pytest.mark.parametrize(('degrees', 'other', 'same'), [
    (0, 180, False), (90, 100, True), (90, 110, False), (355, 5, True), (355, 15, False),
    (-170, 175, True), (None, 0, False), (None, None, True),
])  # fmt: skip
def test_places_agree_if_they_look_the_same_way(degrees, other, same):
    here, there = (place(0.0, 0.0, 5.0, heading_deg=heading) for heading in (degrees, other))
    assert agree(here, there) is agree(there, here) is same


def test_a_slow_drift_is_followed():
    metres = [number(5.0 + step / 10) for step in range(30)]
    steady, shown = SteadyAnswer(), []
    for second, taken in enumerate(metres):
        if steady.take(taken, float(second), SteadinessSettings(2, 0.6, 1.0)):
            shown.append(taken.number)
    assert abs(shown[-1] - metres[-1].number) <= 0.1 * metres[-1].number
