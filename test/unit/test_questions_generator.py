"""Questions of sampled worlds: what they name, and that their answers are true.

Truth is read again from the text: the wording gives the roles, plain geometry the quantities.
"""

import math
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from asked_scenes import (
    NOTHING_THERE,
    PLURALS,
    ask,
    asked_pairs,
    distance_m,
    fits,
    of_type,
    phrase_of,
)

from spatialllm_ros import relations
from spatialllm_ros.errors import GeometryError
from spatialllm_ros.geometry import unit
from spatialllm_ros.questions import QUESTION_TYPES, Balancer, generate
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.questions.vocabulary import whole_answers
from spatialllm_ros.runtime.answers import is_finished, likely_next, locate, parse_answer
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS
from spatialllm_ros.schema import CameraModel, Scene

RELATIONS = {
    'height_higher': 'higher',
    'location_above': 'directly_above',
    'location_closer_to_camera': 'closer_to_camera',
    'location_next_to': 'next_to',
    'orientation_in_front_of': 'in_front_of',
    'orientation_on_the_left': 'on_the_left',
    'orientation_viewpoint': 'side_seen',
    'multi_object_closer_to': 'closer_to',
    'multi_object_facing': 'facing',
    'multi_object_viewpoint_towards_object': 'side_towards',
    'multi_object_parallel': 'parallel',
    'multi_object_same_direction': 'same_direction',
    'reasoning_collision': 'collision',
    'reasoning_in_the_way': 'in_the_way',
    'reasoning_camera_moves': 'camera_moves',
    'reasoning_object_moves': 'object_moves',
    'reasoning_object_turns': 'object_turns',
}
FACING_ROLES = {
    'orientation_in_front_of': 'a',
    'orientation_on_the_left': 'a',
    'orientation_viewpoint': 'a',
    'multi_object_viewpoint_towards_object': 'a',
    'multi_object_parallel': 'ab',
    'multi_object_same_direction': 'ab',
    'multi_object_facing': 'c',
    'heading': 'a',
    'reasoning_collision': 'ab',
    'reasoning_in_the_way': 'a',
}
PLAIN = (
    'height_higher',
    'location_above',
    'location_closer_to_camera',
    'location_next_to',
    'exist',
)


@pytest.fixture(scope='module')
def asked(sampled_scene):
    return asked_pairs(sampled_scene)


def height_m(scene, index) -> float:
    camera = scene.camera
    return camera.height_m + float(
        np.dot(scene.objects[index].centre_optical_m, unit(camera.up_optical))
    )


def test_every_type_is_asked(asked):
    assert {record.type for _, record in asked} == set(QUESTION_TYPES)


def test_a_mention_holds_a_phrase_that_fits_its_object_alone(asked):
    for scene, record in asked:
        if record.type not in PLURALS:
            for mention in record.mentions:
                fitting = [
                    i for i, o in enumerate(scene.objects) if fits(phrase_of(record, mention), o)
                ]
                assert fitting == ([] if mention.object_index < 0 else [mention.object_index])


@pytest.mark.parametrize('name', RELATIONS)
def test_a_closed_answer_is_what_holds_between_the_objects_named(asked, read_back, name):
    kind = QUESTION_TYPES[name]
    for scene, record in of_type(asked, name):
        wording, roles = read_back(record)
        indices = [roles[role].object_index for role in sorted(roles)]
        geometry = relations.scene_geometry(scene)
        truth = getattr(relations, RELATIONS[name])(geometry, *indices)
        expected = truth.label
        asked_for = PHRASINGS[name].affirmed.get(wording)
        if asked_for is not None:
            expected = 'yes' if truth.label == asked_for else 'no'
            assert record.options == ('yes', 'no')
        elif kind.names_objects:
            assert record.options == tuple(phrase_of(record, roles[role]) for role in 'ab')
            opposite = 'lower' in wording or 'farther' in wording
            expected = record.options['ab'.index(truth.label) ^ opposite]
        assert record.answer == expected
        assert record.answer in record.options
        assert record.numbers == pytest.approx(truth.numbers)
        assert len(set(indices)) == len(indices)


def test_lengths_are_those_of_the_scene(asked):
    for scene, record in of_type(asked, 'distance_to_camera', 'height_above_floor'):
        index = record.mentions[0].object_index
        centre = scene.objects[index].centre_optical_m
        far = record.type == 'distance_to_camera'
        truth_m = math.hypot(*centre) if far else height_m(scene, index)
        assert parse_answer(record.answer).number == pytest.approx(truth_m, abs=0.0501)
        expected = (
            {'log_distance': math.log(truth_m / 3.287)}
            if far
            else {'height_less_half_m': truth_m - 0.5}
        )
        assert record.numbers == pytest.approx(expected, abs=1e-4)
    for scene, record in of_type(asked, 'distance_between'):
        first, second = (scene.objects[m.object_index].centre_optical_m for m in record.mentions)
        found_m = parse_answer(record.answer).number
        assert found_m == pytest.approx(math.dist(first, second), abs=0.0501)


