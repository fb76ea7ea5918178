"""Every shipped graph parsed and built by TensorRT-RTX, without a GPU; what fails is named."""

import json
import os
import shutil
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from spatialllm_ros.deploy.checkpoint import load_checkpoint
from spatialllm_ros.deploy.decoder_graph import decoder_graph
from spatialllm_ros.deploy.float8 import float8_products
from spatialllm_ros.deploy.graph_builder import GraphBuilder
from spatialllm_ros.deploy.nvfp4 import nvfp4_products
from spatialllm_ros.deploy.precision import write_quantised
from spatialllm_ros.deploy.tensorrt_build import build_engine
from spatialllm_ros.deploy.tensorrt_devices import Target
from spatialllm_ros.deploy.tensorrt_graphs import Graph, ParsedGraph, as_graph, read_graphs
from spatialllm_ros.deploy.tensorrt_profiles import profile_shapes
from spatialllm_ros.deploy.weight_only import int4_weights, int8_weights
from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.bundle import Bundle, file_entry, find_bundle, load_bundle
from spatialllm_ros.runtime.cli import main
from spatialllm_ros.runtime.engines.base import Span
from spatialllm_ros.runtime.engines.spans import static_inputs
from spatialllm_ros.runtime.engines.tensorrt_graph import TensorRTGraph
from spatialllm_ros.runtime.engines.tensorrt_identity import check_engine, read_identity
from spatialllm_ros.runtime.engines.tensorrt_library import Gpu, TensorRT, find_gpu

rtx = pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx is not in this environment')

TENSORRT = TensorRT('tensorrt-rtx', rtx.__version__, rtx)
TARGET = Target(('8.6', '12.0'), 256 * 1024**2, None)
CARD = Gpu('NVIDIA GeForce RTX 3090', '8.6', 24 * 1024**3)


@pytest.fixture
def folder(tmp_path) -> Path:
    return shutil.copytree(find_bundle('nano'), tmp_path / 'nano', symlinks=False)


@pytest.fixture
def run(capsys):
    """Run ``spatialllm build-engine`` and return exit status, output and errors."""

    def run(*arguments):
        status = main(['build-engine', *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """Both engines of the shipped model, for two compute capabilities."""
    folder = tmp_path_factory.mktemp('models') / 'nano'
    shutil.copytree(find_bundle('nano'), folder, symlinks=False)
    assert main(['build-engine', str(folder), '--compute-capability', '8.6', '12.0']) == 0
    return load_bundle(folder)


def small_graph(operator: str, path: Path) -> Graph:
    values = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ['batch', 4, 4, 4]) for n in 'xy'
    ]
    node = helper.make_node(operator, ['x'], ['y'], 'the node')
    model = helper.make_model(
        helper.make_graph([node], 'g', values[:1], values[1:]),
        opset_imports=[helper.make_opsetid('', 18)],
    )
    onnx.save(model, path)
    return as_graph('vision', path, model)


def quantised(passes: list[str], scratch: Path) -> Bundle:
    """Return the shipped model in another precision, by one pass after the other."""
    bundle = load_bundle(find_bundle('nano'))
    for name in passes:
        folder = scratch / name
        folder.mkdir()
        write_quantised(bundle, folder, name)
        bundle = load_bundle(folder)
    return bundle


def forbid_decomposing(graph: Graph) -> None:
    for node in graph.proto.graph.node:
        if node.op_type == 'Attention':
            del node.attribute[[a.name for a in node.attribute].index('TRT_decomposable')]


