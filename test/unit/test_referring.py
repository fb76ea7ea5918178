"""Phrases that name objects, read back word by word by a second, slow reader."""

from dataclasses import replace

import numpy as np
import pytest
from asked_scenes import fits
from hypothesis import given
from hypothesis import strategies as st

from spatialllm_ros.questions.referring import (
    SUPPORT_WORDS,
    assign_phrases,
    draw_absent_phrase,
    draw_phrase,
    is_plain,
    phrases_for,
)
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS
from spatialllm_ros.schema import SceneObject

BARE = SceneObject(
    'mug', 'red', '', '', (0, 0, 3), (1, 1, 1), ((1, 0, 0),) * 3, False, 1.0, (0, 0, 9, 9), 'floor'
)


def thing(category, colour='red', size_word='', support='floor') -> SceneObject:
    return replace(BARE, category=category, colour=colour, size_word=size_word, support=support)


things = st.lists(
    st.builds(
        thing,
        st.sampled_from(['car', 'mug']),
        st.sampled_from(['red', 'blue']),
        st.sampled_from(['', 'small', 'large']),
        st.sampled_from(['floor', 'block', 'object']),
    ),
    min_size=1,
    max_size=6,
)


@given(things)
def test_a_phrase_fits_its_object_and_no_other(objects):
    for index in range(len(objects)):
        for phrase in phrases_for(objects, index):
            assert [fits(phrase, item) for item in objects].index(True) == index
            assert sum(fits(phrase, item) for item in objects) == 1


@given(things)
def test_no_combination_of_attributes_that_singles_out_is_missed(objects):
    for index, own in enumerate(objects):
        sizes = ['', own.size_word] if own.size_word else ['']
        places = ['', own.support] if own.support in SUPPORT_WORDS else ['']
        for size in sizes:
            for colour in ('', own.colour):
                for place in places:
                    phrase = ' '.join(filter(None, (size, colour, own.category)))
                    phrase += f' on the {place}' if place else ''
                    alone = sum(fits(phrase, item) for item in objects) == 1
                    is_used = not (size and place)
                    assert (phrase in phrases_for(objects, index)) == (alone and is_used)


@given(things)
def test_the_phrase_of_an_object_is_its_shortest(objects):
    for index, item in enumerate(assign_phrases(objects)):
        known = phrases_for(objects, index)
        assert item == replace(objects[index], phrase=item.phrase)
        if known:
            assert item.phrase in known
            assert len(item.phrase.split()) == min(len(phrase.split()) for phrase in known)
        else:
            assert item.phrase == ''


def test_phrases_of_three_mugs_by_hand():
    objects = [
        thing('mug'),
        thing('mug', 'blue'),
        thing('mug', size_word='small', support='shelf'),
    ]
    assert phrases_for(objects, 0) == ['red mug on the floor']
    assert phrases_for(objects, 1) == ['blue mug', 'blue mug on the floor']
    assert phrases_for(objects, 2) == [
        'small mug', 'small red mug', 'mug on the shelf', 'red mug on the shelf',
    ]  # fmt: skip


@pytest.mark.parametrize('first_seed', [0, 900_000_000])
def test_every_phrase_of_sampled_worlds_singles_out_one_object(sampled_scene, first_seed):
    scenes = [sampled_scene(seed) for seed in range(first_seed, first_seed + 200)]
    named = 0
    for scene in scenes:
        for index, item in enumerate(scene.objects):
            for phrase in phrases_for(scene.objects, index):
                assert [i for i, o in enumerate(scene.objects) if fits(phrase, o)] == [index]
            named += bool(item.phrase)
    assert named > 0.9 * sum(len(scene.objects) for scene in scenes)


@pytest.mark.parametrize(
    ('phrase', 'plain'),
    [('red car', True), ('car', True), ('small car', False), ('mug on the shelf', False)],
)
def test_plain_phrases_tell_neither_size_nor_place(phrase, plain):
    assert is_plain(phrase) is plain


def test_short_phrases_are_drawn_more_often_and_all_are_drawn():
    phrases = ['mug', 'red mug', 'mug on the shelf']
    rng = np.random.default_rng(0)
    drawn = [draw_phrase(phrases, rng) for _ in range(400)]
    assert drawn.count('mug') > 100
    assert drawn.count('red mug') > 150
    assert 10 < drawn.count('mug on the shelf') < 80


@given(st.lists(st.builds(thing, st.sampled_from([*CATEGORIES]), st.sampled_from([*COLOURS])),
                max_size=8), st.integers(0, 99))  # fmt: skip
def test_an_absent_phrase_fits_nothing(objects, seed):
    phrase = draw_absent_phrase(objects, np.random.default_rng(seed))
    assert not any(fits(phrase, item) for item in objects)
    assert is_plain(phrase)


def test_absent_phrases_keep_to_the_categories_asked_for():
    objects = [thing('car'), thing('mug', 'blue')]
    rng = np.random.default_rng(0)
    drawn = [draw_absent_phrase(objects, rng, ['mug', 'crate']) for _ in range(200)]
    assert {phrase.split()[-1] for phrase in drawn} == {'mug', 'crate'}
    assert not {'mug', 'blue mug'} & set(drawn)


def test_nothing_is_absent_where_all_is_there():
    objects = [thing('mug', colour) for colour in COLOURS]
    assert draw_absent_phrase(objects, np.random.default_rng(0), ['mug']) is None


def test_an_object_without_a_colour_is_named_without_one():
    plain = [thing('car', colour=''), thing('mug', colour='', size_word='small')]
    assert phrases_for(plain, 0) == ['car', 'car on the floor']
    assert phrases_for(plain, 1) == ['mug', 'small mug', 'mug on the floor']
