"""Validation scores are those of all worlds together, however these are cut into batches."""

import math

import numpy as np
import pytest
import torch
from tiny_model import tiny_model

from spatialllm_ros.learning import encoder_stage, question_scores
from spatialllm_ros.learning.encoder_stage import EncoderStage
from spatialllm_ros.learning.gates import GROUNDING, READ_SCORES, score_names
from spatialllm_ros.learning.loop import LoopConfig
from spatialllm_ros.learning.probing import DenseTruth, probing_values
from spatialllm_ros.learning.question_arrays import ABSENT, tokenise_questions
from spatialllm_ros.learning.question_data import QuestionData
from spatialllm_ros.learning.question_stage import QuestionStage
from spatialllm_ros.learning.recipe import StageConfig
from spatialllm_ros.learning.scene_arrays import SceneArrays
from spatialllm_ros.learning.score_values import summarised
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.schema import Mention, QuestionRecord

TOKENIZER = build_tokenizer()
GRID = (9, 12)
SCENES = 5
TYPES = ('heading', 'exist')


def model() -> SpatialLLMForConditionalGeneration:
    return tiny_model(TOKENIZER.get_vocab_size())


def scenes() -> SceneArrays:
    """Return five worlds of two objects; those of the last have no front."""
    rng = np.random.default_rng(0)
    shares = np.zeros((SCENES, 8, 108), np.uint8)
    for index in range(SCENES):  # 3 tokens in the first world, 11 in the last
        shares[index, 0, 20 : 23 + 2 * index] = 16
        shares[index, 1, 60:64] = 9
    labels = np.full((SCENES, 8, 3), -1)
    labels[:, :2] = rng.integers(5, size=(SCENES, 2, 3))
    labels[..., 2] = 1
    labels[-1, :, 2] = 0
    return SceneArrays(
        [rng.integers(255, size=(SCENES, 144, 192, 3)).astype(np.uint8)],
        np.array([[0, index] for index in range(SCENES)]),
        rng.normal(size=(SCENES, 108, 11)).astype(np.float16),
        rng.normal(size=(SCENES, 8, 13)).astype(np.float32),
        labels,
        shares,
    )


def questions() -> QuestionData:
    """Return questions about them; the last world is only asked for what is not there."""

    def ask(kind: str, thing: int) -> QuestionRecord:
        return QuestionRecord('s', kind, 'where is the car?', (), 'left', {}, (
            Mention(9, 16, thing),
        ))  # fmt: skip

    views = [[ask('heading', 0)] * (1 + index) for index in range(SCENES - 1)]
    views.append([ask('exist', ABSENT)])
    both = [view for own in views for view in (own, [])]
    return QuestionData(scenes(), tokenise_questions(both, TOKENIZER))


@pytest.mark.parametrize('at_once', [1, 2, 4])
def test_probing_scores_are_those_of_all_worlds(at_once, monkeypatch):
    stage = EncoderStage(model()).eval()
    whole = encoder_stage.validation_scores(stage, scenes(), GRID)
    monkeypatch.setattr(encoder_stage, 'EVALUATION_BATCH', at_once)
    assert encoder_stage.validation_scores(stage, scenes(), GRID) == pytest.approx(whole, rel=1e-4)
    assert set(whole) == set(score_names('encoder', (), '3d'))
    assert all(math.isfinite(score) for score in whole.values())


@pytest.mark.parametrize('at_once', [1, 2, 4])
def test_question_scores_are_those_of_all_worlds(at_once, monkeypatch):
    stage = QuestionStage(model(), StageConfig(LoopConfig(1, 1))).eval()
    whole = question_scores.question_scores(stage, questions(), GRID, TYPES)
    monkeypatch.setattr(question_scores, 'SCENES_AT_ONCE', at_once)
    found = question_scores.question_scores(stage, questions(), GRID, TYPES)
    assert found == pytest.approx(whole, rel=1e-4)
    assert set(whole) == set(score_names('instruction', TYPES, '3d'))
    assert all(math.isfinite(score) for score in whole.values())


def test_errors_and_hits_by_hand():
    """Four tokens of which three are owned, two of something with a front, one wrongly named."""
    truth = DenseTruth(
        torch.tensor([[0, 0, 1, -1]]), torch.tensor([[2, 2, 1, -1]]), torch.full((1, 4), -1),
        torch.tensor([[True, True, False, False]]), torch.zeros(1, 4, 13),
    )  # fmt: skip
    values = torch.zeros(1, 4, 13)
    values[0, :, 5] = torch.tensor([1.1, 1.3, 1.2, 9.0]).log()
    values[0, :, 9:11] = torch.tensor([[0.5, 3**0.5 / 2], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
    category = torch.eye(3)[[2, 0, 1, 1]][None]
    read = (torch.tensor([[1.0, 1.0, -1.0, -1.0]]), category, torch.zeros(1, 4, 2), values)
    found = summarised([probing_values(read, truth)])
    assert found['objectness'] == pytest.approx(3 / 4)
    assert found['category'] == pytest.approx(2 / 3)
    assert math.isnan(found['colour'])
    assert found['centre_fraction'] == 0
    assert found['distance_error'] == pytest.approx(0.2, rel=1e-5)
    assert found['heading_deg'] == pytest.approx((30 + 90) / 2, rel=1e-5)


def test_what_was_measured_of_nothing_is_no_number():
    nothing = {GROUNDING + name: torch.empty(0) for name in (*READ_SCORES, 'pointer')}
    assert all(math.isnan(score) for score in summarised([nothing, nothing]).values())