def test_both_shipped_graphs_are_built_with_identities(built):
    engines = sorted((built.folder / 'engines').glob('*.engine'))
    assert [path.name for path in engines] == [
        'decoder-tensorrt-rtx-sm86-sm120.engine', 'vision-tensorrt-rtx-sm86-sm120.engine',
    ]  # fmt: skip
    assert len(list((built.folder / 'engines').iterdir())) == 4
    for path, role in zip(engines, ('decoder', 'vision'), strict=True):
        identity = check_engine(path, built, TENSORRT, CARD)
        assert (identity.graph, identity.gpu, identity.precision) == (role, None, 'float32')
        assert identity.compute_capabilities == ('8.6', '12.0')
        assert identity.graph_sha256 == sha256(built.path(role).read_bytes()).hexdigest()
        assert identity.engine_sha256 == sha256(path.read_bytes()).hexdigest()
        assert path.stat().st_size > built.manifest.files[role].bytes / 2  # weights are inside


def test_decoder_has_two_profiles_and_every_cache_tensor_in_place(built):
    decoder, vision = sorted((built.folder / 'engines').glob('*.engine'))
    identity = read_identity(decoder)
    assert list(identity.profiles) == ['prefill', 'decode']
    assert identity.cache_updates == 2 * built.manifest.decoder.layers
    assert list(read_identity(vision).profiles) == ['image']


def test_cache_updates_join_network_inputs_and_outputs():
    (graph,) = read_graphs(load_bundle(find_bundle('nano')), ['decoder'])
    network = ParsedGraph(graph, TENSORRT).network
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    joined = {
        layer.get_input(0).name: layer.get_output(0).name
        for layer in layers
        if layer.type == rtx.LayerType.KV_CACHE_UPDATE
    }
    assert joined == {
        f'past_{kind}{layer}': f'present_{kind}{layer}' for kind in 'kv' for layer in range(6)
    }


def test_a_cache_of_any_size_becomes_that_of_the_whole_context(folder):
    shipped = load_bundle(folder)
    model = decoder_graph(load_checkpoint(folder).language_model, 'static24', 384)
    dims = model.graph.input[-1].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ['batch', 4, 'cache', 64]
    onnx.save(model, folder / 'decoder.onnx')
    (graph,) = read_graphs(shipped, ['decoder'])
    dims = graph.input_dims()
    assert dims['past_v5'] == ('batch', 4, 384, 64)
    assert dims['mask'] == ('batch', 1, 'sequence', 384)
    parsed = ParsedGraph(graph, TENSORRT)
    assert parsed.cache_updates == 12
    shapes = profile_shapes(graph, shipped.manifest)
    build_engine(parsed, shipped, TARGET, shapes, lambda _: None)


def test_the_network_takes_what_the_run_time_gives():
    bundle = load_bundle(find_bundle('nano'))
    (graph,) = read_graphs(bundle, ['decoder'])
    network = ParsedGraph(graph, TENSORRT).network
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    assert not any(tensor.is_shape_tensor for tensor in inputs)  # those would be read by the CPU
    decoder = bundle.manifest.decoder
    one = np.zeros((1, decoder.hidden_size), np.float32)
    span = Span(one, np.zeros(1, np.int64), np.ones((1, 1), np.bool_), np.zeros(1, np.int64))
    given = static_inputs(span, 0, decoder.context)
    given |= {f'past_{name}': one for name in decoder.cache_names()}
    found = {tensor.name: rtx.nptype(tensor.dtype) for tensor in inputs}
    assert found == {name: values.dtype for name, values in given.items()}
    outputs = {network.get_output(index).name for index in range(network.num_outputs)}
    assert outputs == {'logits', *(f'present_{name}' for name in decoder.cache_names())}


@pytest.mark.skipif(find_gpu() is not None, reason='there is a GPU')
def test_a_real_engine_that_cannot_be_loaded_is_an_error(built):
    engine = next((built.folder / 'engines').glob('vision*.engine'))
    with pytest.raises(EngineError, match=r'expected to load it in tensorrt-rtx .* build-engine'):
        TensorRTGraph(engine, read_identity(engine), TENSORRT, driver=None)


