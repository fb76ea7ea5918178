"""What the ONNX engine refuses, and that both flavours of a decoder say the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spatialllm_ros.deploy.bundle_export import ExportSettings, export_bundle
from spatialllm_ros.errors import EngineError
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.runtime.engines import load_engine
from spatialllm_ros.runtime.engines.base import Span
from spatialllm_ros.runtime.engines.onnx_engine import OnnxEngine

CONTEXT, SIZE = 64, 16
FLAVOURS = ['static24', 'concat18']


@pytest.fixture(scope='module')
def bundles(tmp_path_factory):
    """Export one random model in both flavours."""
    folder = tmp_path_factory.mktemp('bundles')
    build_tokenizer().save(str(folder / 'tokenizer.json'))
    torch.manual_seed(3)
    model = SpatialLLMForConditionalGeneration(
        SpatialLLMConfig(
            vision_configs=[{'model_type': 'spatialllm_vision', 'widths': [8, 8, 12],
                             'num_hidden_layers': 1, 'num_attention_heads': 2}],
            text_config={'model_type': 'llama', 'vocab_size': build_tokenizer().get_vocab_size(),
                         'hidden_size': SIZE, 'intermediate_size': 24, 'num_hidden_layers': 2,
                         'num_attention_heads': 2, 'num_key_value_heads': 1,
                         'tie_word_embeddings': True},
            image_size=(32, 32), image_grid=(2, 2),
        )
    )  # fmt: skip
    return {
        flavour: export_bundle(
            model,
            folder / 'tokenizer.json',
            folder / flavour,
            ExportSettings('tiny', flavour, CONTEXT),
        )
        for flavour in FLAVOURS
    }


def causal(length, count, seed):
    """Return a span of random embeddings behind ``length`` others."""
    places = np.arange(length, length + count)
    embeddings = np.random.default_rng(seed).normal(size=(count, SIZE)).astype(np.float32)
    visible = np.arange(length + count)[None] <= places[:, None]
    return Span(embeddings, places, visible, np.arange(count))


def test_both_flavours_append_and_rewind_alike(bundles):
    contexts = [OnnxEngine(bundles[flavour], threads=1).new_context() for flavour in FLAVOURS]
    steps = [(0, 9), (9, 1), (10, 4), (5, 7), (12, 1)]
    for seed, (length, count) in enumerate(steps):
        logits = []
        for context in contexts:
            context.rewind(length)
            assert context.length == length
            logits.append(context.append(causal(length, count, seed)))
        np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)
        assert np.abs(logits[0]).max() > 1e-3


@pytest.mark.parametrize('flavour', FLAVOURS)
def test_a_full_context_refuses_and_can_be_rewound(bundles, flavour):
    context = load_engine(bundles[flavour], 'onnx', threads=1).new_context()
    assert context.capacity == CONTEXT
    context.append(causal(0, CONTEXT, 0))
    with pytest.raises(EngineError, match=f'at most {CONTEXT} positions.*found {CONTEXT + 1}'):
        context.append(causal(CONTEXT, 1, 0))
    context.rewind(0)
    assert context.append(causal(0, 1, 0)).shape[0] == 1


def test_contexts_do_not_share_their_cache(bundles):
    engine = OnnxEngine(bundles['static24'], threads=1)
    one, other = engine.new_context(), engine.new_context()
    one.append(causal(0, 6, 1))
    other.append(causal(0, 6, 2))
    fresh = engine.new_context()
    fresh.append(causal(0, 6, 1))
    np.testing.assert_array_equal(one.append(causal(6, 2, 3)), fresh.append(causal(6, 2, 3)))


@pytest.mark.parametrize('flavour', FLAVOURS)
def test_inputs_that_do_not_fit_are_an_engine_error(bundles, flavour):
    engine, span = OnnxEngine(bundles[flavour], threads=1), causal(0, 2, 0)
    with pytest.raises(EngineError, match='the decoder graph failed in onnxruntime'):
        engine.new_context().append(replace(span, embeddings=span.embeddings[:, :-1]))
    with pytest.raises(EngineError, match='the vision graph failed'):
        engine.embed_image(np.zeros((1, 3, 8, 8), np.float32), np.zeros((1, 4, 11), np.float32))


@pytest.mark.parametrize('name', ['vision.onnx', 'decoder.onnx'])
def test_a_graph_that_is_none_is_named(bundles, name, tmp_path):
    bundle = bundles['static24']
    for path in bundle.folder.iterdir():
        (tmp_path / path.name).write_bytes(b'no graph' if path.name == name else path.read_bytes())
    with pytest.raises(EngineError, match=f'{name} failed in onnxruntime'):
        OnnxEngine(replace(bundle, folder=tmp_path))


def test_engines_and_providers_are_named(bundles):
    bundle = bundles['static24']
    assert load_engine(bundle, threads=3).name == 'onnx on CPU, 3 threads'
    with pytest.raises(EngineError, match=r"\['auto', 'onnx'.*found 'steam'"):
        load_engine(bundle, 'steam')
    with pytest.raises(EngineError, match="'SteamExecutionProvider'"):
        OnnxEngine(bundle, providers=['SteamExecutionProvider'])
