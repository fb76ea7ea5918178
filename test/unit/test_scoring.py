"""Right and wrong answers, errors and shares, worked out by hand."""

import math

import pytest

from spatialllm_ros.evaluation.scoring import (
    OBJECT_OPTIONS,
    TWELVE,
    Judged,
    TypeScore,
    judge,
    majority,
    median_error,
    type_scores,
)
from spatialllm_ros.questions import QUESTION_TYPES
from spatialllm_ros.schema import Answer, AnswerKind, QuestionRecord


def asked(name, truth, options=()) -> QuestionRecord:
    return QuestionRecord('s', name, 'what?', tuple(options), truth)


def said(text, choice=None) -> Answer:
    return Answer(text, AnswerKind.TEXT, 0.75, 0, 'optical', 'camera', choice=choice)


def judged(name, truth, is_right, options=(), error=None) -> Judged:
    return Judged(asked(name, truth, options), '', is_right, 0.5, error)


def test_the_tables_agree_with_the_question_types():
    assert tuple(QUESTION_TYPES)[:12] == TWELVE
    assert {name for name, kind in QUESTION_TYPES.items() if kind.names_objects} == OBJECT_OPTIONS


@pytest.mark.parametrize(('choice', 'is_right'), [(0, False), (1, True), (None, False)])
def test_a_closed_answer_is_right_by_its_option(choice, is_right):
    record = asked('orientation_viewpoint', 'back', ('front', 'back', 'left', 'right'))
    found = judge(record, said('back', choice))
    assert found.is_right is is_right
    assert (found.confidence, found.error) == (0.75, None)


@pytest.mark.parametrize(
    ('truth', 'text', 'is_right', 'error'),
    [
        ('2.0 m', '2.2 m', True, 0.1),
        ('2.0 m', '2.3 m', False, 0.15),
        ('4.0 m', '3.6 m', True, 0.1),
        ('0.3 m', '0.4 m', True, 1 / 3),
        ('0.3 m', '0.5 m', False, 2 / 3),
        ('0.0 m', '0.1 m', True, 1.0),
        ('2.0 m', '2.0 M', True, 0.0),
        ('2.0 m', '2 degrees', False, math.inf),
        ('2.0 m', 'far away', False, math.inf),
        ('2.0 m', '2.0 m or so', False, math.inf),
        ('2.0 m', 'there is no red car', False, math.inf),
    ],
)
@pytest.mark.parametrize('name', ['distance_to_camera', 'distance_between', 'height_above_floor'])
def test_lengths(name, truth, text, is_right, error):
    found = judge(asked(name, truth), said(text))
    assert found.is_right is is_right
    assert found.error == pytest.approx(error)


@pytest.mark.parametrize(
    ('truth', 'text', 'is_right', 'error'),
    [
        ('90 degrees', '110 degrees', True, 20),
        ('90 degrees', '120 degrees', False, 30),
        ('350 degrees', '10 degrees', True, 20),
        ('10 degrees', '340 degrees', False, 30),
        ('0 degrees', '180 degrees', False, 180),
        ('90 degrees', '90', False, math.inf),
        ('90 degrees', '9.0 m', False, math.inf),
        ('90 degrees', 'left', False, math.inf),
    ],
)
def test_headings_are_compared_around_the_circle(truth, text, is_right, error):
    found = judge(asked('heading', truth), said(text))
    assert (found.is_right, found.error) == (is_right, error)


@pytest.mark.parametrize(
    ('text', 'is_right', 'error'),
    [
        ('column 50 row 40 distance 2.0 m', True, 0.0),
        ('column 54 row 40 distance 9.9 m heading 10 degrees', True, 0.04),
        ('column 53 row 44 distance 2.0 m', True, math.hypot(3, 3) / 100),
        ('column 50 row 48 distance 2.0 m', False, 0.06),
        ('column 50 row 40', False, math.inf),
        ('on the left', False, math.inf),
    ],
)
def test_places_are_compared_in_parts_of_the_width(text, is_right, error):
    found = judge(asked('locate', 'column 50 row 40 distance 2.0 m'), said(text))
    assert found.is_right is is_right
    assert found.error == pytest.approx(error)


def test_of_a_square_image_a_row_counts_as_much_as_a_column():
    below, aside = 'column 50 row 46 distance 2.0 m', 'column 56 row 40 distance 2.0 m'
    record = asked('locate', 'column 50 row 40 distance 2.0 m')
    assert judge(record, said(below)).is_right  # in a 4:3 image
    for text in (below, aside):
        found = judge(record, said(text), height_share=1.0)
        assert (found.is_right, found.error) == (False, pytest.approx(0.06))
    tall = [asked('locate', f'column 50 row {row} distance 2.0 m') for row in (40, 46)]
    assert majority(tall) == 1
    assert majority(tall, height_share=1.0) == 0.5