@pytest.mark.parametrize(('passes', 'precision', 'is_half'), [
    (['fp16'], 'float16', True),
    (['int8'], 'int8', False),
    (['int4'], 'int4', False),
    (['fp16', 'int8'], 'int8', True),
    (['fp16', 'int4'], 'int4', True),
])  # fmt: skip
def test_every_precision_for_a_gpu_is_built(tmp_path, passes, precision, is_half):
    bundle = quantised(passes, tmp_path)
    (graph,) = read_graphs(bundle, ['decoder'])
    if is_half:  # every attention then has to be one fused kernel
        forbid_decomposing(graph)
    shapes = profile_shapes(graph, bundle.manifest)
    path = build_engine(ParsedGraph(graph, TENSORRT), bundle, TARGET, shapes, lambda _: None)
    assert check_engine(path, bundle, TENSORRT, CARD).precision == precision


@pytest.mark.parametrize(('name', 'precision', 'capabilities'), [
    ('fp8', 'float8_e4m3fn', ('8.9', '12.0')), ('nvfp4', 'float4_e2m1fn', ('12.0',)),
])  # fmt: skip
def test_small_floats_are_built_where_a_gpu_has_them(tmp_path, run, name, precision, capabilities):
    folder = quantised(['fp16', name], tmp_path).folder
    own = [folder, '--graph', 'decoder', '--compute-capability']
    status, _, err = run(*own, '8.6', '12.0')
    assert status == 1
    assert f'or newer for weights of {precision}, found 8.6; name others' in err
    assert not (folder / 'engines').exists()
    status, out, _ = run(*own, *capabilities)
    assert (status, out.count('12 cache tensors updated in place')) == (0, 1)
    (engine,) = (folder / 'engines').glob('*.engine')
    identity = read_identity(engine)
    assert (identity.precision, identity.compute_capabilities) == (precision, capabilities)


@pytest.mark.parametrize(('change', 'bits'), [
    (lambda model: None, 16),
    (int8_weights, 8),
    (int4_weights, 4.5),
    (partial(float8_products, peaks={'x': 4.0}), 8),
    (partial(nvfp4_products, peaks={'x': 4.0}), 4.5),
], ids=['fp16', 'int8', 'int4', 'fp8', 'nvfp4'])  # fmt: skip
def test_an_engine_keeps_weights_as_small_as_its_graph_does(tmp_path, change, bits):
    size = 2048
    builder = GraphBuilder('product', 24)
    builder.input('x', (1, 'rows', size), TensorProto.FLOAT16)
    weights = np.random.default_rng(0).standard_normal((size, size)).astype(np.float16)
    builder.weight('w', weights)
    builder.node('MatMul', ['x', 'w'], 'y')
    builder.output('y', (1, 'rows', size), TensorProto.FLOAT16)
    model = builder.model()
    change(model)
    parsed = ParsedGraph(as_graph('product', tmp_path / 'product.onnx', model), TENSORRT)
    config = parsed.builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(rtx.ComputeCapability.SM120, 0)
    profile = parsed.builder.create_optimization_profile()
    profile.set_shape('x', (1, 1, size), (1, 1, size), (1, 64, size))
    config.add_optimization_profile(profile)
    engine = parsed.builder.build_serialized_network(parsed.network, config)
    assert engine.nbytes == pytest.approx(size * size * bits / 8, rel=0.2)


def test_products_in_float32_are_not_shortened(folder):
    bundle, flags = load_bundle(folder), []
    (graph,) = read_graphs(bundle, ['vision'])
    parsed = ParsedGraph(graph, TENSORRT)

    def build(_, config):
        flags.append(config.get_flag(rtx.BuilderFlag.TF32))
        return b'engine'

    made = {name: getattr(parsed.builder, name)
            for name in ('create_builder_config', 'create_optimization_profile')}  # fmt: skip
    parsed.builder = SimpleNamespace(build_serialized_network=build, **made)
    build(None, made['create_builder_config']())  # what it would take by itself
    build_engine(parsed, bundle, TARGET, profile_shapes(graph, bundle.manifest), lambda _: None)
    assert flags == [True, False]


