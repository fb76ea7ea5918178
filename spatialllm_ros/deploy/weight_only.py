"""Weights of a decoder graph in 8 or 4 bits, widened in front of the products that use them.

Symmetric ``DequantizeLinear`` in the default domain: ONNX Runtime fuses it with the product,
TensorRT reads the same file. Only weights are rounded, so there is nothing to calibrate.

Notation: K inner dimension and N columns of a product's weights (K, N), G groups of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from spatialllm_ros.deploy.weight_storage import INSIDE, WeightStore
from spatialllm_ros.errors import ConfigError

CLIPPING_RATIOS = np.linspace(1.0, 0.5, 21)
"""Shares of a group's largest value at which the range may end; less error wins, then less
clipping."""
SLAB_VALUES = 2**20
"""Weights that are rounded together: what is tried 21 times should stay in a CPU's cache."""
BLOCKS = (32, 16)
"""Rows that share a scale in 4 bits: the first that divides the inner dimension."""
INT4_OPSET, HALF_OPSET = 21, 19
"""The first whose ``DequantizeLinear`` has blocks and 4 bits, and scales in float16."""

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


@dataclass(frozen=True)
class Quantised:
    """Integers (K, N) and their scales (G, N); a row belongs to group ``row // (K / G)``."""

    integers: NDArray[np.int8]
    scales: NDArray[np.floating]


def quantise_groups(weights: NDArray[np.floating], bits: int, block: int) -> Quantised:
    """Round weights (K, N) with the scales of least squared error among ``CLIPPING_RATIOS``.

    Args:
        weights: of one product; the scales get their type.
        bits: of the integers, signed.
        block: rows that share a scale in each column; divides K.
    """
    rows, columns = weights.shape
    integers = np.empty((rows, columns), np.int8)
    scales = np.empty((rows // block, columns), weights.dtype)
    width = max(1, SLAB_VALUES // rows)
    for start in range(0, columns, width):
        slab = slice(start, start + width)
        integers[:, slab], scales[:, slab] = _quantise_slab(weights[:, slab], bits, block)
    return Quantised(integers, scales)


def _quantise_slab(
    weights: NDArray[np.floating], bits: int, block: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return rounded weights (K, N) and their scales (G, N), both still wide."""
    rows, columns = weights.shape
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    groups = weights.reshape(rows // block, block, columns).astype(np.float32)
    peak = np.abs(groups).max(axis=1, keepdims=True)
    least = np.full_like(peak, np.inf)
    scales, integers = np.ones_like(peak), np.zeros_like(groups)
    for ratio in CLIPPING_RATIOS:
        # The error is that of the scale as it is stored; one that is too small to store is none.
        stored = (peak * ratio / high).astype(weights.dtype).astype(np.float32)
        scale = np.where(stored > 0, stored, 1)
        rounded = np.clip(np.rint(groups / scale), low, high)
        error = np.square(rounded * scale - groups).sum(axis=1, keepdims=True)
        is_better = error < least
        least = np.where(is_better, error, least)
        scales = np.where(is_better, scale, scales)
        integers = np.where(is_better, rounded, integers)
    return integers.reshape(rows, columns), scales[:, 0]


def int8_weights(model: onnx.ModelProto, store: WeightStore = INSIDE) -> None:
    """Store the weights of products in 8 bits, with a scale per column.

    Raises:
        ConfigError: float16 in an operator set whose scales are float32.
    """
    weights = product_weights(model)
    if any(weight.data_type == TensorProto.FLOAT16 for weight in weights):
        _check_opset(model, HALF_OPSET, 'take the float32 bundle')
    for weight in weights:
        values = store.get(weight)
        found = quantise_groups(values, bits=8, block=len(values))
        parts = {'integers': found.integers, 'scales': found.scales[0]}
        _replace(model, weight, parts, store, axis=1)


def int4_weights(model: onnx.ModelProto, store: WeightStore = INSIDE) -> None:
    """Store the weights of products in 4 bits, with a scale per column and block of rows.

    A weight whose inner dimension no block divides stays as it is.

    Raises:
        ConfigError: an operator set without 4 bits, or no weight that has blocks.
    """
    _check_opset(model, INT4_OPSET, 'take int8')
    weights = product_weights(model)
    blocks = {weight.name: block_of(weight.dims[0]) for weight in weights}
    if not any(blocks.values()):
        raise ConfigError(
            f'expected inner dimensions that one of {BLOCKS} divides for int4, found '
            f'{sorted({weight.dims[0] for weight in weights})}; take int8'
        )
    for weight in weights:
        if block := blocks[weight.name]:
            found = quantise_groups(store.get(weight), bits=4, block=block)
            integers = found.integers.astype(helper.tensor_dtype_to_np_dtype(TensorProto.INT4))
            parts = {'integers': integers, 'scales': found.scales}
            _replace(model, weight, parts, store, axis=0, block_size=block)


def block_of(rows: int) -> int:
    """Return the block that divides an inner dimension; 0 where none does."""
    return next((block for block in BLOCKS if rows % block == 0), 0)


def _check_opset(model: onnx.ModelProto, least: int, remedy: str) -> None:
    found = next(item.version for item in model.opset_import if not item.domain)
    if found < least:
        raise ConfigError(
            f'expected a graph of operator set {least} or later, found {found}; export the '
            f'flavour static24, or {remedy}'
        )


def product_weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Return the constant right sides of products, each once."""
    right = {node.input[1] for node in model.graph.node if node.op_type == 'MatMul'}
    return [
        weight
        for weight in model.graph.initializer
        if weight.name in right and len(weight.dims) == 2 and weight.data_type in _FLOATS
    ]


def _replace(
    model: onnx.ModelProto, weight: onnx.TensorProto, parts: Mapping[str, NDArray[Any]],
    store: WeightStore, **attributes: Any,
) -> None:  # fmt: skip
    """Put integers, scales and the node that widens them in a weight's place."""
    graph, name = model.graph, weight.name
    inputs = [f'{name}.{part}' for part in parts]
    node = helper.make_node('DequantizeLinear', inputs, [name], f'{name}.widened', **attributes)
    graph.initializer.remove(weight)
    graph.initializer.extend(map(store.put, inputs, parts.values()))
    graph.node.insert(0, node)
