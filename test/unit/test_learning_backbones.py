"""Pretrained kinds of backbones: what learns of them is what image tokens are made of."""

import pytest
import torch
from one_question import one_question

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.encoder_stage import EncoderStage
from spatialllm_ros.learning.loop import LoopConfig
from spatialllm_ros.learning.question_stage import QuestionStage
from spatialllm_ros.learning.recipe import StageConfig
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer

TOKENIZER = build_tokenizer()
TEXT = {
    'model_type': 'llama', 'vocab_size': TOKENIZER.get_vocab_size(), 'hidden_size': 32,
    'intermediate_size': 48, 'num_hidden_layers': 3, 'num_attention_heads': 4,
    'num_key_value_heads': 4, 'bos_token_id': 2, 'eos_token_id': 3, 'pad_token_id': 0,
}  # fmt: skip
SIZES = {'hidden_size': 16, 'num_hidden_layers': 3, 'num_attention_heads': 2, 'patch_size': 16,
         'image_size': 48}  # fmt: skip
LAST = ('encoder.layers.2.', 'post_layernorm.')
UNREAD = [
    ('siglip_vision_model', {}, ('head.',)),
    ('dinov2', {}, ('embeddings.mask_token',)),
    ('clip_vision_model', {}, ('post_layernorm.',)),
    ('clip_vision_model', {'layer': -2}, LAST),
    ('vit', {}, ('pooler.',)),
    ('vit_mae', {}, ('embeddings.position_embeddings',)),
]
"""Backbones, how they are used, and the names of what rests: their tokens do not depend on it, or
their makers keep it fixed."""


def model(kind: str, use: dict, **more) -> SpatialLLMForConditionalGeneration:
    torch.manual_seed(0)
    own = {'mask_ratio': 0.0} if kind == 'vit_mae' else {}
    part = {'model_type': kind, **SIZES, **own, **more, 'use': {'size': [48, 48], **use}}
    config = SpatialLLMConfig(vision_configs=[part], text_config=TEXT)
    return SpatialLLMForConditionalGeneration(config)


@pytest.fixture(scope='module')
def batch() -> dict[str, torch.Tensor]:
    shares = torch.zeros(1, 8, 108, dtype=torch.uint8)
    shares[0, 0, 30:33] = 16
    return one_question(TOKENIZER, shares)


@pytest.mark.parametrize('stage', ['encoder', 'question'])
@pytest.mark.parametrize(('kind', 'use', 'unread'), UNREAD)
def test_all_that_learns_of_a_backbone_has_a_gradient(kind, use, unread, stage, batch):
    """A parameter that waits for its gradient in vain ends a run of several processes."""
    wanted = StageConfig(LoopConfig(steps=1, batch=1), {}, train_vision=True)
    whole = model(kind, use)
    module = EncoderStage(whole) if stage == 'encoder' else QuestionStage(whole, wanted)
    module(batch)['total'].backward()
    for name, parameter in module.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    for name, parameter in whole.vision_towers[0].named_parameters():
        assert parameter.requires_grad != name.startswith(unread), name


@torch.no_grad()
@pytest.mark.parametrize('size', [[48, 48], [64, 32]])
def test_mae_sees_every_patch_in_its_place(size, batch):
    """Its encoder is a plain vision transformer, if nothing is hidden and nothing shuffled."""
    masked, plain = (model(kind, {'size': size}).eval() for kind in ('vit_mae', 'vit'))
    weights = masked.vision_towers[0].state_dict()
    left_out, unexpected = plain.vision_towers[0].load_state_dict(weights, strict=False)
    assert (unexpected, {name.partition('.')[0] for name in left_out}) == ([], {'pooler'})
    found, expected = (
        one.vision_features(batch['pixels'], batch['camera']) for one in (masked, plain)
    )
    torch.testing.assert_close(found, expected)
    again = masked.vision_features(batch['pixels'], batch['camera'])
    assert torch.equal(found, again)


def test_an_mae_that_hides_patches_is_refused():
    with pytest.raises(ConfigError, match=r'mask_ratio: 0 of a vit_mae, .* found 0\.75'):
        model('vit_mae', {}, mask_ratio=0.75)