def test_a_growing_cache_is_built_with_both_profiles(folder):
    bundle = load_bundle(folder)
    model = decoder_graph(load_checkpoint(folder).language_model, 'concat18', 384)
    graph = as_graph('decoder', folder / 'decoder.onnx', model)
    shapes = profile_shapes(graph, bundle.manifest)
    path = build_engine(ParsedGraph(graph, TENSORRT), bundle, TARGET, shapes, lambda _: None)
    identity = read_identity(path)
    assert (identity.cache_updates, list(identity.profiles)) == (0, ['prefill', 'decode'])


def test_a_computed_mask_is_the_input():
    (graph,) = read_graphs(load_bundle(find_bundle('nano')), ['decoder'])
    mask = np.random.default_rng(0).random((1, 1, 5, 384)) < 0.5
    first = graph.proto.graph.node[:2]
    values = [helper.make_tensor_value_info(n, TensorProto.BOOL, mask.shape)
              for n in ('mask', first[-1].output[0])]  # fmt: skip
    model = helper.make_model(helper.make_graph(first, 'm', values[:1], values[1:]))
    (found,) = ReferenceEvaluator(model).run(None, {'mask': mask})
    assert np.array_equal(found, mask)
    readers = {n.input[3] for n in graph.proto.graph.node if n.op_type == 'Attention'}
    assert readers == {first[-1].output[0]}


def test_an_engine_is_refused_when_its_bundle_changes(built, tmp_path):
    folder = shutil.copytree(built.folder, tmp_path / 'nano')
    decoder = folder / 'decoder.onnx'
    decoder.write_bytes(decoder.read_bytes() + b'\n')
    manifest = json.loads((folder / 'manifest.json').read_text())
    entry = file_entry(decoder, folder)
    manifest['files']['decoder'] |= {'bytes': entry.bytes, 'sha256': entry.sha256}
    (folder / 'manifest.json').write_text(json.dumps(manifest))
    engine = next((folder / 'engines').glob('decoder*.engine'))
    with pytest.raises(EngineError, match=f'decoder sha256: expected .*, found {entry.sha256}'):
        check_engine(engine, load_bundle(folder), TENSORRT, CARD)


def test_check_only_reports_operators_and_builds_nothing(folder, run):
    status, out, err = run(folder, '--check-only')
    assert (status, err) == (0, '')
    nodes = len(onnx.load(folder / 'vision.onnx').graph.node)
    assert f'vision: vision.onnx, opset 23, float32, {nodes} nodes, all ' in out
    assert '12 cache tensors updated in place' in out
    assert 'Attention 6, ' in out
    assert not (folder / 'engines').exists()


def test_progress_time_and_memory_are_told(folder, run):
    status, out, err = run(folder, '--device', 'rtx', '--graph', 'vision', '--workspace-mib', 99)
    assert status == 0
    assert 'for compute capability 8.6, 8.9, 12.0, workspace up to 99 MiB' in out
    assert 'Building engine' in err
    assert ' MB in ' in out
    assert 'MiB of memory' in out
    (engine,) = (folder / 'engines').glob('*.engine')
    assert read_identity(engine).workspace_bytes == 99 * 1024**2


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--device', 'orin-nano'], 'found 8.7; a Jetson needs the TensorRT of its JetPack'),
    (['--device', 'rtx', '--prefill', 500], 'expected 109 to 384 positions'),
    (['--device', 'rtx', '--questions', 385], 'expected 1 to 384 questions'),
    (['--device', 'rtx', '--graph', 'ears'], "found ['ears']"),
])  # fmt: skip
def test_what_cannot_be_built_is_said_before_building(folder, run, arguments, words):
    status, _, err = run(folder, *arguments)
    assert status == 1
    assert words in err
    assert not (folder / 'engines').exists()


