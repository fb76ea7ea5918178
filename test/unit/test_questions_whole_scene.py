"""Questions about all of a scene: how many, which, on what, the nearest; read again by hand."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from asked_scenes import SUPPORTS, asked_pairs, distance_m, fits, of_type, phrase_of

from spatialllm_ros import relations
from spatialllm_ros.questions import Balancer, generate
from spatialllm_ros.questions.generator import plural
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS


@pytest.fixture(scope='module')
def asked(sampled_scene):
    return asked_pairs(sampled_scene)


def of_its_plural(scene, record) -> list[int]:
    """Return the objects of the category whose plural a question names."""
    names = {plural(category): category for category in (*CATEGORIES, 'object')}
    (asked_for,) = [names[word] for word in re.findall('[a-z]+', record.question) if word in names]
    own = [i for i, o in enumerate(scene.objects) if asked_for in (o.category, 'object')]
    named = (own or [-1]) if len(own) < 2 else []
    assert [mention.object_index for mention in record.mentions] == named
    return own


def test_counts_are_counted(asked):
    seen = Counter()
    for scene, record in of_type(asked, 'count'):
        assert record.answer == str(len(of_its_plural(scene, record)))
        seen[record.answer] += 1
    assert min(seen[each] for each in '012') > 30


def test_whether_there_are_any_is_yes_of_one_and_of_many(asked):
    counts = Counter()
    for scene, record in of_type(asked, 'exist_any'):
        own = of_its_plural(scene, record)
        assert record.answer == ('yes' if own else 'no')
        counts[min(len(own), 2)] += 1
    assert min(counts[n] for n in (0, 1, 2)) > 5


def test_what_is_mostly_hidden_is_not_counted(sampled_scene):
    scene = sampled_scene(0)
    hidden = replace(scene.objects[0], visibility=0.2)
    scene = replace(scene, objects=(hidden, *scene.objects[1:]))
    questions = [
        record.question
        for seed in range(60)
        for record in generate(scene, np.random.default_rng(seed), Balancer(), 4, types=('count',))
    ]
    assert len(questions) > 60
    assert not [text for text in questions if plural(hidden.category) in re.findall('\\w+', text)]


def test_what_an_object_stands_on_is_what_the_scene_says(asked):
    for scene, record in of_type(asked, 'location_support'):
        (mention,) = record.mentions
        support = scene.objects[mention.object_index].support
        told = set(SUPPORTS) & set(re.findall('[a-z]+', record.question))
        if record.options == SUPPORTS:
            assert record.answer == support
        else:
            assert record.answer == ('yes' if told == {support} else 'no')
        assert ' on ' not in phrase_of(record, mention)


@pytest.mark.parametrize(('name', 'sign'), [('location_nearest', 1), ('location_farthest', -1)])
def test_the_nearest_and_the_farthest_are_told_by_their_distance(asked, name, sign):
    for scene, record in of_type(asked, name):
        (index,) = [i for i, item in enumerate(scene.objects) if fits(record.answer, item)]
        item = scene.objects[index]
        assert record.answer == f'{item.colour} {item.category}'
        others = [i for i in range(len(scene.objects)) if i != index]
        apart_m = [sign * (distance_m(scene, i) - distance_m(scene, index)) for i in others]
        assert min(apart_m, default=1) > 0.24
        assert not record.mentions


def test_what_is_seen_is_listed_from_left_to_right(asked):
    for scene, record in of_type(asked, 'list'):
        ordered = sorted(
            scene.objects, key=lambda o: o.centre_optical_m[0] / o.centre_optical_m[2]
        )
        assert record.answer == ' and '.join(item.category for item in ordered)


def column(item) -> float:
    """Return how far right of the optical axis a centre is, per metre of depth."""
    return item.centre_optical_m[0] / item.centre_optical_m[2]


def has_what_is_asked_for(scene, record) -> list:
    """Return the objects that a question's words fit, from left to right."""
    own, others = set(COLOURS) | set(SUPPORTS), scene.objects
    text = record.question
    b = None
    for mention in record.mentions:
        b = scene.objects[mention.object_index]
        others = [item for item in scene.objects if item is not b]
        text = text[: mention.start] + text[mention.end :]
    asked_for = set(re.findall('[a-z]+', text)) & (own | {'left', 'right', 'next'})
    (word,) = asked_for
    if word in own:
        meant = [item for item in others if word in (item.colour, item.support)]
    elif word == 'next':
        meant = [item for item in others if is_next_to(scene, item, b)]
    else:
        sign = -1 if word == 'left' else 1
        middle = column(b) if b else middle_column(scene)
        meant = [item for item in others if sign * (column(item) - middle) > 0]
    return sorted(meant, key=column)


