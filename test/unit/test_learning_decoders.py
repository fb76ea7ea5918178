"""Question stages with decoders other than nano's, against transformers' own attention."""

import pytest
import torch
from one_question import one_question
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning import grounding
from spatialllm_ros.learning.attention import plain_attention
from spatialllm_ros.learning.grounding import Mentions
from spatialllm_ros.learning.loop import LoopConfig
from spatialllm_ros.learning.question_stage import QuestionStage
from spatialllm_ros.learning.recipe import StageConfig
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer

TOKENIZER = build_tokenizer()
TEXT = {
    'vocab_size': TOKENIZER.get_vocab_size(), 'hidden_size': 32, 'intermediate_size': 48,
    'num_hidden_layers': 3, 'num_attention_heads': 4, 'num_key_value_heads': 2, 'head_dim': 8,
    'bos_token_id': 2, 'eos_token_id': 3, 'pad_token_id': 0,
}  # fmt: skip
VISION = {
    'model_type': 'spatialllm_vision', 'widths': [8, 8, 12], 'num_hidden_layers': 1,
    'num_attention_heads': 2,
}  # fmt: skip
STAGE = StageConfig(LoopConfig(steps=1, batch=2), {})
DECODERS = [
    ('llama', {}), ('qwen2', {}), ('qwen3', {}), ('granite', {'attention_multiplier': 0.21}),
]  # fmt: skip


def question_stage(kind: str, **text) -> QuestionStage:
    torch.manual_seed(0)
    config = SpatialLLMConfig(
        vision_configs=[VISION], text_config={'model_type': kind, **TEXT, **text}
    )
    return QuestionStage(SpatialLLMForConditionalGeneration(config), STAGE).eval()


@pytest.fixture(scope='module')
def batch() -> dict[str, torch.Tensor]:
    return one_question(TOKENIZER, torch.randint(0, 17, (1, 8, 108)))


def test_grouped_keys_and_values_are_attended_to_as_by_torch():
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, heads, 7, 8) for heads in (6, 2, 2))
    mask = torch.zeros(2, 1, 7, 7).masked_fill(torch.ones(7, 7).triu(1) > 0, -1e4)
    found, _ = plain_attention(torch.nn.Identity(), query, key, value, mask, scaling=0.3)
    expected = F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=0.3, enable_gqa=True
    )
    torch.testing.assert_close(found, expected.transpose(1, 2))


@pytest.mark.parametrize(('kind', 'own'), DECODERS)
def test_plain_attention_makes_the_losses_of_the_spelt_out_one(kind, own, batch, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    stage = question_stage(kind, **own)
    found = stage(batch)
    stage.model.language_model.set_attn_implementation('eager')
    for name, loss in stage(batch).items():
        torch.testing.assert_close(found[name], loss, msg=name)


@torch.no_grad()
@pytest.mark.parametrize(('kind', 'own'), DECODERS)
def test_mentions_point_by_the_attention_of_the_decoder(kind, own):
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **TEXT, **own)
    model = AutoModelForCausalLM.from_config(config, attn_implementation='eager').eval().model
    for name, weight in model.named_parameters():
        if 'norm' in name:  # one everywhere when new, and so of no consequence
            weight.uniform_(0.3, 2.0)
    prefix, length, at = 12, 8, 5
    out = model(
        inputs_embeds=4 * torch.randn(1, prefix + length, 32), output_hidden_states=True,
        output_attentions=True, use_cache=False,
    )  # fmt: skip
    one, there = torch.tensor([0]), torch.tensor([True])
    mentions = Mentions(
        one, torch.tensor([at]), torch.zeros(1, prefix - 1), torch.zeros(1, 13), there, there
    )
    pointed = grounding.pointer_log_probabilities(
        model, out.hidden_states[grounding.POINTER_LAYER], mentions,
        torch.ones(1, length, dtype=torch.long), prefix + torch.arange(length)[None],
    ).exp()  # fmt: skip
    heads = out.attentions[grounding.POINTER_LAYER][0, : grounding.POINTER_HEADS, prefix + at]
    torch.testing.assert_close(pointed[0, :, :prefix], heads[:, :prefix])
    torch.testing.assert_close(pointed[0, :, prefix], heads[:, prefix:].sum(-1))


@pytest.mark.parametrize('cap', ['attn_logit_softcapping', 'final_logit_softcapping'])
def test_capped_scores_are_refused(cap):
    uncapped = {'attn_logit_softcapping': None, 'final_logit_softcapping': None}
    question_stage('gemma2', **uncapped)
    with pytest.raises(ConfigError, match=rf'found gemma2 with {cap} 50\.0: .*text_config'):
        question_stage('gemma2', **{**uncapped, cap: 50.0})