def test_a_changed_byte_in_a_graph_is_refused(folder, run):
    path = folder / 'decoder.onnx'
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    status, out, err = run(folder, '--device', 'rtx')
    assert (status, out) == (1, '')
    assert 'decoder.onnx is altered: expected sha256 ' in err


@pytest.mark.parametrize(('operator', 'remedy'), [
    ('DynamicQuantizeLinear', 'this precision is for CPUs: export float16'),
    ('Frobnicate', 'export the bundle again without it'),
])  # fmt: skip
def test_an_unsupported_operator_is_named_with_its_node(tmp_path, operator, remedy):
    graph = small_graph(operator, tmp_path / 'vision.onnx')
    with pytest.raises(EngineError) as refusal:
        ParsedGraph(graph, TENSORRT)
    assert f"found {operator} (node 'the node'). What to do: {remedy}" in str(refusal.value)


def test_a_node_that_cannot_be_parsed_is_named_with_the_reason(tmp_path):
    shapes = {'past': [1, 4, 'context', 8], 'new': [1, 4, 'words', 8], 'out': [1, 4, 'context', 8]}
    past, new, out = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    where = helper.make_tensor_value_info('where', TensorProto.INT64, [1])
    node = helper.make_node('TensorScatter', ['past', 'new', 'where'], ['out'], 'remember', axis=2)
    model = helper.make_model(
        helper.make_graph([node], 'g', [past, new, where], [out]),
        opset_imports=[helper.make_opsetid('', 24)],
    )
    graph = as_graph('decoder', tmp_path / 'decoder.onnx', model)
    with pytest.raises(EngineError, match=r"TensorScatter \(node 'remember'\): .*static") as found:
        ParsedGraph(graph, TENSORRT)
    assert 'What to do: export with the flavour concat18' in str(found.value)


def test_a_failed_build_leaves_the_old_engine_and_nothing_else(built, tmp_path):
    folder = shutil.copytree(built.folder, tmp_path / 'nano')
    before = {path.name: path.read_bytes() for path in (folder / 'engines').iterdir()}
    bundle = load_bundle(folder)
    (graph,) = read_graphs(bundle, ['decoder'])
    forbid_decomposing(graph)  # float32 attention is never fused
    parsed = ParsedGraph(graph, TENSORRT)
    shapes = profile_shapes(graph, bundle.manifest)
    with pytest.raises(EngineError, match=r'build failed: .*not supported by a dedicated kernel'):
        build_engine(parsed, bundle, TARGET, shapes, lambda _: None)
    assert before == {path.name: path.read_bytes() for path in (folder / 'engines').iterdir()}


def test_a_full_disk_leaves_no_half_written_engine(folder, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, os.strerror(28))

    bundle = load_bundle(folder)
    (graph,) = read_graphs(bundle, ['vision'])
    shapes = profile_shapes(graph, bundle.manifest)
    monkeypatch.setattr(Path, 'write_text', fail)
    with pytest.raises(EngineError, match=r'vision-.*\.engine, found .*No space left'):
        build_engine(ParsedGraph(graph, TENSORRT), bundle, TARGET, shapes, lambda _: None)
    assert list((folder / 'engines').iterdir()) == []


def test_full_tensorrt_takes_the_same_path_for_the_gpu_at_hand(folder, run, monkeypatch):
    """The two have one interface; under the other's name RTX stands in for what is not here."""
    monkeypatch.setitem(sys.modules, 'tensorrt', rtx)
    monkeypatch.setattr('spatialllm_ros.deploy.tensorrt_command.find_gpu', lambda: CARD)
    status, out, _ = run(folder, '--graph', 'vision')
    assert status == 0
    assert out.startswith(f'tensorrt {rtx.__version__}, {CARD.name}\nfor compute capability 8.6, ')
    (engine,) = (folder / 'engines').glob('vision-tensorrt-sm86.engine')
    assert read_identity(engine).gpu == CARD.name
