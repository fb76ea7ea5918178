"""The decoder of the GPU page against transformers' Llama, read whole."""

import pytest
import torch
from torch._dynamo.utils import counters
from transformers import LlamaConfig, LlamaForCausalLM

from spatialllm_ros.evaluation.static_decoder import (
    FEW_POSITIONS,
    JoinedWeights,
    StaticDecoder,
    StaticStrands,
    read_prefix,
)

PREFIX, QUESTION, WORDS = 7, 3, 4

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(params=[(4, 2, 8, False), (2, 2, 12, True)], ids=['grouped', 'wide heads, tied'])
def llama(request):
    heads, keys, size, tied = request.param
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=heads, num_key_value_heads=keys, head_dim=size,
        tie_word_embeddings=tied, max_position_embeddings=64,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


@torch.no_grad()
@pytest.mark.parametrize('compiled_by', [None, 'eager'])
@pytest.mark.parametrize('count', [1, 3])
def test_words_and_scores_are_those_of_whole_texts(llama, compiled_by, count):
    prefix, questions = torch.randint(50, (PREFIX,)), torch.randint(50, (count, QUESTION))
    texts = torch.cat([prefix.repeat(count, 1), questions], dim=1)
    capacity = PREFIX + count * (QUESTION + WORDS)
    decoder = StaticDecoder(JoinedWeights(llama), capacity, compiled_by)
    read_prefix(decoder, decoder.embed(prefix))
    strands = StaticStrands(decoder, PREFIX, questions)
    for turn in (strands.ask, *[strands.step] * (WORDS - 1)):
        expected = llama(texts).logits[:, -1]
        torch.testing.assert_close(turn(), expected, atol=1e-5, rtol=1e-4)
        assert torch.equal(strands.words, expected.argmax(dim=-1))
        texts = torch.cat([texts, strands.words[:, None]], dim=1)


@torch.no_grad()
@pytest.mark.parametrize('count', [1, 2])
def test_a_step_is_compiled_once_and_whole(llama, count):
    decoder = StaticDecoder(JoinedWeights(llama), PREFIX + 4 * FEW_POSITIONS, 'eager')
    counters.clear()
    read_prefix(decoder, decoder.embed(torch.arange(PREFIX + FEW_POSITIONS)))
    strands = StaticStrands(decoder, PREFIX, torch.arange(FEW_POSITIONS + 1).repeat(count, 1))
    for turn in (strands.ask, *[strands.step] * 3):
        turn()
    layer = llama.model.layers[0]
    behind = {layer.self_attn.o_proj.weight.shape, layer.mlp.down_proj.weight.shape}
    # Attention, the gate, the head, and what adds to the residual, in each of its shapes.
    assert counters['stats']['unique_graphs'] == 3 + len(behind)
    assert not counters['graph_break']


@torch.no_grad()
def test_asking_again_forgets_the_words_before(llama):
    decoder = StaticDecoder(JoinedWeights(llama), PREFIX + QUESTION + WORDS)
    read_prefix(decoder, decoder.embed(torch.arange(PREFIX)))
    strands = StaticStrands(decoder, PREFIX, torch.tensor([[9, 8, 7]]))
    first = strands.ask().clone()
    after = strands.step().clone()
    strands.step()
    assert torch.equal(strands.ask(), first)
    assert torch.equal(strands.step(), after)


@torch.no_grad()
def test_weights_are_shared_and_counted(llama):
    before = {name: weight.clone() for name, weight in llama.state_dict().items()}
    joined = JoinedWeights(llama)
    assert all(torch.equal(before[name], weight) for name, weight in llama.state_dict().items())
    attention = llama.model.layers[0].self_attn
    shared = attention.q_proj.weight.untyped_storage().data_ptr()
    assert attention.v_proj.weight.untyped_storage().data_ptr() == shared
    weights = [weight for name, weight in llama.named_parameters() if 'embed' not in name]
    tied = llama.lm_head.weight.numel() if llama.config.tie_word_embeddings else 0
    assert joined.step_bytes == 4 * (sum(weight.numel() for weight in weights) + tied)
    linear = [m for m in llama.model.modules() if isinstance(m, torch.nn.Linear)]
    assert joined.factors == sum(layer.weight.numel() for layer in linear)
