"""Which TensorRT and GPU there are, and which engines are refused, without either."""

import ctypes
import json
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from types import ModuleType

import pytest

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.bundle import FileEntry, load_bundle
from spatialllm_ros.runtime.engines import tensorrt_library
from spatialllm_ros.runtime.engines.tensorrt_identity import (
    EngineIdentity,
    check_engine,
    read_identity,
)
from spatialllm_ros.runtime.engines.tensorrt_library import (
    Gpu,
    TensorRT,
    find_gpu,
    load_tensorrt,
)

ORIN = Gpu('Orin', '8.7', 8 * 1024**3)
CARD = Gpu('NVIDIA GeForce RTX 4090', '8.9', 24 * 1024**3)
FULL = TensorRT('tensorrt', '10.16.2', None)
RTX = TensorRT('tensorrt-rtx', '1.7.1', None)
PLAN = b'an engine'
SHAPES = {'prefill': {'inputs_embeds': ((1, 1, 4), (1, 9, 4), (1, 20, 4))}, 'decode': {}}


class Driver:
    """The functions of libcuda that are asked; ``broken`` names one that fails."""

    def __init__(self, gpus: int = 1, broken: str = ''):
        self.gpus, self.broken = gpus, broken

    def __getattr__(self, name: str):
        return lambda *arguments: 999 if name == self.broken else self.call(name, arguments)

    def call(self, name, arguments) -> int:
        if name == 'cuDeviceGetName':
            arguments[0].value = b'Orin'
        elif name == 'cuDeviceGetAttribute':
            arguments[0]._obj.value = {75: 8, 76: 7}[arguments[1]]
        elif name != 'cuInit':
            values = {'cuDeviceGetCount': self.gpus, 'cuDeviceTotalMem_v2': ORIN.memory_bytes}
            arguments[0]._obj.value = values.get(name, 0)
        return 0


@pytest.fixture
def install(monkeypatch):
    """Make exactly these flavours importable."""

    def install(*flavours: str):
        for flavour, module in tensorrt_library.MODULES.items():
            found = ModuleType(module)
            found.__version__ = f'1.0 of {flavour}'
            monkeypatch.setitem(sys.modules, module, found)
        present = {tensorrt_library.MODULES[flavour] for flavour in flavours}
        monkeypatch.setattr(tensorrt_library, 'find_spec', lambda name: name in present)

    return install


@pytest.fixture
def bundle(bundle_folder):
    return load_bundle(bundle_folder)


@pytest.fixture
def place(bundle, bundle_folder):
    """Put an engine beside its identity into the bundle."""

    def place(**changes):
        identity = EngineIdentity(
            graph='decoder',
            graph_sha256=bundle.manifest.files['decoder'].sha256,
            engine_sha256=sha256(PLAN).hexdigest(),
            flavour='tensorrt',
            version='10.16.2',
            gpu='Orin',
            compute_capabilities=('8.7',),
            precision='float16',
            cache_updates=12,
            workspace_bytes=512 * 1024**2,
            profiles=SHAPES,
        )
        engine = bundle_folder / 'engines' / 'decoder.engine'
        engine.parent.mkdir(exist_ok=True)
        engine.write_bytes(PLAN)
        engine.with_suffix('.json').write_text(replace(identity, **changes).to_json())
        return engine

    return place


def test_the_gpu_is_described_by_its_driver(monkeypatch):
    monkeypatch.setattr(ctypes, 'CDLL', lambda _: Driver())
    assert find_gpu() == ORIN


@pytest.mark.parametrize('driver', [Driver(gpus=0), Driver(broken='cuInit'), None])
def test_no_gpu_is_found_where_no_driver_answers(monkeypatch, driver):
    def load(_):
        if driver is None:
            raise OSError
        return driver

    monkeypatch.setattr(ctypes, 'CDLL', load)
    assert find_gpu() is None


def test_a_driver_that_fails_half_way_is_an_error(monkeypatch):
    monkeypatch.setattr(ctypes, 'CDLL', lambda _: Driver(broken='cuDeviceTotalMem_v2'))
    with pytest.raises(EngineError, match=r'\(0, 0, 999, 0, 0\); see whether nvidia-smi'):
        find_gpu()


@pytest.mark.parametrize(('installed', 'gpu', 'asked', 'found'), [
    (['tensorrt', 'tensorrt-rtx'], ORIN, 'auto', 'tensorrt'),
    (['tensorrt', 'tensorrt-rtx'], None, 'auto', 'tensorrt-rtx'),
    (['tensorrt-rtx'], CARD, 'auto', 'tensorrt-rtx'),
    (['tensorrt', 'tensorrt-rtx'], CARD, 'tensorrt-rtx', 'tensorrt-rtx'),
])  # fmt: skip
def test_the_flavour_that_can_build_here_is_chosen(install, installed, gpu, asked, found):
    install(*installed)
    tensorrt = load_tensorrt(asked, gpu)
    assert (tensorrt.flavour, tensorrt.version) == (found, f'1.0 of {found}')


@pytest.mark.parametrize(('installed', 'gpu', 'asked', 'words'), [
    ([], ORIN, 'auto', 'expected TensorRT, found none in this Python; a Jetson gets'),
    (['tensorrt'], ORIN, 'tensorrt-rtx', 'expected tensorrt-rtx, found tensorrt in this'),
    (['tensorrt'], None, 'tensorrt', 'driver with a GPU for tensorrt, found none; build on'),
    (['tensorrt'], None, 'auto', 'driver with a GPU for tensorrt, found none; build on'),
])  # fmt: skip
def test_no_usable_tensorrt_is_an_error_before_any_call(install, installed, gpu, asked, words):
    install(*installed)
    with pytest.raises(EngineError, match=words):
        load_tensorrt(asked, gpu)


