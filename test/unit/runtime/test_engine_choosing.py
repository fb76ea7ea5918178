"""Which engine is taken, why, and what happens where it cannot be loaded."""

import logging
from pathlib import Path
from types import SimpleNamespace

import onnxruntime as ort
import pytest

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime import engines
from spatialllm_ros.runtime.bundle import load_bundle
from spatialllm_ros.runtime.engines import choosing, load_engine
from spatialllm_ros.runtime.engines.choosing import choices
from spatialllm_ros.runtime.engines.onnx_engine import OnnxEngine
from spatialllm_ros.runtime.engines.tensorrt_library import Gpu

ORIN = Gpu('Orin', '8.7', 8 * 1024**3)
BUILT = [Path('decoder.engine'), Path('vision.engine')]
CPU, CUDA = 'CPUExecutionProvider', 'CUDAExecutionProvider'


@pytest.fixture
def bundle(bundle_folder):
    return load_bundle(bundle_folder)


@pytest.fixture
def machine(monkeypatch, bundle_folder):
    """Make a machine: its GPU, its providers, the bundle's engines, and what loads on it."""

    def make(gpu=None, providers=(CPU,), built=(), loading=()):
        def loader(name):
            def load(bundle, threads):
                if name not in loading:
                    raise EngineError(f'{name} is broken')
                return SimpleNamespace(name=f'{name}, {threads} threads')

            return load

        (bundle_folder / 'engines').mkdir()
        for path in built:
            (bundle_folder / 'engines' / path).touch()
        monkeypatch.setattr(choosing, 'find_gpu', lambda: gpu)
        monkeypatch.setattr(ort, 'get_available_providers', lambda: list(providers))
        monkeypatch.setattr(engines, 'ENGINES', {n: loader(n) for n in engines.ENGINES})

    return make


@pytest.mark.parametrize(('built', 'gpu', 'providers', 'names', 'why'), [
    (BUILT, None, [CUDA, CPU], ['onnx'], 'no NVIDIA GPU answers'),
    ([], ORIN, [CPU], ['onnx'],
     'the bundle has no TensorRT engines and this onnxruntime cannot use the Orin'),
    ([], ORIN, [CUDA, CPU], ['onnx-cuda', 'onnx'],
     'the bundle has no TensorRT engines and there is a Orin'),
    (BUILT, ORIN, [CPU], ['tensorrt', 'onnx'], 'the bundle has engines and there is a Orin'),
    (BUILT, ORIN, [CUDA, CPU], ['tensorrt', 'onnx-cuda', 'onnx'],
     'the bundle has engines and there is a Orin'),
])  # fmt: skip
def test_the_fastest_that_is_there_comes_first(built, gpu, providers, names, why):
    found = choices(built, gpu, providers)
    assert [choice.name for choice in found] == names
    assert found[0].why == why


def test_the_log_says_what_was_taken_and_why(machine, bundle, caplog):
    machine(ORIN, [CUDA, CPU], BUILT, loading=['tensorrt'])
    with caplog.at_level(logging.INFO):
        assert load_engine(bundle, threads=3).name == 'tensorrt, 3 threads'
    assert caplog.messages == [
        'tensorrt, 3 threads, since the bundle has engines and there is a Orin'
    ]


def test_a_broken_engine_is_an_error_unless_another_may_take_its_place(machine, bundle, caplog):
    machine(ORIN, [CUDA, CPU], BUILT, loading=['onnx-cuda', 'onnx'])
    for name in ('auto', 'tensorrt'):
        with pytest.raises(EngineError, match=r'^tensorrt is broken$'):
            load_engine(bundle, name)
        caplog.clear()
        taken = load_engine(bundle, name, allow_fallback=True)
        assert taken.name == 'onnx-cuda, 0 threads'
        assert caplog.messages == ['engine tensorrt is passed over: tensorrt is broken']


def test_a_named_engine_is_tried_first_and_once(machine, bundle):
    machine(ORIN, [CUDA, CPU], BUILT, loading=['onnx', 'torch'])
    assert load_engine(bundle, 'torch', allow_fallback=True).name == 'torch, 0 threads'
    assert load_engine(bundle, 'onnx-cuda', allow_fallback=True).name == 'onnx, 0 threads'


def test_when_nothing_can_be_loaded_every_reason_is_told(machine, bundle):
    machine(None)
    with pytest.raises(EngineError, match=r'^torch: torch is broken; onnx: onnx is broken$'):
        load_engine(bundle, 'torch', allow_fallback=True)


def test_an_unknown_engine_is_refused(bundle):
    with pytest.raises(EngineError, match=r"\['auto', 'onnx'.*found 'steam'"):
        load_engine(bundle, 'steam')


@pytest.mark.parametrize(('kind', 'provider'), [
    ('onnx-cuda', CUDA), ('onnx-tensorrt', 'TensorrtExecutionProvider'),
])  # fmt: skip
def test_a_provider_that_is_not_there_is_named_with_its_package(
    bundle, kind, provider, monkeypatch
):
    monkeypatch.setattr(ort, 'get_available_providers', lambda: ['Azure', CPU])
    with pytest.raises(
        EngineError, match=f'{provider}, found only Azure, {CPU} .*onnxruntime-gpu'
    ):
        load_engine(bundle, kind)


def test_a_provider_that_does_not_start_is_no_silent_cpu(bundle, monkeypatch):
    """ONNX Runtime then goes on with the rest of the list."""
    opened = []

    class Session:
        def __init__(self, path, options, providers):
            opened.append([name for name, _ in providers])

        def get_providers(self):
            return [CPU]

    monkeypatch.setattr(ort, 'get_available_providers', lambda: [CUDA, CPU])
    monkeypatch.setattr(ort, 'preload_dlls', lambda: None)
    monkeypatch.setattr(ort, 'InferenceSession', Session)
    with pytest.raises(EngineError, match=f'expected the {CUDA}, found only {CPU} in'):
        OnnxEngine(bundle, kind='onnx-cuda')
    assert opened == [[CUDA, CPU]]
