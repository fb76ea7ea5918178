"""What the engines refuse, and that torch and both flavours of a decoder say the same."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import onnxruntime as ort
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
from spatialllm_ros.runtime.engines.torch_engine import TorchEngine

CONTEXT, SIZE = 64, 16
FLAVOURS = ['static24', 'concat18']
KINDS = [*FLAVOURS, 'torch']


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
                         'tie_word_embeddings': True, 'bos_token_id': 2, 'eos_token_id': 3},
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


def engine_of(bundles, kind):
    if kind == 'torch':
        return TorchEngine(bundles['static24'], threads=1)
    return OnnxEngine(bundles[kind], threads=1)


def test_all_append_and_rewind_alike(bundles):
    contexts = [engine_of(bundles, kind).new_context() for kind in KINDS]
    steps = [(0, 9), (9, 1), (10, 4), (5, 7), (12, 1), (0, 2)]
    for seed, (length, count) in enumerate(steps):
        span = causal(length, count, seed)
        span = replace(span, scored=span.scored[-3:])
        logits = []
        for context in contexts:
            context.rewind(length)
            assert context.length == length
            logits.append(context.append(span))
        assert np.abs(logits[0]).max() > 1e-3
        for other in logits[1:]:
            np.testing.assert_allclose(logits[0], other, atol=1e-5)


def test_all_hide_what_is_not_visible(bundles):
    """Two questions side by side are answered as if alone."""
    prefix, one, other = causal(0, 5, 1), causal(5, 3, 2), causal(5, 2, 3)
    visible = np.zeros((5, 10), np.bool_)
    visible[:, :5] = True
    visible[:3, 5:8], visible[3:, 8:] = one.visible[:, 5:], other.visible[:, 5:]
    together = Span(
        np.concatenate([one.embeddings, other.embeddings]),
        np.concatenate([one.positions, other.positions]), visible, np.array([2, 4]),
    )  # fmt: skip
    for kind in KINDS:
        context = engine_of(bundles, kind).new_context()
        context.append(prefix)
        both = context.append(together)
        for row, alone in enumerate((one, other)):
            context.rewind(5)
            np.testing.assert_allclose(both[row], context.append(alone)[-1], atol=1e-5)


def test_torch_sees_an_image_as_the_graph_does(bundles):
    rng = np.random.default_rng(5)
    image = [rng.normal(size=shape).astype(np.float32) for shape in ((1, 3, 32, 32), (1, 4, 11))]
    found = [engine_of(bundles, kind).embed_image(*image) for kind in ('torch', 'static24')]
    np.testing.assert_allclose(*found, atol=1e-5)
    assert found[0].shape == (4, SIZE)


def test_torch_needs_the_weights(bundles, tmp_path):
    with pytest.raises(EngineError, match=r'torch engine needs the weights.*config\.json'):
        TorchEngine(replace(bundles['static24'], folder=tmp_path))
    assert load_engine(bundles['concat18'], 'torch', threads=1).name.endswith('on CPU, 1 threads')


@pytest.mark.parametrize('kind', KINDS)
def test_a_full_context_refuses_and_can_be_rewound(bundles, kind):
    context = engine_of(bundles, kind).new_context()
    assert context.capacity == CONTEXT
    context.append(causal(0, CONTEXT, 0))
    with pytest.raises(EngineError, match=f'at most {CONTEXT} positions.*found {CONTEXT + 1}'):
        context.append(causal(CONTEXT, 1, 0))
    context.rewind(0)
    assert context.append(causal(0, 1, 0)).shape[0] == 1


def test_on_a_gpu_a_cache_has_one_size(bundles, monkeypatch):
    """The session sees it as a number, as TensorRT has to; here it computes on the CPU."""
    assert shapes_of(OnnxEngine(bundles['static24']))['past_v1'] == ['batch', 1, 'cache', 8]
    monkeypatch.setattr(OnnxEngine, '_device', 'cuda')
    monkeypatch.setattr(ort, 'preload_dlls', lambda: None)
    shapes = shapes_of(OnnxEngine(bundles['static24']))
    assert shapes['past_v1'] == ['batch', 1, CONTEXT, 8]
    assert shapes['mask'] == ['batch', 1, 'sequence', CONTEXT]


class Handed:
    """Stands in for a session on a GPU; keeps what it is given of each provider."""

    given: ClassVar[list] = []

    def __init__(self, path, options, providers):
        self.given.append(dict(p if isinstance(p, tuple) else (p, {}) for p in providers))

    def get_providers(self):
        return list(self.given[-1])


@pytest.fixture
def gpu_runtime(monkeypatch):
    """Let ONNX Runtime have every provider, in a version."""

    def have(version):
        present = [f'{name}ExecutionProvider' for name in ('Tensorrt', 'CUDA', 'CPU')]
        monkeypatch.setattr(ort, 'get_available_providers', lambda: present)
        monkeypatch.setattr(ort, 'preload_dlls', lambda: None)
        monkeypatch.setattr(ort, 'InferenceSession', Handed)
        monkeypatch.setattr(ort, '__version__', version)
        monkeypatch.setattr(Handed, 'given', [])

    return have


@pytest.mark.parametrize(('version', 'knows_it'), [
    ('1.32.0', True), ('2.0.0+cu13', True), ('1.18.0', True), ('1.17.3', False),
])  # fmt: skip
def test_float32_is_not_shortened_on_a_gpu(bundles, gpu_runtime, version, knows_it):
    gpu_runtime(version)
    options = {'use_tf32': '0'} if knows_it else {}
    for kind in ('onnx-cuda', 'onnx-tensorrt'):
        OnnxEngine(bundles['static24'], kind=kind)
    assert [given['CUDAExecutionProvider'] for given in Handed.given] == [options] * 4
    assert all(not given['CPUExecutionProvider'] for given in Handed.given)


@pytest.mark.parametrize(('kind', 'precision', 'override', 'is_warned'), [
    ('onnx-tensorrt', 'float32', None, True), ('onnx-tensorrt', 'int8', '1', True),
    ('onnx-tensorrt', 'float32', '0', False), ('onnx-tensorrt', 'float16-int8', None, False),
    ('onnx-cuda', 'float32', None, False),
])  # fmt: skip
def test_where_it_may_be_shortened_the_log_says_so(
    bundles, gpu_runtime, monkeypatch, caplog, kind, precision, override, is_warned
):
    gpu_runtime('1.32.0')
    monkeypatch.delenv('NVIDIA_TF32_OVERRIDE', raising=False)
    if override is not None:
        monkeypatch.setenv('NVIDIA_TF32_OVERRIDE', override)
    bundle = bundles['static24']
    decoder = replace(bundle.manifest.decoder, precision=precision)
    OnnxEngine(replace(bundle, manifest=replace(bundle.manifest, decoder=decoder)), kind=kind)
    assert ('NVIDIA_TF32_OVERRIDE=0' in caplog.text) == is_warned


def shapes_of(engine):
    return {item.name: item.shape for item in engine._decoder.get_inputs()}


def test_contexts_do_not_share_their_cache(bundles):
    engine = OnnxEngine(bundles['static24'], threads=1)
    one, other = engine.new_context(), engine.new_context()
    one.append(causal(0, 6, 1))
    other.append(causal(0, 6, 2))
    fresh = engine.new_context()
    fresh.append(causal(0, 6, 1))
    np.testing.assert_array_equal(one.append(causal(6, 2, 3)), fresh.append(causal(6, 2, 3)))


@pytest.mark.parametrize('kind', KINDS)
def test_inputs_that_do_not_fit_are_an_engine_error(bundles, kind):
    engine, span = engine_of(bundles, kind), causal(0, 2, 0)
    with pytest.raises(EngineError, match=r'the decoder( graph)? failed in (onnxruntime|torch)'):
        engine.new_context().append(replace(span, embeddings=span.embeddings[:, :-1]))
    with pytest.raises(EngineError, match=r'the vision (graph|part) failed'):
        engine.embed_image(np.zeros((1, 3, 32, 32), np.float32), np.zeros((1, 4, 9), np.float32))


@pytest.mark.parametrize('name', ['vision.onnx', 'decoder.onnx'])
def test_a_graph_that_is_none_is_named(bundles, name, tmp_path):
    bundle = bundles['static24']
    for path in bundle.folder.iterdir():
        (tmp_path / path.name).write_bytes(b'no graph' if path.name == name else path.read_bytes())
    with pytest.raises(EngineError, match=f'{name} failed in onnxruntime'):
        OnnxEngine(replace(bundle, folder=tmp_path))


def test_engines_are_named(bundles):
    bundle = bundles['static24']
    assert load_engine(bundle, 'onnx', threads=3).name == 'onnx on CPU, 3 threads'
