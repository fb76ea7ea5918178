"""Mirrored and rotated questions on worlds: truth recomputed from the mirrored geometry."""

from dataclasses import replace

import numpy as np
import pytest

from spatialllm_ros.evaluation.asked_worlds import AskedWorld
from spatialllm_ros.evaluation.circular import Variant
from spatialllm_ros.evaluation.held_out import Examiner, HeldOutWorlds
from spatialllm_ros.evaluation.report import make_report
from spatialllm_ros.evaluation.scoring import TWELVE
from spatialllm_ros.evaluation.variants import mirrored_frame, mirrored_record, rotated, views
from spatialllm_ros.geometry import guessed_camera, project
from spatialllm_ros.questions import QUESTION_TYPES, Balancer, generate
from spatialllm_ros.questions.candidates import askable
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.questions.referring import phrases_for
from spatialllm_ros.runtime.session import EncodedFrame
from spatialllm_ros.scenes.mirror import mirrored_scene
from spatialllm_ros.schema import Answer, AnswerKind, Frame, Mention, QuestionRecord

SEEDS = range(900_000_000, 900_000_012)
FRAME = Frame(np.arange(72, dtype=np.uint8).reshape(4, 6, 3), guessed_camera(6, 4, 1.0), 0, '', '')


def labels_of(scene, kind):
    """Return the relation's label for the objects in each role, from a scene's geometry."""
    phrased = [phrases_for(scene.objects, index) for index in range(len(scene.objects))]
    found = QUESTION_TYPES[kind].candidates(askable(scene, phrased))
    return {item.roles: item.relation.label for item in found}


def test_mirrored_answers_are_what_the_mirrored_geometry_says(sampled_scene, read_back):
    compared = set()
    for seed in SEEDS:
        scene = sampled_scene(seed)
        rng = np.random.default_rng(seed)
        mirror = mirrored_scene(scene)
        for record in generate(scene, rng, Balancer(), 40, split='eval', types=TWELVE):
            wording, roles = read_back(record)
            objects = tuple(roles[role].object_index for role in 'abc' if role in roles)
            if -1 in objects:
                continue
            labels, own = labels_of(mirror, record.type), PHRASINGS[record.type]
            if wording in own.affirmed:
                swapped = {'a': 'b', 'b': 'a'}.get(labels.get((*objects[1::-1], *objects[2:])))
                true = 'yes' if labels.get(objects, swapped) == own.affirmed[wording] else 'no'
            elif QUESTION_TYPES[record.type].names_objects:
                a, b, *rest = objects
                label = labels.get((a, b, *rest))
                if label is None:
                    label = {'a': 'b', 'b': 'a'}[labels[b, a, *rest]]
                is_second = (label == 'b') != own.is_reversed(wording)
                true = record.options[is_second]
            else:
                true = labels[objects]
            assert mirrored_record(record).answer == true, record
            compared.add(record.type)
    assert compared >= {
        'orientation_on_the_left', 'orientation_viewpoint', 'height_higher',
        'multi_object_viewpoint_towards_object', 'multi_object_facing',
    }  # fmt: skip


def test_whether_anything_is_on_a_side_is_asked_of_the_other_side_of_the_mirror():
    asked = closed('is there anything to the left of the mug?', ('yes', 'no'), 'yes', 'mug',
                   kind='exist_of')  # fmt: skip
    mirrored = mirrored_record(asked)
    assert mirrored.question == 'is there anything to the right of the mug?'
    assert (mirrored.answer, mirrored.mentions) == ('yes', ())
    red = closed('is anything red?', ('yes', 'no'), 'no', kind='exist_of')
    assert mirrored_record(red) == red


def test_a_mirrored_frame_shows_a_point_in_the_mirrored_column():
    frame = replace(FRAME, camera=replace(FRAME.camera, cx_px=1.75, up_optical=(0.6, -0.8, 0.0)))
    flipped = mirrored_frame(frame)
    assert (flipped.rgb[:, 0] == frame.rgb[:, 5]).all()
    u, v = project(frame.camera, (0.3, 0.2, 2.0))
    assert project(flipped.camera, (-0.3, 0.2, 2.0)) == pytest.approx((5 - u, v))
    assert flipped.camera.up_optical == (-0.6, -0.8, 0.0)


def closed(question, options, answer, *spans, kind='multi_object_facing'):
    mentions = tuple(Mention(question.index(s), question.index(s) + len(s), 0) for s in spans)
    return QuestionRecord('sim-1', kind, question, options, answer, mentions=mentions)


BOTH = closed('does the dog face the mug or the red car?', ('mug', 'red car'), 'mug',
              'dog', 'mug', 'red car')  # fmt: skip
SIDES = closed('what side of the dog?', ('front', 'back', 'left', 'right'), 'left', 'dog',
               kind='orientation_viewpoint')  # fmt: skip


def test_rotated_options_change_places_in_the_words_that_name_them():
    found = rotated(BOTH, 1)
    assert found.question == 'does the dog face the red car or the mug?'
    assert (found.options, found.answer) == (('red car', 'mug'), 'mug')
    assert rotated(BOTH, 0).question == BOTH.question
    assert rotated(SIDES, 3).question == SIDES.question
    assert rotated(SIDES, 3).options == ('right', 'front', 'back', 'left')


def test_every_closed_question_is_asked_in_all_its_ways():
    open_one = QuestionRecord('sim-1', 'heading', 'where to?', (), '90 degrees')
    plain, mirrored = views(AskedWorld(FRAME, [open_one, BOTH, SIDES]))
    assert plain.frame is FRAME
    assert (mirrored.frame.rgb == FRAME.rgb[:, ::-1]).all()
    assert [variant for variant, _ in mirrored.asked] == [
        *(Variant('sim-1/1', True, places) for places in range(2)),
        *(Variant('sim-1/2', True, places) for places in range(4)),
    ]
    assert {record.answer for _, record in plain.asked} == {'mug', 'left'}
    assert {record.answer for _, record in mirrored.asked} == {'mug', 'right'}


class LeftSayer:
    """Says ``left`` where it can, and else the option that stands first."""

    def encode(self, frame):
        return EncodedFrame(frame, 0.0, None)

    def answer_batch(self, encoded, requests):
        options = [request.query.options for request in requests]
        choices = [own.index('left') if 'left' in own else 0 for own in options]
        return [Answer('', AnswerKind.CHOICE, 1.0, 0, '', '', choice=c) for c in choices]


def test_scores_of_worlds_by_hand():
    absent = replace(BOTH, answer='there is no mug')
    trials = Examiner(LeftSayer()).ask_variants(AskedWorld(FRAME, [BOTH, SIDES, absent]))
    report = make_report('m', HeldOutWorlds(SEEDS.start, 1), [], [], trials)
    shares = {
        kind: tuple(cell.share for cell in cells.values())
        for kind, cells in report.variants.types.items()
    }
    # The first of two options: right on one of two rotations. Left, whatever the order: right on
    # the image and wrong on its mirror image, in all four rotations.
    assert shares == {
        'multi_object_facing': (0.5, 0.5, 0, 0),
        'orientation_viewpoint': (0.5, 0, 0.5, 0),
        'absent_object': (0, 0, 0, 0),
    }
    assert report.variants.means['the twelve']['plain'] == 0.5
    assert 'flip+circular' in report.table()
    assert 'flip+circular' in report.to_json()
    assert make_report('m', HeldOutWorlds(SEEDS.start, 1), [], []).variants is None
