"""Weights of a decoder graph in 8 or 4 bits, widened in front of the products that use them.

Symmetric ``DequantizeLinear`` in the default domain: ONNX Runtime fuses it with the product,
TensorRT reads the same file. Only weights are rounded, so there is nothing to calibrate.

Notation: K inner dimension and N columns of a product's weights (K, N), G groups of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from spatialllm_ros.deploy.group_rounding import Grid, round_groups
from spatialllm_ros.deploy.products import check_opset, product_weights, replace_weight
from spatialllm_ros.deploy.weight_storage import INSIDE, WeightStore
from spatialllm_ros.errors import ConfigError

CLIPPING_RATIOS = np.linspace(1.0, 0.5, 21)
"""Shares of a group's largest value at which the range may end; less error wins, then less
clipping."""
BLOCKS = (32, 16)
"""Rows that share a scale in 4 bits: the first that divides the inner dimension."""
INT4_OPSET, HALF_OPSET = 21, 19
"""The first whose ``DequantizeLinear`` has blocks and 4 bits, and scales in float16."""


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
    kind = weights.dtype.type
    high = 2 ** (bits - 1) - 1
    grid = Grid(
        largest=high,
        ratios=CLIPPING_RATIOS,
        nearest=partial(_whole, high=high),
        stored=lambda scales: scales.astype(kind).astype(np.float32),
    )
    return Quantised(*round_groups(weights, block, grid, (np.int8, kind)))


def _whole(values: NDArray[np.floating], high: int) -> NDArray[np.floating]:
    return np.clip(np.rint(values), -high - 1, high)


def int8_weights(model: onnx.ModelProto, store: WeightStore = INSIDE) -> None:
    """Store the weights of products in 8 bits, with a scale per column.

    Raises:
        ConfigError: float16 in an operator set whose scales are float32.
    """
    weights = product_weights(model)
    if any(weight.data_type == TensorProto.FLOAT16 for weight in weights):
        check_opset(model, HALF_OPSET, 'take the float32 bundle')
    for weight in weights:
        values = store.get(weight)
        found = quantise_groups(values, bits=8, block=len(values))
        parts = {'integers': found.integers, 'scales': found.scales[0]}
        replace_weight(model, weight, parts, store, axis=1)


def int4_weights(model: onnx.ModelProto, store: WeightStore = INSIDE) -> None:
    """Store the weights of products in 4 bits, with a scale per column and block of rows.

    A weight whose inner dimension no block divides stays as it is.

    Raises:
        ConfigError: an operator set without 4 bits, or no weight that has blocks.
    """
    check_opset(model, INT4_OPSET, 'take int8')
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
            replace_weight(model, weight, parts, store, axis=0, block_size=block)


def block_of(rows: int) -> int:
    """Return the block that divides an inner dimension; 0 where none does."""
    return next((block for block in BLOCKS if rows % block == 0), 0)
