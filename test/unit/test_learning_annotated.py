"""Training on annotated images: what is unknown costs nothing, what finds no room is left out."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from spatialllm_ros.geometry import rotation_from_front
from spatialllm_ros.learning.grounding import Mentions, object_loss
from spatialllm_ros.learning.loop import LoopConfig
from spatialllm_ros.learning.object_targets import OBJECT_TARGETS, object_targets
from spatialllm_ros.learning.packing import packed_questions
from spatialllm_ros.learning.probing import DenseProbe, DenseTruth, probing_loss, probing_values
from spatialllm_ros.learning.question_arrays import TYPE_NAMES
from spatialllm_ros.learning.question_data import AskedQuestions, load_question_data, reindexed
from spatialllm_ros.learning.question_stage import QuestionStage
from spatialllm_ros.learning.recipe import StageConfig
from spatialllm_ros.learning.scene_arrays import (
    CATEGORY_INDEX,
    MAX_OBJECTS,
    UNKNOWN,
    kept_objects,
    load_scene_arrays,
)
from spatialllm_ros.learning.side_by_side import FEW
from spatialllm_ros.learning.views import scene_views
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.scenes.dataset_questions import ROAD_TYPES
from spatialllm_ros.scenes.datasets import ImportRequest, import_shards
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.kitti import read_kitti
from spatialllm_ros.scenes.shards import RenderedScene, write_shard
from spatialllm_ros.schema import CameraModel, Mention, QuestionRecord, Scene, SceneObject

FRAMES = Path(__file__).parents[3] / 'shared' / 'data' / 'kitti'
GRID = (9, 12)
UP = (0.0, -1.0, 0.0)
CAMERA = CameraModel(192, 144, 160.0, 160.0, 95.5, 71.5, up_optical=UP, height_m=1.65)


def labelled(category='van', box=(16.0, 16.0, 31.0, 31.0), visibility=1.0) -> SceneObject:
    return SceneObject(
        category, '', '', category, (1.0, 0.5, 9.0), (4.0, 2.0, 1.5),
        rotation_from_front((0, 0, -1), UP), True, visibility, box, 'ground',
    )  # fmt: skip


def photo(*objects, camera=CAMERA) -> Scene:
    return Scene('kitti-1', '', camera, objects, 'kitti', 'CC-BY-NC-SA-3.0')


def unknown(camera) -> set[str]:
    scene = photo(labelled(), camera=camera)
    values = object_targets(scene.objects[0], scene)
    return {name for name, value in zip(OBJECT_TARGETS, values, strict=True) if np.isnan(value)}


def test_targets_that_a_camera_cannot_tell():
    assert unknown(CAMERA) == set()
    assert unknown(replace(CAMERA, height_m=None)) == {'height'}
    heading = {'azimuth_sin', 'azimuth_cos', 'front_right', 'front_forward'}
    assert unknown(replace(CAMERA, up_optical=None)) == {'right', 'forward', 'height'} | heading
    lengths = {'log_distance', 'log_length', 'log_width', 'log_tall'}
    place = {'right', 'forward', 'height', 'front_right', 'front_forward'}
    assert unknown(replace(CAMERA, calibrated=False)) == lengths | place


def written(folder, *scenes, with_owners=True):
    owners = np.full((36, 48), -1, np.int8)
    owners[4:8, 4:8] = 9
    blank = np.zeros((144, 192, 3), np.uint8)
    write_shard(folder, 0, [RenderedScene(scene, blank, owners) for scene in scenes])
    if not with_owners:
        (folder / 'owners-00000.npy').unlink()
    return load_scene_arrays(folder, GRID)


def test_unknown_words_have_no_label_and_boxes_stand_in_for_an_object_map(tmp_path):
    arrays = written(tmp_path, photo(labelled('van'), labelled('car')), with_owners=False)
    assert arrays.labels[0, :3].tolist() == [
        [UNKNOWN, UNKNOWN, 1], [CATEGORY_INDEX['car'], UNKNOWN, 1], [UNKNOWN] * 3,
    ]  # fmt: skip
    # Both boxes cover the token of row 1, column 1; of equally near ones the later is on top.
    assert arrays.shares[0, 1].nonzero()[0].tolist() == [13]
    assert arrays.shares[0, 1, 13] == 16
    assert arrays.shares[0, 0].sum() == 0


def crowd() -> Scene:
    """Ten objects; the second is mostly hidden, the fourth tiny."""
    sizes = [15.0] * 10
    sizes[3] = 2.0
    return photo(
        *(
            labelled(box=(16.0, 16.0, 16.0 + size, 31.0), visibility=0.05 if i == 1 else 1.0)
            for i, size in enumerate(sizes)
        )
    )


def test_the_most_seen_objects_are_kept(tmp_path):
    assert kept_objects(crowd()) == (0, 2, 4, 5, 6, 7, 8, 9)
    assert kept_objects(photo(labelled(), labelled())) == (0, 1)
    arrays = written(tmp_path, crowd())
    assert arrays.shares.shape == (1, MAX_OBJECTS, 108)
    assert arrays.shares[0, 7, 13] == 16  # the object map's ninth is the seventh kept
    assert arrays.shares.sum() == 16


def test_questions_follow_the_objects_that_are_kept():
    def asked(*indices) -> QuestionRecord:
        mentions = tuple(Mention(i, i + 1, index) for i, index in enumerate(indices))
        return QuestionRecord('s', 'heading', 'abc', (), 'x', {}, mentions)

    found = reindexed([asked(0, 9), asked(1), asked(2, -1), asked()], kept_objects(crowd()))
    assert found == [asked(0, 7), asked(1, -1), asked()]


def truth(owner, category, targets) -> DenseTruth:
    return DenseTruth(owner, category, category, torch.ones_like(owner) == 1, targets)


def test_what_is_unknown_adds_nothing_to_the_probing_loss():
    torch.manual_seed(0)
    outputs = DenseProbe(6)(torch.randn(1, 4, 6))
    owner = torch.tensor([[0, 1, -1, 0]])
    targets = torch.randn(1, 4, 13)
    labels = torch.tensor([[2, UNKNOWN, 3, 1]])
    targets[0, 1, 4] = math.nan
    loss = probing_loss(outputs, truth(owner, labels, targets))
    objectness, category, colour, values = outputs
    owned, named = [0, 1, 3], [0, 3]
    errors = F.smooth_l1_loss(values[0], targets[0], reduction='none', beta=0.1)
    errors[1, 4] = 0
    expected = (
        F.binary_cross_entropy_with_logits(objectness, (owner >= 0).float())
        + F.cross_entropy(category[0, named], labels[0, named])
        + 0.5 * F.cross_entropy(colour[0, named], labels[0, named])
        + errors[owned, :9].sum(-1).mean()
        + 2.0 * errors[owned, 9:].sum(-1).mean()
    )
    torch.testing.assert_close(loss, expected)
    loss.backward()
    right = category.argmax(-1)[0, named] == labels[0, named]
    scores = probing_values(outputs, truth(owner, labels, targets))
    assert scores['category'].tolist() == right.tolist()


def test_images_of_which_nothing_is_known_teach_no_objects():
    outputs = DenseProbe(6)(torch.randn(1, 4, 6))
    nothing = truth(torch.full((1, 4), -1), torch.full((1, 4), UNKNOWN), torch.zeros(1, 4, 13))
    expected = F.binary_cross_entropy_with_logits(outputs[0], torch.zeros(1, 4))
    torch.testing.assert_close(probing_loss(outputs, nothing), expected)


def test_mentions_learn_what_is_known_of_their_objects():
    targets = torch.zeros(1, 13)
    targets[0, 2:] = math.nan
    is_there = torch.tensor([True])
    mentions = Mentions(
        torch.tensor([0]), torch.tensor([0]), torch.ones(1, 3), targets, is_there, is_there
    )
    values = torch.ones(1, 13, requires_grad=True)
    loss = object_loss(values, mentions)
    assert loss.item() == pytest.approx(2 * (1 - 0.05 / 2))
    loss.backward()
    assert values.grad.nonzero()[:, 1].tolist() == [0, 1]


def tiny_stage() -> QuestionStage:
    torch.manual_seed(0)
    config = SpatialLLMConfig(
        vision_configs=[{'model_type': 'spatialllm_vision', 'widths': [8, 8, 12],
                         'num_hidden_layers': 1, 'num_attention_heads': 2}],
        text_config={'model_type': 'llama', 'vocab_size': build_tokenizer().get_vocab_size(),
                     'hidden_size': 32, 'intermediate_size': 48, 'num_hidden_layers': 3,
                     'num_attention_heads': 4, 'num_key_value_heads': 4, 'bos_token_id': 2,
                     'eos_token_id': 3, 'pad_token_id': 0},
    )  # fmt: skip
    wanted = StageConfig(LoopConfig(steps=1, batch=3), gate={}, train_vision=True)
    return QuestionStage(SpatialLLMForConditionalGeneration(config), wanted)


def test_many_shards_give_the_same_by_one_core_and_by_many(tmp_path, monkeypatch):
    """The second time, every process but this one is forbidden."""
    owners, blank = np.full((36, 48), -1, np.int8), np.zeros((144, 192, 3), np.uint8)
    for index in range(4 * FEW + 2):
        scene = photo(labelled(), labelled('cyclist', (40.0, 20.0, 90.0, 100.0)))
        own = [
            RenderedScene(replace(scene, scene_id=f'{index}-{n}'), blank, owners) for n in (0, 1)
        ]
        write_shard(tmp_path, index, own)
    asked = AskedQuestions(build_tokenizer(), per_view=6)
    by_many = load_question_data(tmp_path, GRID, 33, asked)
    next(tmp_path.glob('questions-*.npz')).unlink()
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0})
    by_one = load_question_data(tmp_path, GRID, 33, asked)
    assert len(by_one.scenes) == 33
    assert len(by_one.questions.view_starts) == 2 * 33 + 1
    for part in ('scenes', 'questions'):
        many, one = vars(getattr(by_many, part)), vars(getattr(by_one, part))
        for name in many.keys() - {'images'}:
            np.testing.assert_array_equal(many[name], one[name])


@pytest.mark.skipif(not FRAMES.exists(), reason=f'no KITTI frames in {FRAMES}')
def test_a_step_on_imported_frames(tmp_path):
    report = ImportReport()
    import_shards(read_kitti(FRAMES, report), ImportRequest(tmp_path), report)
    asked = AskedQuestions(build_tokenizer(), per_view=8)
    data = load_question_data(tmp_path, GRID, 10, asked)
    again = load_question_data(tmp_path, GRID, 10, asked)
    assert np.array_equal(data.questions.tokens, again.questions.tokens)
    assert len(list(tmp_path.glob('questions-*.npz'))) == 1
    assert len(data.scenes) == 3
    assert {TYPE_NAMES[kind] for kind in data.questions.types} <= set(ROAD_TYPES)
    assert len(data.questions) > 0
    for mirrored in (False, True):
        chosen = [data.questions.of_view(2 * n + mirrored) for n in range(3)]
        batch = {
            **scene_views(data.scenes, np.arange(3), np.full(3, mirrored), GRID),
            'has_image': torch.ones(3),
            **packed_questions(data.questions, chosen),
        }
        stage = tiny_stage()
        losses = stage(batch)
        losses['total'].backward()
        assert all(torch.isfinite(loss) for loss in losses.values()), losses
        gradients = [p.grad for p in stage.parameters() if p.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
