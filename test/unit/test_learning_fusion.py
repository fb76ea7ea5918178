"""Backbones whose tokens are interleaved: the same teachers as for features side by side."""

import pytest
import torch
from one_question import one_question
from tiny_model import BACKBONE, tiny_model

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.encoder_stage import EncoderStage
from spatialllm_ros.learning.grounding import Mentions, pointed_right, pointer_loss
from spatialllm_ros.learning.loop import LoopConfig
from spatialllm_ros.learning.question_stage import QuestionStage
from spatialllm_ros.learning.recipe import StageConfig
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer

TOKENIZER = build_tokenizer()


def backbone(width: int = 12) -> dict:
    return {**BACKBONE, 'widths': [8, 8, width]}


def model(fusion: str) -> SpatialLLMForConditionalGeneration:
    parts = [backbone(), backbone()]
    return tiny_model(TOKENIZER.get_vocab_size(), vision_configs=parts, fusion=fusion)


@pytest.fixture(scope='module')
def batch() -> dict[str, torch.Tensor]:
    shares = torch.zeros(1, 8, 108, dtype=torch.uint8)
    shares[0, 0, 30:33] = 16
    return one_question(TOKENIZER, shares)


def test_probing_is_that_of_features_side_by_side(batch):
    beside, between = (EncoderStage(model(fusion)).eval() for fusion in ('channel', 'token'))
    between.model.vision_towers.load_state_dict(beside.model.vision_towers.state_dict())
    between.probe.load_state_dict(beside.probe.state_dict())
    torch.testing.assert_close(between(batch)['total'], beside(batch)['total'])


def mention(shares: list[float]) -> Mentions:
    there = torch.tensor([True])
    return Mentions(
        torch.tensor([0]), torch.tensor([0]), torch.tensor([shares]), torch.zeros(1, 13),
        there, there,
    )  # fmt: skip


def test_mentions_point_at_the_tokens_of_both_backbones_by_hand():
    """The start, two tokens of each of three patches, and the rest; the second patch is meant."""
    looks = torch.tensor([1e-6, 1e-6, 1e-6, 0.3, 0.6, 1e-6, 1e-6, 0.1]).log().expand(1, 2, 8)
    second = mention([0.0, 9.0, 0.0])
    expected = -(torch.tensor(0.3).log() + torch.tensor(0.6).log()) / 2
    torch.testing.assert_close(pointer_loss(looks, second), expected)
    assert float(pointed_right(looks, second)) == 1
    for other in ([9.0, 0.0, 0.0], [0.0, 0.0, 9.0]):
        assert float(pointed_right(looks, mention(other))) == 0


@pytest.mark.parametrize('train_vision', [False, True])
def test_a_question_stage_teaches_every_part_that_learns(batch, train_vision):
    wanted = StageConfig(LoopConfig(steps=1, batch=1), {}, train_vision=train_vision)
    stage = QuestionStage(model('token'), wanted)
    losses = stage(batch)
    losses['total'].backward()
    assert ('probing' in losses) == train_vision
    for name, parameter in stage.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


def test_interleaved_backbones_are_equally_wide():
    SpatialLLMConfig(vision_configs=[backbone(12), backbone(16)], fusion='channel')
    with pytest.raises(
        ConfigError, match=r'hidden_size.*fusion is token, found \[12, 16\].*channel'
    ):
        SpatialLLMConfig(vision_configs=[backbone(12), backbone(16)], fusion='token')
