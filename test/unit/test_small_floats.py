"""Products of 8- and 4-bit floats against lists of all values that these formats have."""

from functools import partial
from itertools import pairwise

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from spatialllm_ros.deploy import product_peaks as peaks_module
from spatialllm_ros.deploy.float8 import float8_products, nearest_float8
from spatialllm_ros.deploy.graph_builder import GraphBuilder
from spatialllm_ros.deploy.nvfp4 import nvfp4_blocks, nvfp4_products
from spatialllm_ros.deploy.product_peaks import product_peaks
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.asked_worlds import asked_worlds
from spatialllm_ros.runtime.answering import Request
from spatialllm_ros.runtime.bundle import find_bundle, load_bundle
from spatialllm_ros.runtime.engines.torch_engine import TorchEngine
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.schema import Query

EIGHT_BITS = sorted(
    (mantissa / 8 + (exponent > 0)) * 2.0 ** (max(exponent, 1) - 7)
    for exponent in range(16)
    for mantissa in range(8)
    if (exponent, mantissa) != (15, 7)  # that one is no number
)
FOUR_BITS = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
MIDDLES = [(low + high) / 2 for low, high in pairwise(FOUR_BITS)]
EIGHT_BIT_MIDDLES = [(low + high) / 2 for low, high in pairwise(EIGHT_BITS)]


def nearest(value, grid):
    """Return the nearest value of a grid; of two the one with an even index, for it ends in 0."""
    size = min(abs(float(value)), grid[-1])
    index = min(range(len(grid)), key=lambda i: (abs(grid[i] - size), i % 2))
    return float(np.copysign(grid[index], value))


def graph_of(weights, kind=np.float32):
    builder = GraphBuilder('product', 24)
    dtype = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    builder.input('x', (1, 'rows', weights.shape[0]), dtype)
    builder.weight('w', weights.astype(kind))
    builder.node('MatMul', ['x', 'w'], 'y')
    builder.node('MatMul', ['x', 'w'], 'again')
    for name in ('y', 'again'):
        builder.output(name, (1, 'rows', weights.shape[1]), dtype)
    return builder.model()


def run(model, x):
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    y, again = session.run(['y', 'again'], {'x': x})
    assert np.array_equal(y, again)
    return y


def slow_blocks(values, whole):
    """Round a vector in blocks of sixteen, value by value."""
    rounded = []
    for start in range(0, len(values), 16):
        block = [float(value) for value in values[start : start + 16]]
        scale = nearest(max(map(abs, block)) / 6 / whole, EIGHT_BITS) * whole
        rounded += [nearest(v / scale, FOUR_BITS) * scale if scale else 0.0 for v in block]
    return np.array(rounded)


floats = st.one_of(
    st.floats(-1000, 1000, width=32),
    st.sampled_from([*EIGHT_BITS, *EIGHT_BIT_MIDDLES]).map(lambda v: -v),
)


@given(st.lists(floats, min_size=1, max_size=20))
def test_eight_bits_are_the_nearest_that_there_are(values):
    found = nearest_float8(np.array(values, np.float32))
    assert found.tolist() == [nearest(np.float32(v), EIGHT_BITS) for v in values]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 20))
def test_both_sides_are_rounded_to_eight_bits(seed, peak):
    rng = np.random.default_rng(seed)
    weights = (rng.standard_normal((16, 3)) * [1, 100, 0]).astype(np.float32)
    x = rng.uniform(-1.5, 1.5, (1, 4, 16)).astype(np.float32) * np.float32(peak)
    model = graph_of(weights)
    float8_products(model, peaks={'x': peak})
    assert [node.op_type for node in model.graph.node] == [
        'DequantizeLinear', 'QuantizeLinear', 'DequantizeLinear', 'MatMul', 'MatMul',
    ]  # fmt: skip
    columns = np.abs(weights).max(axis=0) / np.float32(448)
    columns[2] = 1
    own = np.vectorize(partial(nearest, grid=EIGHT_BITS))
    scale = np.float32(peak / 448)
    expected = (own(x / scale) * scale) @ (own(weights / columns) * columns)
    assert np.allclose(run(model, x), expected, rtol=1e-5, atol=1e-4)


def test_four_bits_are_the_nearest_at_the_scale_of_their_block():
    rng = np.random.default_rng(3)
    weights = (rng.standard_t(3, size=(48, 5)) * [1, 1, 20, 0.001, 0]).astype(np.float32)
    floats, scales, whole = nvfp4_blocks(weights)
    assert whole == np.float32(np.abs(weights).max() / (6 * 448))
    assert set(np.abs(floats.astype(float)).ravel()) <= set(FOUR_BITS)
    wide = floats.astype(np.float64) * np.repeat(scales.astype(np.float64) * whole, 16, axis=0)
    for column in range(5):
        expected = slow_blocks(weights[:, column], float(whole))
        assert np.allclose(wide[:, column], expected, rtol=1e-5, atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 20), st.sampled_from([np.float32, np.float16]))