def test_a_located_object_is_where_the_words_say(asked):
    for scene, record in of_type(asked, 'locate'):
        item = scene.objects[record.mentions[0].object_index]
        place = parse_answer(record.answer).place
        camera = scene.camera
        found = locate(place, camera, (camera.width_px, camera.height_px))
        away_m = math.hypot(*item.centre_optical_m)
        assert math.dist(found.centre_optical_m, item.centre_optical_m) < 0.06 + 0.01 * away_m
        assert (place.heading_deg is not None) == item.has_front
        camera, (x, y, z) = scene.camera, item.centre_optical_m
        from_left = camera.fx_px * x / z + camera.cx_px + 0.5
        from_top = camera.fy_px * y / z + camera.cy_px + 0.5
        assert abs(from_left / camera.width_px * 100 - place.column_percent) < 0.501
        assert abs(from_top / camera.height_px * 100 - place.row_percent) < 0.501


def test_headings_and_descriptions_agree_with_the_geometry(asked):
    for scene, record in of_type(asked, 'heading', 'describe'):
        index = record.mentions[0].object_index
        words = record.answer.split()
        if record.type == 'describe':
            assert words[:3] == ['distance', f'{distance_m(scene, index):.1f}', 'm']
            assert words[3:6] == ['height', f'{max(height_m(scene, index), 0):.1f}', 'm']
            assert (len(words) > 6) == scene.objects[index].has_front
        if scene.objects[index].has_front:
            truth = math.degrees(relations.scene_geometry(scene).azimuths_rad[index])
            turn = (float(words[-2]) - truth + 180) % 360 - 180
            assert abs(turn) <= 5.001
            assert words[-1] == 'degrees'


def test_existence_is_asked_of_what_is_there_once_or_not_at_all(asked):
    for scene, record in of_type(asked, 'exist'):
        (mention,) = record.mentions
        fitting = sum(fits(phrase_of(record, mention), item) for item in scene.objects)
        assert fitting == {'yes': 1, 'no': 0}[record.answer]


def test_nothing_goes_on_behind_a_whole_answer(asked):
    """What the run time takes for finished begins no longer answer."""
    answers = {record.answer for _, record in asked}
    assert {'yes', 'no', 'left', 'right'} <= answers
    for answer in answers:
        for word in whole_answers():
            assert answer == word or not answer.startswith(f'{word} ')
        words = answer.split()
        begun = [' '.join(words[:n]) for n in range(1, len(words))]
        assert not any(is_finished(text) for text in begun)


def test_most_answers_go_on_as_their_forms_do(asked):
    right = {}
    for _, record in asked:
        words = record.answer.split()
        for n in range(1, len(words)):
            if form := likely_next(' '.join(words[:n])):
                own = right.setdefault(form, [])
                own.append(' '.join(words[n:]).startswith(form))
    assert set(right) == {'is no', 'row', 'distance', 'm heading', 'm height'}
    for own in right.values():
        assert np.mean(own) > 0.5 - 1 / math.sqrt(len(own))


def distinct_phrases(record, mentions) -> list[str]:
    return list(dict.fromkeys(phrase_of(record, mention) for mention in mentions))


def test_an_absent_object_is_said_to_be_absent_by_its_phrase(asked):
    absent = Counter()
    for scene, record in asked:
        missing = [m for m in record.mentions if m.object_index < 0]
        if record.type in ('exist', 'exist_any', 'count') or not missing:
            assert not record.answer.startswith(NOTHING_THERE)
            continue
        phrases = distinct_phrases(record, missing)
        absent[len(phrases)] += 1
        assert record.answer == NOTHING_THERE + phrases[0]
        assert not any(fits(phrase, item) for phrase in phrases for item in scene.objects)
        assert len(phrases) in (1, len(distinct_phrases(record, record.mentions)))
        assert record.numbers == {}
    assert 0.02 < absent.total() / len(asked) < 0.06
    assert absent[1] > absent[2] + absent[3] > 0.1 * absent.total()
    assert absent[2] > absent[3] > 0


