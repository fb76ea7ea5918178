"""A grown decoder answers as before and learns with all of itself, in any size and family."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.growing import DecoderSize, grow, kept_layers
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration

pytestmark = pytest.mark.usefixtures('one_thread')

DECODERS = {
    'llama': {'model_type': 'llama', 'head_dim': 8, 'attention_bias': True, 'mlp_bias': True},
    'llama, tied': {'model_type': 'llama', 'tie_word_embeddings': True},
    'qwen2, grouped': {'model_type': 'qwen2', 'num_key_value_heads': 2},
    'qwen3, normed heads': {'model_type': 'qwen3', 'head_dim': 8, 'num_key_value_heads': 1},
}
LARGER = DecoderSize(hidden_size=40, intermediate_size=56, layers=5, heads=8)
SAME = DecoderSize(hidden_size=24, intermediate_size=32, layers=3, heads=4)


def model_of(decoder: dict, seed: int = 0) -> SpatialLLMForConditionalGeneration:
    torch.manual_seed(seed)
    text = {
        'vocab_size': 50, 'hidden_size': 24, 'intermediate_size': 32, 'num_hidden_layers': 3,
        'num_attention_heads': 4, 'num_key_value_heads': 4, 'max_position_embeddings': 64,
    }  # fmt: skip
    vision = {
        'model_type': 'spatialllm_vision',
        'widths': [8, 8, 16],
        'num_hidden_layers': 1,
        'num_attention_heads': 2,
    }
    model = SpatialLLMForConditionalGeneration(
        SpatialLLMConfig([vision], text | decoder, image_size=(64, 48), image_grid=(3, 4))
    )
    with torch.no_grad():  # norms of one and biases of zero would hide mistakes
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.double().eval()


def outputs(model: SpatialLLMForConditionalGeneration) -> torch.Tensor:
    random = torch.Generator().manual_seed(7)
    ids = torch.randint(6, 50, (2, 20), generator=random)
    ids[:, 1:13] = model.config.image_token_id
    pixels = torch.randn(2, 3, 48, 64, generator=random).double()
    camera = torch.randn(2, 12, 11, generator=random).double()
    return model(input_ids=ids, pixel_values=pixels, camera_features=camera).logits


@pytest.mark.parametrize('decoder', DECODERS.values(), ids=DECODERS)
def test_a_grown_model_answers_as_before(decoder):
    model = model_of(decoder)
    grown = grow(model, LARGER).double().eval()
    assert grown.language_model.model.embed_tokens.weight.shape == (50, 40)
    assert len(grown.language_model.model.layers) == 5
    with torch.no_grad():
        torch.testing.assert_close(outputs(grown), outputs(model), rtol=0, atol=1e-5)


@pytest.mark.parametrize('part', ['hidden_size', 'intermediate_size', 'layers', 'heads'])
def test_each_part_grows_by_itself(part):
    model = model_of(DECODERS['qwen2, grouped'])
    size = DecoderSize(**(vars(SAME) | {part: vars(LARGER)[part]}))
    with torch.no_grad():
        found = outputs(grow(model, size).double().eval())
        torch.testing.assert_close(found, outputs(model), rtol=0, atol=1e-5)


def test_no_new_weight_stays_without_a_gradient():
    model = model_of(DECODERS['llama, tied'])
    grown = grow(model, LARGER).double()
    for _ in range(2):  # what reads new dimensions learns once something has written them
        grown.zero_grad()
        outputs(grown).square().mean().backward()
        torch.optim.SGD(grown.parameters(), lr=0.1).step()
    old = dict(model.named_parameters())
    for name, parameter in grown.language_model.named_parameters():
        before = old.get(f'language_model.{name}')
        new = torch.ones_like(parameter, dtype=torch.bool)
        if before is not None and before.shape != parameter.shape:
            new[tuple(slice(length) for length in before.shape)] = False
        learning = parameter.grad[new] != 0
        if 'embed_tokens' in name:  # of words that were asked
            assert learning.any()
        else:
            assert learning.all(), name


@given(st.integers(1, 12), st.integers(0, 12))
@settings(deadline=None)
def test_layers_keep_their_order_the_first_and_the_last_their_place(before, more):
    kept = kept_layers(before, before + more)
    assert kept == sorted(set(kept))
    assert len(kept) == before
    assert kept[:2] == [0, 1][:before]
    assert before <= 2 or kept[-1] == before + more - 1
    gaps = [b - a for a, b in itertools.pairwise(kept[1:])]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_what_cannot_grow_is_refused():
    model = model_of(DECODERS['qwen2, grouped'])
    with pytest.raises(ConfigError, match=r'smaller layers and heads'):
        grow(model, DecoderSize(24, 32, 2, 2))
    with pytest.raises(ConfigError, match=r'multiple of 2 heads.*found 5'):
        grow(model, DecoderSize(24, 32, 3, 5))
    with pytest.raises(ConfigError, match=r'hidden size \(36\) is not a multiple'):
        grow(model_of(DECODERS['llama']), DecoderSize(36, 32, 3, 8))
    with pytest.raises(ConfigError, match=r"found 'gemma'"):  # scales its embeddings
        grow(model_of({'model_type': 'gemma'}), LARGER)


def test_equal_seeds_grow_alike_and_leave_the_callers_chance_alone():
    model = model_of(DECODERS['llama'])
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second, third = (grow(model, LARGER, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], third[name]) for name in first)