def test_an_imitation_rounds_what_comes_in_blocks_of_sixteen(seed, peak, kind):
    """Beyond the peak the scale of a block ends, and its values with it."""
    rng = np.random.default_rng(seed)
    x = (rng.standard_t(4, (1, 3, 32)) * peak / 4).astype(kind)
    x[0, 0, :16] = 0
    x[0, 1, :8] = np.float32(peak) * np.array([*FOUR_BITS]) / 6
    x[0, 2, :7] = np.float32(peak) * np.array(MIDDLES) / 6
    model = graph_of(np.eye(32), kind)
    nvfp4_products(model, peaks={'x': peak}, imitated=True)
    whole = float(np.float32(peak / (6 * 448)))
    expected = [slow_blocks(row.astype(np.float32), whole) for row in x[0]]
    found = run(model, x)
    assert found.dtype == kind
    # Of two that are equally near either may be found.
    away = np.abs(expected - x[0].astype(float))
    assert np.all(np.abs(found[0] - x[0].astype(float)) <= away + 1e-3 * np.abs(x[0]) + 1e-4)


@pytest.mark.parametrize('kind', [np.float32, np.float16])
def test_what_tensorrt_is_given_widens_to_what_is_imitated(kind):
    weights = np.random.default_rng(4).standard_normal((32, 6))
    stored, imitated = graph_of(weights, kind), graph_of(weights, kind)
    nvfp4_products(stored, peaks={'x': 3.0})
    nvfp4_products(imitated, peaks={'x': 3.0}, imitated=True)
    assert {item.domain: item.version for item in stored.opset_import} == {'': 24, 'trt': 1}
    own = [node for node in stored.graph.node if node.domain == 'trt']
    assert [node.op_type for node in own] == ['TRT_FP4DynamicQuantize']
    widening = onnx.helper.make_model(
        onnx.helper.make_graph(
            stored.graph.node[:3], 'w', [],
            [onnx.helper.make_tensor_value_info('w', stored.graph.initializer[0].data_type, None)],
            stored.graph.initializer,
        ),
        opset_imports=stored.opset_import,
    )  # fmt: skip
    (found,) = ReferenceEvaluator(widening).run(None, {})
    (expected,) = (
        onnx.numpy_helper.to_array(item) for item in imitated.graph.initializer if item.name == 'w'
    )
    assert found.dtype == expected.dtype == kind
    assert np.array_equal(found, expected)


def test_what_has_no_blocks_stays_and_a_graph_without_any_is_refused():
    builder = GraphBuilder('two', 24)
    builder.input('x', (1, 'rows', 16))
    builder.weight('w', np.ones((16, 24), np.float32))
    builder.weight('v', np.ones((24, 2), np.float32))
    builder.node('MatMul', ['x', 'w'], 'h')
    builder.node('MatMul', ['h', 'v'], 'y')
    builder.output('y', (1, 'rows', 2))
    model = builder.model()
    nvfp4_products(model, peaks={'x': 1.0})
    assert [node.input[0] for node in model.graph.node if node.op_type == 'MatMul'] == [
        'x.rounded', 'h',
    ]  # fmt: skip
    assert 'v' in {item.name for item in model.graph.initializer}
    with pytest.raises(ConfigError, match=r'16 divides for nvfp4, found \[24\]; take fp8'):
        nvfp4_products(graph_of(np.ones((24, 2))), peaks={'x': 1.0})
    old = graph_of(np.ones((16, 2)))
    old.opset_import[0].version = 18
    for change, least in ((float8_products, 19), (nvfp4_products, 23)):
        with pytest.raises(ConfigError, match=f'operator set {least} or later, found 18'):
            change(old, peaks={'x': 1.0})


def test_peaks_are_what_the_model_s_own_layers_are_given(monkeypatch):
    monkeypatch.setattr(peaks_module, 'WORLDS', range(2))
    bundle = load_bundle(find_bundle('nano'))
    found = product_peaks(bundle)
    engine = TorchEngine(bundle)
    session = SpatialSession(bundle, engine)
    layers = dict(engine._model.language_model.named_modules())
    expected = {}

    def watch(name, module):
        def note(_, inputs):
            expected[name] = max(expected.get(name, 0.0), float(inputs[0].abs().max()))

        module.register_forward_pre_hook(note)

    for index in range(6):
        for own, module in (
            ('input_norm.out', 'self_attn.k_proj'), ('mlp.product', 'mlp.down_proj'),
        ):  # fmt: skip
            watch(f'layers.{index}.{own}', layers[f'model.layers.{index}.{module}'])
    watch('final_norm.out', layers['lm_head'])
    image = bundle.manifest.image
    with torch.no_grad():
        for world in asked_worlds(range(2), (image.width_px, image.height_px)):
            requests = [Request(Query(r.question, r.options)) for r in world.records]
            session.answer_batch(session.encode(world.frame), requests)
    most = expected.pop('layers.5.mlp.product')  # of all words, where the graph asks some alone
    assert 0.5 * most < found['layers.5.mlp.product'] < 1.001 * most
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-3)
    assert len(found) == 26