@pytest.mark.parametrize('name', FACING_ROLES)
def test_only_objects_with_a_front_are_asked_which_way_they_face(asked, read_back, name):
    for scene, record in asked:
        if record.type == name:
            _, roles = read_back(record)
            for role in FACING_ROLES[name]:
                index = roles[role].object_index
                category = phrase_of(record, roles[role]).split(' on ')[0].split()[-1]
                assert CATEGORIES[category].has_front
                assert index < 0 or scene.objects[index].has_front


def test_plain_questions_tell_neither_size_nor_place(asked):
    for _, record in of_type(asked, *PLAIN):
        for mention in record.mentions:
            assert not {'small', 'large', 'on'} & set(phrase_of(record, mention).split())


def test_colours_and_sides_of_the_flat_image_are_those_of_the_scene(asked, read_back):
    for scene, record in of_type(asked, 'control_colour'):
        (mention,) = record.mentions
        colour = scene.objects[mention.object_index].colour
        told = set(COLOURS) & set(re.findall('[a-z]+', record.question))
        assert record.answer == (('yes' if {colour} == told else 'no') if told else colour)
        assert not set(COLOURS) & set(phrase_of(record, mention).split())
    for scene, record in of_type(asked, 'control_image_side'):
        wording, roles = read_back(record)
        directions = [scene.objects[roles[role].object_index].centre_optical_m for role in 'ab']
        first, second = (x / z for x, _, z in directions)
        side, asked_for = (
            ('left' if first < second else 'right'),
            re.findall('left|right', wording),
        )
        assert record.answer == (
            side if len(asked_for) == 2 else 'yes' if asked_for == [side] else 'no'
        )


def test_equal_generators_make_equal_questions(sampled_scene):
    def make(seed):
        return list(ask(sampled_scene, range(5), 'train')), generate(
            sampled_scene(7), np.random.default_rng(seed), Balancer(), 16
        )

    assert make(1) == make(1)
    assert make(1) != make(2)


def test_a_scene_gives_no_more_than_asked_and_only_the_types_asked(sampled_scene):
    for seed in range(20):
        records = generate(
            sampled_scene(seed), np.random.default_rng(seed), Balancer(), 3,
            types=('locate', 'height_higher'),
        )  # fmt: skip
        assert len(records) <= 3
        assert {record.type for record in records} <= {'locate', 'height_higher'}
        assert all(record.scene_id == f'sim-{seed}' for record in records)


def test_the_splits_share_no_wording(sampled_scene, read_back):
    found = {'train': set(), 'eval': set()}
    for split, wordings in found.items():
        for _, records in ask(sampled_scene, range(60), split):
            named = [record for record in records if record.type not in PLURALS]
            wordings |= {read_back(record)[0] for record in named}
    assert len(found['train']) > 30
    assert not found['train'] & found['eval']


def test_objects_hardly_seen_are_not_asked_about(sampled_scene):
    def seen(scene, **changes):
        hidden = replace(scene.objects[0], **changes)
        return replace(scene, objects=(hidden, *scene.objects[1:]))

    def mentioned(scene, names):
        return {
            mention.object_index
            for record in generate(scene, np.random.default_rng(0), Balancer(), 200)
            if record.type in names and record.type not in PLURALS
            for mention in record.mentions
        }

    scene = next(
        s for s in map(sampled_scene, range(99)) if s.objects[0].has_front and s.objects[0].phrase
    )
    left, top, _, _ = scene.objects[0].box_xyxy_px
    assert 0 in mentioned(scene, QUESTION_TYPES)
    assert 0 in mentioned(scene, ['heading'])
    assert 0 not in mentioned(seen(scene, visibility=0.34), QUESTION_TYPES)
    tiny = (left, top, left + 19, top + 19)  # of 384: the limit is 10 of 192
    assert 0 not in mentioned(seen(scene, box_xyxy_px=tiny), QUESTION_TYPES)
    for hardly in ({'visibility': 0.49}, {'box_xyxy_px': (left, top, left + 51, top + 9)}):
        assert 0 in mentioned(seen(scene, **hardly), QUESTION_TYPES)
        facing = mentioned(seen(scene, **hardly), ['heading', 'orientation_viewpoint', 'locate'])
        assert 0 not in facing


def test_an_empty_scene_has_nothing_to_ask():
    camera = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5, (0.0, -1.0, 0.0), 1.4)
    empty = Scene('empty', '', camera, (), '', '')
    assert generate(empty, np.random.default_rng(0), Balancer(), 16) == []
    with pytest.raises(GeometryError, match='gravity and camera height in scene empty'):
        generate(
            replace(empty, camera=replace(camera, up_optical=None)),
            np.random.default_rng(0), Balancer(), 16,
        )  # fmt: skip
