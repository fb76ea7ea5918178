"""Products of 8-bit floats, for GPUs of compute capability 8.9 and newer.

Both sides are rounded: weights with a scale per column, what they are multiplied with by one scale
that comes from the greatest value seen on questions about worlds. The nodes are of the default
domain: ONNX Runtime computes the same on a CPU, only slowly, and TensorRT makes one product of
them.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx
from onnx import TensorProto, helper

from spatialllm_ros.deploy.group_rounding import Array, Grid, round_groups
from spatialllm_ros.deploy.product_peaks import Peaks
from spatialllm_ros.deploy.products import (
    check_opset,
    product_weights,
    replace_left_sides,
    replace_weight,
)
from spatialllm_ros.deploy.weight_storage import INSIDE, WeightStore

E4M3 = helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT8E4M3FN)
LARGEST = 448.0
"""Source: Micikevicius et al. 2022, "FP8 formats for deep learning", table 1."""
OPSET = 19
"""The first whose ``QuantizeLinear`` makes 8-bit floats."""


def float8_products(model: onnx.ModelProto, store: WeightStore = INSIDE, *, peaks: Peaks) -> None:
    """Round both sides of the products with constant weights.

    Args:
        model: of float32 or float16.
        store: of its weights.
        peaks: from ``product_peaks``, of the same graph.

    Raises:
        ConfigError: an operator set without 8-bit floats.
    """
    check_opset(model, OPSET, 'take int8')
    weights = product_weights(model)
    kind = np.float16 if weights[0].data_type == TensorProto.FLOAT16 else np.float32
    names = {weight.name for weight in weights}
    for weight in weights:
        values = store.get(weight)
        rounded, scales = round_groups(values, len(values), _grid(kind), (E4M3.type, kind))
        replace_weight(model, weight, {'floats': rounded, 'scales': scales[0]}, store, axis=1)
    replace_left_sides(model, names, partial(_rounded, model, peaks, kind))


def nearest_float8(values: Array) -> Array:
    """Return the nearest 8-bit floats, as float32; what is too large becomes the largest."""
    return np.clip(values, -LARGEST, LARGEST).astype(E4M3).astype(np.float32)


def _grid(kind: type[np.floating]) -> Grid:
    # Floats err by the same share of small values as of large ones: clipping would gain nothing.
    return Grid(
        largest=LARGEST,
        ratios=np.ones(1),
        nearest=nearest_float8,
        stored=lambda scales: scales.astype(kind).astype(np.float32),
    )


def _rounded(
    model: onnx.ModelProto, peaks: Peaks, kind: type[np.floating], x: str
) -> list[onnx.NodeProto]:
    """Return the nodes that round a left side by its scale."""
    scale, zero, small = f'{x}.float8_scale', f'{x}.float8_zero', f'{x}.float8'
    values = {scale: np.array(peaks[x] / LARGEST or 1, kind), zero: np.zeros((), E4M3)}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in values.items()
    )
    return [
        helper.make_node('QuantizeLinear', [x, scale, zero], [small], small),
        helper.make_node('DequantizeLinear', [small, scale], [f'{small}.widened'], f'{x}.rounded'),
    ]
