"""The TensorRT engine on a fake GPU: its memory is this process's, its kernels ONNX Runtime's.

No TensorRT and no driver takes part. The fakes are strict where the real ones would be wrong or
crash, see ``fake_cuda`` and ``fake_tensorrt``.
"""

import ctypes
import gc
import threading
from dataclasses import replace
from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_cuda import OUT_OF_MEMORY, FakeCuda
from fake_tensorrt import FakeTensorRT

from spatialllm_ros.deploy.bundle_export import ExportSettings, export_bundle
from spatialllm_ros.deploy.tensorrt_graphs import read_graphs
from spatialllm_ros.deploy.tensorrt_profiles import SpanLimits, profile_shapes
from spatialllm_ros.errors import EngineError
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.runtime.engines import tensorrt_engine, tensorrt_identity
from spatialllm_ros.runtime.engines.base import Span
from spatialllm_ros.runtime.engines.cuda_driver import SIGNATURES, CudaDriver
from spatialllm_ros.runtime.engines.onnx_engine import OnnxEngine
from spatialllm_ros.runtime.engines.tensorrt_engine import TensorRTEngine
from spatialllm_ros.runtime.engines.tensorrt_identity import EngineIdentity
from spatialllm_ros.runtime.engines.tensorrt_library import Gpu, TensorRT
from spatialllm_ros.runtime.engines.tensorrt_profiles import choose_profile

CONTEXT, SIZE, QUESTIONS = 48, 16, 3
LIMITS = SpanLimits(questions=QUESTIONS)
ORIN = Gpu('Orin', '8.7', 8 * 1024**3)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bundles')
    build_tokenizer().save(str(folder / 'tokenizer.json'))
    torch.manual_seed(3)
    model = SpatialLLMForConditionalGeneration(
        SpatialLLMConfig(
            vision_configs=[{'model_type': 'spatialllm_vision', 'widths': [8, 8, 12],
                             'num_hidden_layers': 1, 'num_attention_heads': 2}],
            text_config={'model_type': 'llama', 'vocab_size': build_tokenizer().get_vocab_size(),
                         'hidden_size': SIZE, 'intermediate_size': 24, 'num_hidden_layers': 2,
                         'num_attention_heads': 4, 'num_key_value_heads': 2,
                         'tie_word_embeddings': True, 'bos_token_id': 2, 'eos_token_id': 3},
            image_size=(32, 32), image_grid=(2, 2),
        )
    )  # fmt: skip
    bundles = {
        flavour: export_bundle(
            model, folder / 'tokenizer.json', folder / flavour,
            ExportSettings('tiny', flavour, CONTEXT),
        )
        for flavour in ('static24', 'concat18')
    }  # fmt: skip
    for bundle in bundles.values():
        place_engines(bundle)
    return bundles


def place_engines(bundle):
    """Put files beside the graphs that say which graph the fake has to run."""
    (bundle.folder / 'engines').mkdir()
    for graph in read_graphs(bundle):
        plan = graph.role.encode()
        identity = EngineIdentity(
            graph=graph.role,
            graph_sha256=bundle.manifest.files[graph.role].sha256,
            engine_sha256=sha256(plan).hexdigest(),
            flavour='tensorrt',
            version='10.16.2',
            gpu='Orin',
            compute_capabilities=('8.7',),
            precision='float32',
            cache_updates=graph.operators['TensorScatter'],
            workspace_bytes=0,
            profiles=profile_shapes(graph, bundle.manifest, LIMITS),
        )
        path = bundle.folder / 'engines' / f'{graph.role}-tensorrt-sm87.engine'
        path.write_bytes(plan)
        path.with_suffix('.json').write_text(identity.to_json())


@pytest.fixture
def load(exported, monkeypatch):
    """Load an engine, and return it with the fakes that it runs on."""

    def load(flavour='static24', is_aliased=True, broken=(), memory_bytes=64 * 1024**2):
        bundle, cuda = exported[flavour], FakeCuda(memory_bytes)
        api = FakeTensorRT(bundle, cuda, LIMITS, is_aliased, broken)
        monkeypatch.setattr(tensorrt_engine, 'find_gpu', lambda: ORIN)
        monkeypatch.setattr(tensorrt_engine, 'cuda_driver', lambda: CudaDriver(cuda))
        monkeypatch.setattr(
            tensorrt_identity, 'load_tensorrt', lambda name, gpu: TensorRT(name, '10.16.2', api)
        )
        return TensorRTEngine(bundle), api

    return load


def causal(length, count, seed=0):
    places = np.arange(length, length + count)
    embeddings = np.random.default_rng(seed).normal(size=(count, SIZE)).astype(np.float32)
    visible = np.arange(length + count)[None] <= places[:, None]
    return Span(embeddings, places, visible, np.arange(count)[-2:])


