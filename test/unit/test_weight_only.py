"""Integers for weights against a slow second formulation."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from spatialllm_ros.deploy import group_rounding
from spatialllm_ros.deploy.graph_builder import GraphBuilder
from spatialllm_ros.deploy.weight_only import (
    CLIPPING_RATIOS,
    block_of,
    int4_weights,
    int8_weights,
    quantise_groups,
)
from spatialllm_ros.errors import ConfigError


def slow_group(values, bits, kind):
    """Return the least squared error of one group, value by value."""
    high = 2 ** (bits - 1) - 1
    peak = max(abs(float(value)) for value in values)
    errors = []
    for ratio in CLIPPING_RATIOS:
        scale = float(kind(np.float32(np.float32(peak) * ratio / high)))
        if scale == 0:
            scale = 1.0
        whole = [min(max(round(float(value) / scale), -high - 1), high) for value in values]
        errors.append(sum((n * scale - float(v)) ** 2 for n, v in zip(whole, values, strict=True)))
    return min(errors)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([4, 8]), st.sampled_from([np.float32, np.float16]))
def test_scales_have_the_least_error_of_all_that_are_tried(seed, bits, kind):
    rng = np.random.default_rng(seed)
    weights = (rng.standard_t(3, size=(32, 3)) * 10.0 ** rng.integers(-3, 2)).astype(kind)
    weights[:, 2] = 0
    found = quantise_groups(weights, bits, block=16)
    assert found.scales.dtype == kind
    assert found.scales.shape == (2, 3)
    widened = found.integers * np.repeat(found.scales.astype(np.float64), 16, axis=0)
    for group in range(2):
        rows = slice(16 * group, 16 * group + 16)
        for column in range(3):
            own = weights[rows, column]
            error = np.square(widened[rows, column] - own.astype(np.float64)).sum()
            assert error == pytest.approx(slow_group(own, bits, kind), rel=1e-3, abs=1e-12)


def test_an_outlier_is_clipped_where_that_is_better():
    weights = np.full((32, 1), 0.4, np.float32)
    weights[0] = 1.0
    found = quantise_groups(weights, bits=4, block=32)
    plain = np.rint(weights * 7) / 7
    widened = found.integers * found.scales
    assert np.square(widened - weights).sum() < np.square(plain - weights).sum()
    assert np.abs(found.integers).max() <= 7


@pytest.mark.parametrize(('bits', 'shift'), [(8, int8_weights), (4, int4_weights)])
def test_graph_multiplies_by_what_the_integers_mean(bits, shift):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(64, 5)).astype(np.float32)
    graph = GraphBuilder('product', 24)
    graph.input('x', ('rows', 64))
    graph.weight('w', weights)
    graph.node('MatMul', ['x', 'w'], 'y')
    graph.output('y', ('rows', 5))
    model = graph.model()
    shift(model)
    onnx.checker.check_model(model, full_check=True)
    block = 64 if bits == 8 else 32
    found = quantise_groups(weights, bits, block)
    widened = found.integers * np.repeat(found.scales, block, axis=0)
    # Unfused, for fused products round x as well.
    plain = ort.SessionOptions()
    plain.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), plain)
    x = rng.normal(size=(7, 64)).astype(np.float32)
    (y,) = session.run(None, {'x': x})
    assert np.allclose(y, x @ widened, atol=1e-4)
    stored = {
        item.name: numpy_helper.to_array(item).astype(int) for item in model.graph.initializer
    }
    assert np.array_equal(stored['w.integers'], found.integers)


def test_slabs_round_as_the_whole_does(monkeypatch):
    weights = np.random.default_rng(0).standard_normal((64, 37)).astype(np.float32)
    for bits, block in ((4, 32), (8, 64)):
        whole = quantise_groups(weights, bits, block)
        with monkeypatch.context() as patch:
            patch.setattr(group_rounding, 'SLAB_VALUES', 64 * 5)
            parts = quantise_groups(weights, bits, block)
        assert np.array_equal(whole.integers, parts.integers)
        assert np.array_equal(whole.scales, parts.scales)


def test_four_bits_need_a_dimension_that_has_blocks():
    assert [block_of(rows) for rows in (192, 48, 24)] == [32, 16, 0]
    graph = GraphBuilder('product', 24)
    graph.input('x', ('rows', 24))
    graph.weight('w', np.ones((24, 5), np.float32))
    graph.node('MatMul', ['x', 'w'], 'y')
    graph.output('y', ('rows', 5))
    with pytest.raises(ConfigError, match='inner dimensions'):
        int4_weights(graph.model())
