"""Products of 4-bit floats in blocks (NVFP4), for GPUs of compute capability 10.0 and newer.

Sixteen rows share a scale, an 8-bit float itself, and all share one in float32. Weights are stored
so; what they are multiplied with is rounded on the GPU, block by block as it comes, under one
scale that comes from the greatest value seen on questions about worlds.

Only TensorRT has the operator for that. For the gate, ``imitated`` writes a graph that computes
the same with operators of the default domain.

Notation: K inner dimension and N columns of a product's weights (K, N).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from spatialllm_ros.deploy.float8 import E4M3, LARGEST, nearest_float8
from spatialllm_ros.deploy.group_rounding import Array, Grid, round_groups
from spatialllm_ros.deploy.nvfp4_imitation import define_imitation, imitation
from spatialllm_ros.deploy.product_peaks import Peaks
from spatialllm_ros.deploy.products import (
    check_opset,
    product_weights,
    put_before,
    replace_left_sides,
)
from spatialllm_ros.deploy.weight_storage import INSIDE, WeightStore
from spatialllm_ros.errors import ConfigError

E2M1 = helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT4E2M1)
BLOCK = 16
LARGEST_FOUR_BITS = 6.0
"""Source: NVIDIA, "Introducing NVFP4", 2025: blocks of 16, E4M3 scales, one float32 scale."""
OPSET = 23
"""The first with 4-bit floats."""
DOMAIN = 'trt'
"""Of TensorRT's own operators."""


def nvfp4_products(
    model: onnx.ModelProto, store: WeightStore = INSIDE, *, peaks: Peaks, imitated: bool = False
) -> None:
    """Round both sides of the products with constant weights.

    A product whose inner dimension has no blocks of sixteen stays as it is.

    Args:
        model: of float32 or float16.
        store: of its weights.
        peaks: from ``product_peaks``, of the same graph.
        imitated: compute the same with operators that ONNX Runtime has.

    Raises:
        ConfigError: an operator set without 4-bit floats, or no weight that has blocks.
    """
    check_opset(model, OPSET, 'take int8')
    weights = [weight for weight in product_weights(model) if weight.dims[0] % BLOCK == 0]
    if not weights:
        found = sorted({weight.dims[0] for weight in product_weights(model)})
        raise ConfigError(
            f'expected inner dimensions that {BLOCK} divides for nvfp4, found {found}; take fp8'
        )
    writer = _Writer(model, store, peaks, weights[0].data_type)
    for weight in weights:
        (writer.imitate_weight if imitated else writer.store_weight)(weight)
    names = {weight.name for weight in weights}
    if imitated:
        define_imitation(model)
    else:
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    replace_left_sides(model, names, writer.imitate_left if imitated else writer.round_left)


def nvfp4_blocks(weights: Array) -> tuple[NDArray[Any], NDArray[Any], np.float32]:
    """Return 4-bit floats (K, N), 8-bit scales (K / 16, N), and what all of them are scaled by."""
    whole = tensor_scale(float(np.abs(weights.astype(np.float32)).max()))
    grid = Grid(
        largest=LARGEST_FOUR_BITS,
        ratios=np.ones(1),
        nearest=lambda values: values.astype(E2M1).astype(np.float32),
        stored=lambda scales: nearest_float8(scales / whole) * whole,
    )
    values, scales = round_groups(weights, BLOCK, grid, (E2M1.type, np.float32))
    return values, nearest_float8(scales / whole).astype(E4M3), whole


def tensor_scale(peak: float) -> np.float32:
    """Return the scale of scales with which the greatest value can be told."""
    return np.float32(peak / (LARGEST_FOUR_BITS * LARGEST)) or np.float32(1)


class _Writer:
    """Changes one graph, whose floats have one type."""

    def __init__(
        self, model: onnx.ModelProto, store: WeightStore, peaks: Peaks, kind: int
    ) -> None:
        self.model, self.store, self.peaks, self.kind = model, store, peaks, kind

    def store_weight(self, weight: onnx.TensorProto) -> None:
        """Put 4-bit floats and two nodes that widen them in a weight's place."""
        name = weight.name
        floats, scales, whole = nvfp4_blocks(self.store.get(weight))
        parts = {f'{name}.floats': floats, f'{name}.scales': scales, f'{name}.scale': whole}
        nodes = [
            _widen([f'{name}.scales', f'{name}.scale'], f'{name}.wide_scales'),
            _widen([f'{name}.floats', f'{name}.wide_scales'], f'{name}.wide', axis=0),
            self._as_before(f'{name}.wide', name),
        ]
        stored = [self.store.put(part, np.asarray(values)) for part, values in parts.items()]
        put_before(self.model, weight, stored, nodes)

    def imitate_weight(self, weight: onnx.TensorProto) -> None:
        """Put the rounded weight in its place."""
        floats, scales, whole = nvfp4_blocks(self.store.get(weight))
        wide = np.repeat(scales.astype(np.float32) * whole, BLOCK, axis=0)
        kind = helper.tensor_dtype_to_np_dtype(self.kind)
        rounded = (floats.astype(np.float32) * wide).astype(kind)
        weight.CopyFrom(self.store.put(weight.name, rounded))

    def round_left(self, x: str) -> list[onnx.NodeProto]:
        """Return the nodes that round a left side on a GPU."""
        whole = self._constant(f'{x}.scale', tensor_scale(self.peaks[x]))
        small, scales, wide = f'{x}.float4', f'{x}.scales', f'{x}.wide_scales'
        return [
            helper.make_node(
                'TRT_FP4DynamicQuantize', [x, whole], [small, scales], small, domain=DOMAIN,
                axis=-1, block_size=BLOCK, scale_type=TensorProto.FLOAT8E4M3FN,
            ),
            _widen([scales, whole], wide),
            _widen([small, wide], f'{x}.rounded_wide', axis=-1),
            self._as_before(f'{x}.rounded_wide', f'{x}.rounded'),
        ]  # fmt: skip

    def imitate_left(self, x: str) -> list[onnx.NodeProto]:
        """Return the node that rounds a left side in the same way on a CPU."""
        whole = self._constant(f'{x}.scale', tensor_scale(self.peaks[x]))
        return [imitation(x, whole, f'{x}.rounded')]

    def _as_before(self, wide: str, name: str) -> onnx.NodeProto:
        """Return the node that gives float32 the type of the graph."""
        return helper.make_node('Cast', [wide], [name], f'{name}.cast', to=self.kind)

    def _constant(self, name: str, value: np.float32) -> str:
        self.model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def _widen(inputs: list[str], output: str, axis: int | None = None) -> onnx.NodeProto:
    """Return the node that multiplies small floats with their scale.

    Args:
        inputs: floats, and one scale or that of each block.
        output: the products.
        axis: that the blocks divide, if there are any.
    """
    blocks: dict[str, Any] = {} if axis is None else {'axis': axis, 'block_size': BLOCK}
    return helper.make_node('DequantizeLinear', inputs, [output], output, **blocks)