def test_a_tensorrt_without_its_libraries_is_an_error(install, monkeypatch):
    def fail(_):
        raise ImportError('libnvinfer.so.10: no such file')

    install('tensorrt')
    monkeypatch.setattr(tensorrt_library, 'import_module', fail)
    with pytest.raises(EngineError, match=r'cannot be loaded: libnvinfer\.so\.10'):
        load_tensorrt('tensorrt', ORIN)


def test_identity_reads_back(place, bundle):
    identity = check_engine(place(), bundle, FULL, ORIN)
    assert identity.profiles == json.loads(json.dumps(SHAPES))
    assert (identity.graph, identity.gpu, identity.cache_updates) == ('decoder', 'Orin', 12)


def test_an_rtx_engine_fits_every_gpu_that_it_was_built_for(place, bundle):
    engine = place(
        flavour='tensorrt-rtx', version='1.7.1', gpu=None, compute_capabilities=('8.6', '8.9')
    )
    assert check_engine(engine, bundle, RTX, CARD).gpu is None
    with pytest.raises(EngineError, match=r'expected 8\.6 or 8\.9, found 8\.7; run'):
        check_engine(engine, bundle, RTX, ORIN)


@pytest.mark.parametrize(('changes', 'tensorrt', 'gpu', 'words'), [
    ({'graph_sha256': 'ab'}, FULL, ORIN, 'decoder sha256: expected ab, found '),
    ({'graph': 'ears'}, FULL, ORIN, 'ears sha256: expected [0-9a-f]+, found None'),
    ({'engine_sha256': 'ab'}, FULL, ORIN, 'engine sha256: expected ab, found '),
    ({'version': '10.3.0'}, FULL, ORIN,
     r'TensorRT: expected tensorrt 10\.3\.0, found tensorrt 10\.16\.2'),
    ({}, RTX, ORIN, r'TensorRT: expected tensorrt 10\.16\.2, found tensorrt-rtx 1\.7\.1'),
    ({}, FULL, replace(ORIN, name='Thor'), 'GPU: expected Orin, found Thor'),
    ({}, FULL, CARD, r'compute capability: expected 8\.7, found 8\.9'),
    ({}, FULL, None, r'compute capability: expected 8\.7, found no GPU'),
])  # fmt: skip
def test_another_engine_is_refused_with_both_sides_and_the_remedy(
    place, bundle, changes, tensorrt, gpu, words
):
    with pytest.raises(EngineError, match=words) as refusal:
        check_engine(place(**changes), bundle, tensorrt, gpu)
    assert str(refusal.value).endswith(
        f'run `spatialllm build-engine {bundle.folder}` on this machine'
    )


def test_an_engine_with_a_changed_byte_is_refused(place, bundle):
    engine = place()
    engine.write_bytes(b'An engine')
    with pytest.raises(EngineError, match='engine sha256'):
        check_engine(engine, bundle, FULL, ORIN)


def test_an_engine_of_other_weights_beside_the_same_graph_is_refused(place, bundle):
    def with_data(sha256):
        data = FileEntry('decoder.onnx.data', 9, sha256)
        files = {**bundle.manifest.files, 'decoder.onnx.data': data}
        return replace(bundle, manifest=replace(bundle.manifest, files=files))

    graph = bundle.manifest.files['decoder'].sha256
    engine = place(graph_sha256=f'{graph}+ab')
    assert check_engine(engine, with_data('ab'), FULL, ORIN).graph == 'decoder'
    for other in (with_data('cd'), bundle):
        with pytest.raises(EngineError, match=f'decoder sha256: expected {graph}.ab, found'):
            check_engine(engine, other, FULL, ORIN)


@pytest.mark.parametrize('text', [
    '', '[]', '{}', 'null', '{"format": "spatialllm-engine", "schema_version": 3}',
    '{"format": "spatialllm-engine", "schema_version": 2, "compute_capabilities": []}',
    '{"format": "spatialllm-engine", "schema_version": 2}', '\x00',
])  # fmt: skip
def test_damaged_identities_are_refused(place, text):
    engine = place()
    engine.with_suffix('.json').write_text(text)
    with pytest.raises(EngineError, match=r'expected .* found .* run `spatialllm build-engine'):
        read_identity(engine)


def test_an_engine_of_before_float32_was_kept_whole_is_built_anew(place):
    engine = place()
    plain = json.loads(engine.with_suffix('.json').read_text())
    engine.with_suffix('.json').write_text(json.dumps(plain | {'schema_version': 1}))
    with pytest.raises(EngineError, match=r'version 2, found .* 1\); run `spatialllm build-'):
        read_identity(engine)


def test_missing_files_are_named(place, bundle):
    engine = place()
    engine.unlink()
    with pytest.raises(EngineError, match=r'decoder\.engine, found no such file'):
        check_engine(engine, bundle, FULL, ORIN)
    engine.with_suffix('.json').unlink()
    with pytest.raises(EngineError, match=r'decoder\.json, found no such file'):
        check_engine(engine, bundle, FULL, ORIN)


def test_only_build_engine_needs_onnx():
    program = (
        "import sys; sys.modules['onnx'] = None\n"
        'from spatialllm_ros.runtime.cli import main\n'
        "sys.exit(main(['build-engine', 'nano']))"
    )
    run = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (1, '')
    assert 'found no onnx; run `pip install -r requirements/tensorrt.txt`' in run.stderr