def middle_column(scene) -> float:
    camera = scene.camera
    return (camera.width_px / 2 - camera.cx_px) / camera.fx_px


def is_next_to(scene, item, other) -> bool:
    places = [scene.objects.index(each) for each in (item, other)]
    return relations.next_to(relations.scene_geometry(scene), *places).label == 'yes'


def test_what_has_a_colour_or_a_place_is_listed_likewise(asked):
    answers, asked_for = Counter(), Counter()
    for scene, record in of_type(asked, 'list_of'):
        meant = has_what_is_asked_for(scene, record)
        assert record.answer == (' and '.join(item.category for item in meant) or 'nothing')
        answers[record.answer] += 1
        asked_for[kind_of(record)] += 1
    assert 0.1 < answers['nothing'] / answers.total() < 0.5
    assert min(asked_for[kind] for kind in ('own', 'side', 'beside', 'next')) > 10


def kind_of(record) -> str:
    if 'next to' in record.question:
        return 'next'
    if record.mentions:
        return 'beside'
    return 'side' if {'left', 'right'} & set(re.findall('[a-z]+', record.question)) else 'own'


def test_whether_anything_has_it_is_yes_where_a_list_would_name_something(asked):
    answers = Counter()
    for scene, record in of_type(asked, 'exist_of'):
        is_there = bool(has_what_is_asked_for(scene, record))
        assert record.answer == ('yes' if is_there else 'no')
        answers[kind_of(record), record.answer] += 1
    for kind in ('own', 'side', 'beside', 'next'):
        assert min(answers[kind, 'yes'], answers[kind, 'no']) > 5


def test_all_objects_are_counted_together(sampled_scene):
    found = [
        (len(scene.objects), record.answer)
        for scene in map(sampled_scene, range(200))
        for record in generate(scene, np.random.default_rng(0), Balancer(), 9, types=('count',))
        if 'objects' in record.question
    ]
    assert len(found) > 10
    assert all(answer in (str(count), 'yes') for count, answer in found)


def listed_and_nearest(scene) -> set[str]:
    return {
        record.type
        for seed in range(20)
        for record in generate(
            scene, np.random.default_rng(seed), Balancer(), 2,
            types=('list', 'location_nearest', 'location_farthest'),
        )
    }  # fmt: skip


def test_what_is_seen_a_little_makes_lists_and_the_nearest_unclear(sampled_scene):
    """Whether to name it is anybody's guess; what nobody sees changes nothing."""
    every = {'list', 'location_nearest', 'location_farthest'}
    scene = next(s for s in map(sampled_scene, range(99)) if listed_and_nearest(s) == every)
    near = min(range(len(scene.objects)), key=lambda index: distance_m(scene, index))

    def seen(visibility):
        objects = list(scene.objects)
        objects[near] = replace(objects[near], visibility=visibility)
        return listed_and_nearest(replace(scene, objects=tuple(objects)))

    assert seen(0.36) == every
    assert seen(0.34) == seen(0.06) == {'location_farthest'}
    assert {'list', 'location_farthest'} <= seen(0.04)


@pytest.mark.parametrize(
    ('category', 'many'),
    [
        ('car', 'cars'),
        ('person', 'people'),
        ('bus', 'buses'),
        ('box', 'boxes'),
        ('bench', 'benches'),
    ],
)
def test_plurals(category, many):
    assert plural(category) == many
