"""The decoder graph through ONNX Runtime against torch on whole texts."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from spatialllm_ros.deploy.decoder_flavours import FLAVOURS
from spatialllm_ros.deploy.decoder_graph import decoder_graph, decoder_heads, decoder_positions
from spatialllm_ros.deploy.rounding import round_to_half
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.bundle import DecoderSpec
from spatialllm_ros.runtime.decoding import PrefixedContext
from spatialllm_ros.runtime.engines import onnx_contexts
from spatialllm_ros.runtime.engines.base import Span
from spatialllm_ros.runtime.prompt import Prompt

VOCABULARY, SIZE, CONTEXT = 61, 32, 64
TOLERANCE = 2e-5
SIZES = {
    'vocab_size': VOCABULARY, 'hidden_size': SIZE, 'intermediate_size': 48,
    'num_hidden_layers': 2, 'num_attention_heads': 4, 'max_position_embeddings': 128,
}  # fmt: skip
GRANITE = {'num_key_value_heads': 2, 'attention_multiplier': (SIZE / 4) ** -0.5}
"""Its other factors are one by themselves."""
DECODERS = {
    'llama': ('llama', {'num_key_value_heads': 4, 'tie_word_embeddings': True}),
    'grouped, biased': (
        'llama', {'num_key_value_heads': 2, 'attention_bias': True, 'mlp_bias': True},
    ),
    'one key head, long angles': (
        'llama',
        {
            'num_key_value_heads': 1,
            'rope_parameters': {
                'rope_type': 'llama3', 'rope_theta': 1e4, 'factor': 8.0, 'low_freq_factor': 1.0,
                'high_freq_factor': 4.0, 'original_max_position_embeddings': 16,
            },
        },
    ),
    'qwen2': ('qwen2', {'num_key_value_heads': 2}),
    'granite without its factors': ('granite', GRANITE),
    'qwen3': ('qwen3', {'num_key_value_heads': 2, 'head_dim': 16, 'rms_norm_eps': 1e-5}),
}  # fmt: skip


@pytest.fixture(scope='module', params=list(DECODERS))
def decoder(request):
    return make_decoder(*DECODERS[request.param])


def make_decoder(kind: str, own: dict):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **(SIZES | own))).eval()
    with torch.no_grad():
        for weight in model.parameters():  # biases and norms start at 0 and 1, which hides errors
            weight.add_(0.1 * torch.randn_like(weight))
    round_to_half(model)
    return model


def new_context(model, flavour: str):
    config = model.config
    heads = decoder_heads(config)
    spec = DecoderSpec(
        flavour, FLAVOURS[flavour].opset, 'float32', CONTEXT, decoder_positions(config, CONTEXT),
        config.num_hidden_layers, heads.keys, heads.size, SIZE, VOCABULARY,
    )  # fmt: skip
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    graph = decoder_graph(model, flavour, CONTEXT).SerializeToString()
    session = ort.InferenceSession(graph, options, providers=['CPUExecutionProvider'])
    return onnx_contexts.new_context(session, spec, 'cpu')


def embeddings_of(model, ids) -> np.ndarray:
    return model.get_input_embeddings().weight.detach().numpy()[np.asarray(ids)]


@torch.no_grad()
def torch_logits(model, embeddings: np.ndarray) -> np.ndarray:
    return model(inputs_embeds=torch.from_numpy(embeddings)[None]).logits[0].numpy()


def log_shares(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).double().log_softmax(-1).numpy()


@pytest.mark.parametrize('flavour', FLAVOURS)
def test_text_in_pieces_equals_whole_text_in_torch(decoder, flavour):
    embeddings = embeddings_of(decoder, np.random.default_rng(1).integers(VOCABULARY, size=23))
    context = new_context(decoder, flavour)
    found = []
    for start, end in ((0, 12), (12, 13), (13, 22), (22, 23)):
        places = np.arange(start, end)
        visible = np.arange(end)[None] <= places[:, None]
        span = Span(embeddings[start:end], places, visible, np.arange(end - start))
        found.append(context.append(span))
    assert np.abs(np.concatenate(found) - torch_logits(decoder, embeddings)).max() < TOLERANCE


@pytest.mark.parametrize('flavour', FLAVOURS)
def test_more_is_read_at_once_than_one_text_can_be_long(flavour):
    """Six questions side by side, 48 new positions of a model that knows 16 places."""
    model = make_decoder('llama', {'num_key_value_heads': 2, 'max_position_embeddings': 16})
    rng = np.random.default_rng(3)
    prefix = rng.standard_normal((4, SIZE)).astype(np.float32) * 0.3
    prompts = [Prompt(tuple(rng.integers(VOCABULARY, size=8).tolist()), ()) for _ in range(6)]
    table = embeddings_of(model, np.arange(VOCABULARY))
    strands = PrefixedContext(new_context(model, flavour), table, prefix).read(prompts)
    for prompt, strand in zip(prompts, strands, strict=True):
        whole = np.concatenate([prefix, table[list(prompt.question)]])
        expected = log_shares(torch_logits(model, whole)[-1])
        assert np.abs(strand.next_logs - expected).max() < TOLERANCE


@pytest.mark.parametrize('flavour', FLAVOURS)
def test_packed_ragged_questions_equal_each_alone_in_torch(decoder, flavour):
    rng = np.random.default_rng(2)
    prefix = rng.standard_normal((7, SIZE)).astype(np.float32) * 0.3
    prompts = [
        Prompt((5, 9, 11), ((20, 3), (21, 22, 3))),
        Prompt((6, 7, 8, 10, 12, 13), ()),
        Prompt((14,), ((30, 31, 32, 3), (33, 3), (34, 35, 3))),
    ]
    table = embeddings_of(decoder, np.arange(VOCABULARY))
    packed = PrefixedContext(new_context(decoder, flavour), table, prefix)
    strands = packed.read(prompts)

    def torch_logs(ids) -> np.ndarray:
        return log_shares(torch_logits(decoder, np.concatenate([prefix, table[list(ids)]])))

    for prompt, strand in zip(prompts, strands, strict=True):
        assert strand.next_logs == pytest.approx(torch_logs(prompt.question)[-1], abs=TOLERANCE)
        for option, logs in zip(prompt.options, strand.option_logs, strict=True):
            rows = torch_logs([*prompt.question, *option])[-len(option) - 1 : -1]
            assert logs == pytest.approx(rows[range(len(option)), option].sum(), abs=1e-4)

    packed.extend(strands, [40, 41, 42])
    packed.extend([strands[2], strands[0]], [43, 44])
    written = {0: [40, 44], 1: [41], 2: [42, 43]}
    for index, words in written.items():
        expected = torch_logs([*prompts[index].question, *words])[-1]
        assert strands[index].next_logs == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize('flavour', FLAVOURS)
def test_second_question_on_a_prefix_is_bit_equal_to_the_first_asked(flavour):
    model = make_decoder(*DECODERS['qwen3'])
    table = embeddings_of(model, np.arange(VOCABULARY))
    asked, other = Prompt((5, 9, 11), ((20, 3), (21, 3))), Prompt((6, 7, 8, 9, 10), ())
    fresh = PrefixedContext(new_context(model, flavour), table, table[:7])
    used = PrefixedContext(new_context(model, flavour), table, table[:7])
    used.extend(used.read([other, asked]), [40, 41])
    (first,), (second,) = fresh.read([asked]), used.read([asked])
    assert np.array_equal(first.next_logs, second.next_logs)
    assert first.option_logs == second.option_logs


@pytest.mark.parametrize('flavour', FLAVOURS)
def test_graph_passes_the_checker_and_uses_standard_operators(decoder, flavour):
    graph = decoder_graph(decoder, flavour, CONTEXT)
    onnx.checker.check_model(graph, full_check=True)
    assert {node.domain for node in graph.graph.node} == {''}
    assert [(item.domain, item.version) for item in graph.opset_import] == [
        ('', {'static24': 24, 'concat18': 18}[flavour])
    ]


@pytest.mark.parametrize(
    ('kind', 'own', 'complaint'),
    [
        ('llama', {'hidden_act': 'gelu'}, 'gelu'),
        ('gemma', {'num_key_value_heads': 2}, 'gelu'),
        ('gpt2', {'bos_token_id': 2, 'eos_token_id': 3}, 'no model.norm; no model.rotary'),
        ('qwen2', {'num_key_value_heads': 2, 'use_sliding_window': True, 'max_window_layers': 0},
         'full attention'),
        ('stablelm', {}, r"input_layernorm\.bias of .* LayerNorm \(expected Llama's RMSNorm\)"),
        ('olmo', {}, r'no input_layernorm\.weight; .*OlmoLayerNorm \('),
        ('olmo2', {}, r'no input_layernorm\.weight; post_feedforward_layernorm\.weight of'),
        ('cohere', {}, 'logit_scale 0.0625 .*CohereLayerNorm '),
        ('granite', GRANITE | {'logits_scaling': 4.0}, r'logits_scaling 4 \(expected 1\)'),
        ('granite', GRANITE | {'residual_multiplier': 0.2}, 'residual_multiplier 0.2'),
        ('granite', GRANITE | {'embedding_multiplier': 12}, 'embedding_multiplier 12'),
        ('granite', GRANITE | {'attention_multiplier': 1.0}, 'scale of 1 .expected 0.353553'),
        ('diffllama', {}, r'self_attn\.lambda_k1 of its own'),
        ('glm4_moe', {'num_key_value_heads': 2, 'first_k_dense_replace': 1, 'n_routed_experts': 4,
                      'moe_intermediate_size': 8, 'num_experts_per_tok': 2},
         r'no mlp\.gate_proj.*mlp\.experts'),
    ],
)  # fmt: skip
def test_other_decoders_are_refused_by_name(kind, own, complaint):
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **(SIZES | own)))
    with pytest.raises(ConfigError, match=complaint):
        decoder_graph(model, 'static24', CONTEXT)


def test_unknown_flavour_is_refused():
    with pytest.raises(ConfigError, match='concat18'):
        decoder_graph(make_decoder('llama', {}), 'paged', CONTEXT)
