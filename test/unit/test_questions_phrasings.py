"""The wordings: what they leave open, which split they belong to, what they ask for."""

import re
from itertools import chain

import pytest

from spatialllm_ros.questions import QUESTION_TYPES
from spatialllm_ros.questions.generator import fill
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.questions.wordings import for_each, phrasings
from spatialllm_ros.schema import Mention

BENCHMARK = {
    'height_higher': 'ab',
    'location_above': 'ab',
    'location_closer_to_camera': 'ab',
    'location_next_to': 'ab',
    'orientation_in_front_of': 'ab',
    'orientation_on_the_left': 'ab',
    'orientation_viewpoint': 'a',
    'multi_object_closer_to': 'abc',
    'multi_object_facing': 'abc',
    'multi_object_viewpoint_towards_object': 'ab',
    'multi_object_parallel': 'ab',
    'multi_object_same_direction': 'ab',
}
OTHERS = {
    'distance_to_camera': 'a',
    'distance_between': 'ab',
    'height_above_floor': 'a',
    'heading': 'a',
    'locate': 'a',
    'describe': 'a',
    'exist': 'a',
    'count': 'a',
    'reasoning_collision': 'ab',
    'reasoning_in_the_way': 'ab',
    'reasoning_camera_moves': 'ab',
    'reasoning_object_moves': 'abc',
    'reasoning_object_turns': 'abc',
    'control_colour': 'a',
    'control_image_side': 'ab',
    'location_support': 'a',
    'location_nearest': '',
    'location_farthest': '',
    'exist_any': 'a',
    'exist_of': 'a',
    'list': '',
    'list_of': 'a',
}
ROLES = {**BENCHMARK, **OTHERS}
DIRECT = {'higher', 'closer', 'nearer', 'facing', 'face', 'look', 'looking'}
OPPOSITE = {'lower', 'farther'}


def test_every_type_has_wordings_and_the_twelve_of_3dsrbench_are_there():
    assert set(QUESTION_TYPES) == set(PHRASINGS) == set(ROLES)
    assert all(QUESTION_TYPES[name].is_closed for name in BENCHMARK)


@pytest.mark.parametrize('name', ROLES)
def test_wordings_leave_the_roles_of_their_type_open(name):
    for wording in chain(PHRASINGS[name].train, PHRASINGS[name].evaluation):
        assert set(re.findall(r'\{(.*?)\}', wording)) == set(ROLES[name])
        assert wording.endswith(('?', '.'))
        assert wording == ' '.join(wording.lower().split())


@pytest.mark.parametrize('name', ROLES)
def test_held_out_wordings_are_new_but_their_words_are_not(name):
    own = PHRASINGS[name]
    assert len({*own.train, *own.evaluation}) == len(own.train) + len(own.evaluation)
    assert len(own.train) >= 2
    assert len(own.evaluation) >= 2
    known = {word for each in PHRASINGS.values() for text in each.train for word in split(text)}
    assert {word for text in own.evaluation for word in split(text)} <= known


def test_no_wording_is_shared_by_two_types():
    every = [w for own in PHRASINGS.values() for w in chain(own.train, own.evaluation)]
    assert len(every) == len(set(every))


@pytest.mark.parametrize('name', [n for n in ROLES if QUESTION_TYPES[n].names_objects])
def test_a_wording_asks_for_the_relation_or_its_opposite(name):
    for wording in chain(PHRASINGS[name].train, PHRASINGS[name].evaluation):
        found = set(split(wording)) & (DIRECT | OPPOSITE)
        assert len(found) == 1
        assert PHRASINGS[name].is_reversed(wording) == (found <= OPPOSITE)


@pytest.mark.parametrize('name', [n for n in ROLES if PHRASINGS[n].reversed_words])
def test_an_opposite_is_told_by_its_own_word_alone(name):
    """A model takes any other word that only the opposite has for the word of the opposite."""
    own = PHRASINGS[name]
    frames = {is_reversed: set() for is_reversed in (True, False)}
    for wording in own.train:
        frames[own.is_reversed(wording)].add(frame(wording))
    assert frames[True] <= frames[False]


def frame(wording) -> str:
    """What is left of a wording without its direction and what may go with it."""
    words = (
        r'\b(higher|lower|up|(closer|nearer|farther|away)( (to|from)( the camera| me| you)?)?)\b'
    )
    return re.sub(r'[^a-z{}]+', ' ', re.sub(words, '', wording)).strip()


def test_closed_questions_say_their_options_or_ask_for_a_side():
    for name, kind in QUESTION_TYPES.items():
        for wording in chain(PHRASINGS[name].train, PHRASINGS[name].evaluation):
            words = set(split(wording))
            if kind.options == ('yes', 'no') or wording in PHRASINGS[name].affirmed:
                assert words & {'is', 'are', 'do', 'does', 'can', 'would', 'will'}
            elif len(kind.options) == 4:
                assert 'side' in words
            elif len(kind.options) == 8:
                assert 'colour' in words
            elif name == 'location_support' and 'floor' not in words:
                assert words & {'on', 'stand', 'under'}
            elif kind.options:
                assert set(kind.options) <= words


ASKS_FOR = {
    'front': r'(facing|face) (the camera|me|you|the \{b\}|towards)|in front of',
    'back': r'(facing|face) away',
    'behind': r'behind',
    'left': r'\bleft\b',
    'right': r'\bright\b',
    'parallel': r'parallel',
    'perpendicular': r'perpendicular',
    'same': r'same',
    'different': r'different',
    'a': r'higher|closer|nearer|facing|face',
    'b': r'lower|farther',
}
"""What a wording of yes and no has to say to ask for an answer of its type."""


@pytest.mark.parametrize('name', [n for n in ROLES if PHRASINGS[n].affirmed])
def test_a_wording_of_yes_and_no_names_the_answer_that_it_asks_for_and_no_other(name):
    kind, own = QUESTION_TYPES[name], PHRASINGS[name]
    assert set(own.affirmed) <= {*own.train, *own.evaluation}
    possible = ('a', 'b') if kind.names_objects else kind.options
    for wording, label in own.affirmed.items():
        asked = [each for each in possible if re.search(ASKS_FOR.get(each, each), wording)]
        assert asked == [label], wording


def test_a_wording_for_each_option_asks_for_it():
    own = phrasings(('which?', *for_each(('left', 'right'), 'is the {a} {option}?')), ())
    assert own.train == ('which?', 'is the {a} left?', 'is the {a} right?')
    assert own.affirmed == {'is the {a} left?': 'left', 'is the {a} right?': 'right'}


def test_phrases_are_put_in_with_their_places_and_articles():
    text, mentions = fill('is there a {a}?', {'a': ('orange ball', 3)})
    assert text == 'is there an orange ball?'
    assert mentions == (Mention(12, 23, 3),)
    text, mentions = fill(
        'is the {b} near the {a}, as the {a} faces?', {'a': ('mug', 1), 'b': ('car', -1)}
    )
    assert text == 'is the car near the mug, as the mug faces?'
    assert mentions == (Mention(7, 10, -1), Mention(20, 23, 1), Mention(32, 35, 1))
    assert fill('how many {a} are there?', {'a': ('mugs', -2)}) == ('how many mugs are there?', ())


def split(wording) -> list[str]:
    return re.findall(r'[a-z]+', re.sub(r'\{.\}', '', wording))