@pytest.mark.parametrize(('text', 'is_right'), [('2', True), ('1', False), ('two', False)])
def test_other_answers_must_be_the_very_words(text, is_right):
    assert judge(asked('count', '2'), said(text)).is_right is is_right


@pytest.mark.parametrize(
    ('options', 'answer', 'is_right'),
    [
        ((), said('There is no red car'), True),
        ((), said('2.0 m'), False),
        (('red car', 'mug'), said('there is no red car'), True),
        (('red car', 'mug'), said('mug', choice=1), False),
    ],
)
def test_of_an_absent_object_only_its_absence_is_right(options, answer, is_right):
    found = judge(asked('distance_to_camera', 'there is no red car', options), answer)
    assert (found.is_right, found.error) == (is_right, None)


def test_an_object_that_is_there_may_not_be_denied():
    record = asked('height_higher', 'mug', ('red car', 'mug'))
    assert not judge(record, said('there is no mug')).is_right


def test_scores_stand_beside_blind_and_majority():
    sides = ('front', 'back', 'left', 'right')
    truths = ['front', 'front', 'front', 'left', 'back']
    seen = [judged('orientation_viewpoint', truth, truth != 'left', sides) for truth in truths]
    unseen = [judged('orientation_viewpoint', truth, truth == 'back', sides) for truth in truths]
    seen.append(judged('orientation_viewpoint', 'there is no mug', True, sides))
    unseen.append(judged('orientation_viewpoint', 'there is no mug', False, sides))
    assert type_scores(seen, unseen) == {
        'orientation_viewpoint': TypeScore(accuracy=0.8, blind=0.2, majority=0.6, n=5),
        'absent_object': TypeScore(accuracy=1.0, blind=0.0, majority=1.0, n=1),
    }


def test_where_options_name_objects_the_majority_is_of_a_position():
    records = [
        asked('height_higher', 'mug', ('mug', 'car')),
        asked('height_higher', 'dog', ('dog', 'mug')),
        asked('height_higher', 'mug', ('car', 'mug')),
    ]
    assert majority(records) == pytest.approx(2 / 3)


def test_questions_of_yes_and_no_have_a_commonest_answer_of_their_own():
    names, yes_no = ('mug', 'yes'), ('yes', 'no')
    closer = 'location_closer_to_camera'
    records = [
        *[asked(closer, answer, names) for answer in ('yes', 'mug', 'yes')],  # an object's name
        *[asked(closer, answer, yes_no) for answer in ('no', 'no', 'no', 'yes')],
    ]
    assert majority(records) == pytest.approx((2 + 3) / 7)
    sides = ('front', 'back', 'left', 'right')
    records = [
        *[asked('orientation_viewpoint', answer, sides) for answer in ('front', 'back', 'left')],
        *[asked('orientation_viewpoint', answer, order) for answer in yes_no
          for order in (yes_no, yes_no[::-1])],
    ]  # fmt: skip
    assert majority(records) == pytest.approx((1 + 2) / 7)


@pytest.mark.parametrize(('name', 'answers', 'expected'), [
    # 2.0 m is within a tenth of 1.9, 2.0 and 2.2 m; nothing is right more often.
    ('distance_to_camera', ['1.9 m', '2.0 m', '2.2 m', '3.0 m', '0.5 m'], 3 / 5),
    # Within 20 degrees of 350 are 340, 350 and 5.
    ('heading', ['340 degrees', '350 degrees', '5 degrees', '180 degrees'], 3 / 4),
    ('locate', ['column 20 row 20 distance 2.0 m', 'column 23 row 24 distance 9.0 m',
                'column 60 row 20 distance 2.0 m'], 2 / 3),
    ('heading', ['there is no mug', 'there is no dog'], 1),
])  # fmt: skip
def test_the_majority_has_the_tolerance_that_answers_have(name, answers, expected):
    assert majority([asked(name, answer) for answer in answers]) == pytest.approx(expected)


def test_the_median_error_is_over_what_was_there_to_measure():
    answers = [
        judged('heading', '90 degrees', True, error=10.0),
        judged('heading', '90 degrees', False, error=math.inf),
        judged('heading', '90 degrees', True, error=4.0),
        judged('heading', 'there is no mug', False, error=math.inf),
        judged('locate', 'column 1 row 1 distance 2.0 m', True, error=0.01),
    ]
    assert median_error(answers, 'heading') == 10.0
    assert median_error(answers, 'locate') == 0.01
    assert math.isnan(median_error(answers, 'distance_to_camera'))