@pytest.mark.parametrize(('flavour', 'is_aliased'), [
    ('static24', True), ('static24', False), ('concat18', True), ('concat18', False),
])  # fmt: skip
def test_a_fake_gpu_computes_what_the_graphs_do(load, exported, flavour, is_aliased):
    engine, _ = load(flavour, is_aliased)
    reference = OnnxEngine(exported[flavour], threads=1)
    contexts = engine.new_context(), reference.new_context()
    assert contexts[0].capacity == CONTEXT
    steps = [(0, 9), (9, 1), (10, 4), (5, 7), (12, 1), (99, 2), (0, 3), (3, 1)]
    for seed, (length, count) in enumerate(steps):
        found = []
        for context in contexts:
            context.rewind(length)
            found.append(context.append(causal(context.length, count, seed)))
        np.testing.assert_array_equal(*found)
        assert np.abs(found[0]).max() > 1e-3
    rng = np.random.default_rng(5)
    image = [rng.normal(size=shape).astype(np.float32) for shape in ((1, 3, 32, 32), (1, 4, 11))]
    np.testing.assert_array_equal(engine.embed_image(*image), reference.embed_image(*image))


def test_words_run_in_the_decode_profile_and_more_in_prefill(load):
    engine, api = load()
    context = engine.new_context()
    words = 3 * QUESTIONS  # of each question the next word and two guesses
    for count in (words + 1, 1, words, words + 1):
        context.append(causal(context.length, count))
    assert api.ran == [0, 1, 1, 0]


def test_contexts_do_not_share_their_cache(load):
    engine, _ = load()
    one, other = engine.new_context(), engine.new_context()
    one.append(causal(0, 6, 1))
    other.append(causal(0, 6, 2))
    fresh = engine.new_context()
    fresh.append(causal(0, 6, 1))
    np.testing.assert_array_equal(one.append(causal(6, 2)), fresh.append(causal(6, 2)))


def test_a_context_goes_on_in_another_thread(load):
    engine, _ = load()
    context, found = engine.new_context(), []
    thread = threading.Thread(target=lambda: found.append(context.append(causal(0, 4))))
    thread.start()
    thread.join()
    assert found[0].shape[0] == 2


def write_words(engine, reference, counts, seed=0):
    """Read a text and write words behind it in both; return that they are the same."""
    contexts = engine.new_context(), reference.new_context()
    same = []
    for number, count in enumerate((12, *counts)):
        found = [c.append(causal(c.length, count, 100 * seed + number)) for c in contexts]
        same.append(np.array_equal(*found))
    return same


@pytest.mark.parametrize(('is_aliased', 'broken', 'launches'), [
    (True, (), [4, 6]),
    (False, (), [2, 6]),  # two memories take turns, so there are two steps
    (True, ('recording',), [0, 0]),
    (True, ('second context',), [0, 0]),
])  # fmt: skip
def test_words_that_come_again_are_recorded(load, exported, is_aliased, broken, launches):
    engine, api = load(is_aliased=is_aliased, broken=broken)
    reference = OnnxEngine(exported['static24'], threads=1)
    found = []
    for seed in range(2):  # the second cache lies where the first one did
        assert all(write_words(engine, reference, [1] * 6, seed))
        found.append(api.cuda.launches - sum(found))
    assert found == launches
    assert api.cuda.failures == []
    assert api.ran == 2 * [0, *[1] * 6]
    assert api.cuda.graphs == {}
    assert len(api.cuda.launchable) == {4: 1, 2: 2, 0: 0}[launches[0]]


def test_images_are_recorded_and_what_grows_is_not(load, exported):
    engine, api = load('concat18')
    reference = OnnxEngine(exported['concat18'], threads=1)
    rng = np.random.default_rng(0)
    for _ in range(4):
        image = [rng.normal(size=size).astype(np.float32) for size in ((1, 3, 32, 32), (1, 4, 11))]
        np.testing.assert_array_equal(engine.embed_image(*image), reference.embed_image(*image))
    assert api.cuda.launches == 2
    assert all(write_words(engine, reference, [1] * 6))
    assert api.cuda.launches == 2


def test_recorded_steps_give_way_to_what_needs_their_memory(load, exported, monkeypatch):
    engine, api = load()
    assert all(write_words(engine, OnnxEngine(exported['static24'], threads=1), [1] * 6))
    assert len(api.cuda.launchable) == 1
    context = engine.new_context()
    api.cuda.memory_bytes = api.cuda.used  # nothing is left but what the recorded step holds
    other = engine.new_context  # takes a cache of its own, for the first one is in use
    with pytest.raises(EngineError, match='GPU memory'):
        other()
    gc.collect()
    assert api.cuda.launchable == {}
    assert context.append(causal(0, 4)).shape[0] == 2


@pytest.mark.parametrize('function', ['cuGraphInstantiateWithFlags', 'cuGraphLaunch'])
def test_what_cannot_be_launched_runs_as_it_did(load, exported, function):
    engine, api = load()
    failing = ctypes.CFUNCTYPE(ctypes.c_int, *SIGNATURES[function])(lambda *_: OUT_OF_MEMORY)
    engine._decoder.driver._functions[function] = failing
    assert all(write_words(engine, OnnxEngine(exported['static24'], threads=1), [1] * 6))
    assert (api.cuda.graphs, api.cuda.launches) == ({}, 0)


