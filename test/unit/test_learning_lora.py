"""Low-rank adapters: merged as peft merges them, counted by hand, mistakes named."""

import peft
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.lora import Lora, add_adapters, merged_weights, plain_name

LORA = Lora(rank=2, alpha=6, targets=('q_proj', 'down_proj'))


@pytest.fixture
def decoder() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(hidden_size=8, intermediate_size=12, num_hidden_layers=2, vocab_size=11,
                    num_attention_heads=2, num_key_value_heads=2)
    )  # fmt: skip


def test_only_adapters_learn(decoder):
    names = set(decoder.state_dict())
    add_adapters(decoder, LORA)
    learned = {n: p.numel() for n, p in decoder.named_parameters() if p.requires_grad}
    assert len(learned) == 2 * 2 * 2  # layers, matrices, factors
    assert sum(learned.values()) == 2 * (2 * (8 + 8) + 2 * (12 + 8))
    assert {plain_name(n) for n in decoder.state_dict() if n not in learned} == names


@torch.no_grad()
def test_merged_weights_answer_as_adapted_ones(decoder):
    other = LlamaForCausalLM(decoder.config)
    add_adapters(decoder, LORA)
    for name, value in decoder.named_parameters():
        if '.lora_B.' in name:
            value.normal_()
    other.load_state_dict(merged_weights(decoder.state_dict(), LORA))
    ids = torch.tensor([[1, 5, 7, 2]])
    assert torch.allclose(decoder(ids).logits, other(ids).logits, atol=1e-5)
    for module in decoder.modules():
        if isinstance(module, peft.tuners.tuners_utils.BaseTunerLayer):
            module.merge()
    for name, value in other.state_dict().items():
        own = decoder.state_dict()
        adapted = name.replace('.weight', '.base_layer.weight')
        assert torch.allclose(own.get(adapted, own.get(name)), value, atol=1e-6), name


def test_weights_without_adapters_stay_as_they_are(decoder):
    weights = decoder.state_dict()
    assert merged_weights(weights, None) is weights


def test_mistakes_are_named(decoder):
    with pytest.raises(ConfigError, match=r"found \['k_prod'\]"):
        add_adapters(decoder, Lora(targets=('q_proj', 'k_prod')))
    with pytest.raises(ConfigError, match='rank of at least 1'):
        Lora(rank=0)
