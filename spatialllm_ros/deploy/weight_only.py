"""Weights of a decoder graph in 8 or 4 bits, widened in front of the products that use them.

Symmetric ``DequantizeLinear`` in the default domain: ONNX Runtime fuses it with the product,
TensorRT reads the same file. Only weights are rounded, so there is nothing to calibrate.

Notation: K inner dimension and N columns of a product's weights (K, N), G groups of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from spatialllm_ros.errors import ConfigError

CLIPPING_RATIOS = np.linspace(1.0, 0.5, 21)
"""Shares of a group's largest value at which the range may end; less error wins, then less
clipping."""
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
    return Quantised(
        integers.reshape(rows, columns).astype(np.int8), scales[:, 0].astype(weights.dtype)
    )


def int8_weights(model: onnx.ModelProto) -> None:
    """Store the weights of products in 8 bits, with a scale per column.

    Raises:
        ConfigError: float16 in an operator set whose scales are float32.
    """
    weights = _product_weights(model)
    if any(weight.data_type == TensorProto.FLOAT16 for weight in weights):
        _check_opset(model, HALF_OPSET, 'take the float32 bundle')
    for weight in weights:
        values = numpy_helper.to_array(weight)
        found = quantise_groups(values, bits=8, block=len(values))
        _replace(model, weight, found.integers, found.scales[0], axis=1)


def int4_weights(model: onnx.ModelProto) -> None:
    """Store the weights of products in 4 bits, with a scale per column and block of rows.

    A weight whose inner dimension no block divides stays as it is.

    Raises:
        ConfigError: an operator set without 4 bits, or no weight that has blocks.
    """
    _check_opset(model, INT4_OPSET, 'take int8')
    weights = _product_weights(model)
    blocks = {weight.name: block_of(weight.dims[0]) for weight in weights}
    if not any(blocks.values()):
        raise ConfigError(
            f'expected inner dimensions that one of {BLOCKS} divides for int4, found '
            f'{sorted({weight.dims[0] for weight in weights})}; take int8'
        )
    for weight in weights:
        if block := blocks[weight.name]:
            found = quantise_groups(numpy_helper.to_array(weight), bits=4, block=block)
            integers = found.integers.astype(helper.tensor_dtype_to_np_dtype(TensorProto.INT4))
            _replace(model, weight, integers, found.scales, axis=0, block_size=block)


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


def _product_weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Return the constant right sides of products, each once."""
    right = {node.input[1] for node in model.graph.node if node.op_type == 'MatMul'}
    return [
        weight
        for weight in model.graph.initializer
        if weight.name in right and len(weight.dims) == 2 and weight.data_type in _FLOATS
    ]


def _replace(
    model: onnx.ModelProto, weight: onnx.TensorProto, integers: NDArray[np.generic],
    scales: NDArray[np.floating], **attributes: Any,
) -> None:  # fmt: skip
    """Put integers, scales and the node that widens them in a weight's place."""
    graph, name = model.graph, weight.name
    parts = [
        numpy_helper.from_array(integers, f'{name}.integers'),
        numpy_helper.from_array(scales, f'{name}.scales'),
    ]
    inputs = [part.name for part in parts]
    node = helper.make_node('DequantizeLinear', inputs, [name], f'{name}.widened', **attributes)
    graph.initializer.remove(weight)
    graph.initializer.extend(parts)
    graph.node.insert(0, node)