def test_a_frame_of_no_numbers_spoils_no_later_one(load, exported):
    engine, _ = load()
    context = engine.new_context()
    span = causal(0, 12)
    context.append(replace(span, embeddings=np.full_like(span.embeddings, np.nan)))
    del context
    assert all(write_words(engine, OnnxEngine(exported['static24'], threads=1), [1, 1]))


def test_tensorrt_rtx_records_by_itself(load, exported, monkeypatch):
    strategies = SimpleNamespace(WHOLE_GRAPH_CAPTURE='all of it')
    monkeypatch.setattr(FakeTensorRT, 'CudaGraphStrategy', strategies, raising=False)
    engine, api = load()
    assert all(write_words(engine, OnnxEngine(exported['static24'], threads=1), [1] * 6))
    assert api.cuda.launches == 0
    assert {config.cuda_graph_strategy for config in api.options_of_contexts} == {'all of it'}


@pytest.mark.parametrize('flavour', ['static24', 'concat18'])
def test_memory_stays_flat_and_is_given_back(load, flavour):
    engine, api = load(flavour)

    def ask(engine):
        context = engine.new_context()
        context.append(causal(0, 9))
        for _ in range(3):
            context.rewind(9)
            context.append(causal(9, 5))
            context.append(causal(14, 1))

    for _ in range(4):
        ask(engine)
    used = api.cuda.used
    for _ in range(20):
        ask(engine)
        assert api.cuda.used == used
    del engine
    gc.collect()
    assert api.cuda.used == 0


def test_too_little_memory_is_told_with_both_sides(load):
    engine, api = load(memory_bytes=40_000)
    with pytest.raises(EngineError, match=r'expected 0\.0 MiB of GPU memory, found 0\.0 of 0\.0'):
        [engine.new_context() for _ in range(9)]  # each takes 2 * 2 layers * 2 * 48 * 4 floats
    del engine
    gc.collect()
    assert api.cuda.used == 0


def test_a_full_context_refuses(load):
    context = load()[0].new_context()
    context.append(causal(0, CONTEXT))
    with pytest.raises(EngineError, match=f'at most {CONTEXT} positions.*found {CONTEXT + 1}'):
        context.append(causal(CONTEXT, 1))


@pytest.mark.parametrize(('broken', 'words'), [
    ('load', r'vision-tensorrt-sm87\.engine: expected to load it in tensorrt 10\.16\.2, but the '
             'plan is of another version; .*build-engine'),
    ('context', 'expected to get memory for its profiles in .*no reason given'),
    ('profiles', r"expected \['image'\], found 2 in tensorrt"),
])  # fmt: skip
def test_what_tensorrt_only_logs_is_an_error(load, broken, words):
    with pytest.raises(EngineError, match=words):
        load(broken=[broken])


def test_a_failed_run_is_an_error(load):
    context = load(broken=['execute'])[0].new_context()
    with pytest.raises(EngineError, match=r'expected to run in tensorrt .* the kernel failed'):
        context.append(causal(0, 2))
    assert context.length == 0


def test_without_a_gpu_no_tensorrt_is_touched(exported, monkeypatch):
    def fail(*_):
        raise AssertionError

    monkeypatch.setattr(tensorrt_engine, 'find_gpu', lambda: None)
    monkeypatch.setattr(tensorrt_identity, 'load_tensorrt', fail)
    with pytest.raises(EngineError, match='no driver that answers; choose the engine onnx'):
        TensorRTEngine(exported['static24'])


def test_missing_and_foreign_engines_name_the_command(load, exported, tmp_path, monkeypatch):
    load()
    bundle = exported['static24']
    monkeypatch.setattr(tensorrt_engine, 'find_gpu', lambda: replace(ORIN, name='Thor'))
    with pytest.raises(EngineError, match=f'GPU: expected Orin, found Thor.*{bundle.folder}'):
        TensorRTEngine(bundle)
    with pytest.raises(EngineError, match=f'found none; run `spatialllm build-engine {tmp_path}`'):
        TensorRTEngine(replace(bundle, folder=tmp_path))


def test_the_narrowest_profile_that_fits_is_chosen():
    profiles = {
        'wide': {'x': ((1, 1), (1, 5), (1, 9)), 'y': ((1,), (1,), (9,))},
        'narrow': {'x': ((1, 2), (1, 2), (1, 3)), 'y': ((1,), (1,), (2,))},
    }
    for x, y, index in ((1, 1, 0), (2, 1, 1), (3, 2, 1), (3, 3, 0), (4, 1, 0), (9, 9, 0)):
        assert choose_profile(profiles, {'x': (1, x), 'y': (y,)}) == index
    for sizes in ({'x': (1, 10), 'y': (1,)}, {'x': (2, 2), 'y': (1,)}, {'x': (2,), 'y': (1,)}):
        with pytest.raises(EngineError, match=r'wide: x of \(.* where \(1, 1\) to \(1, 9\) fit'):
            choose_profile(profiles, sizes)
