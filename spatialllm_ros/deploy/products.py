"""The products of a graph with constant weights: where they are, and how to change both sides.

Notation: K inner dimension and N columns of a product's weights (K, N).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from spatialllm_ros.deploy.weight_storage import WeightStore
from spatialllm_ros.errors import ConfigError

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def product_weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Return the constant right sides (K, N) of products, each once."""
    right = {node.input[1] for node in model.graph.node if node.op_type == 'MatMul'}
    return [
        weight
        for weight in model.graph.initializer
        if weight.name in right and len(weight.dims) == 2 and weight.data_type in _FLOATS
    ]


def left_sides(model: onnx.ModelProto, weights: Collection[str]) -> list[str]:
    """Return what is multiplied with some weights, each once, in the order of the graph."""
    products = (node for node in model.graph.node if node.op_type == 'MatMul')
    return list(dict.fromkeys(node.input[0] for node in products if node.input[1] in weights))


def replace_left_sides(
    model: onnx.ModelProto, weights: Collection[str], made: Callable[[str], list[onnx.NodeProto]]
) -> None:
    """Multiply some weights with something else than before, in place.

    Args:
        model: the graph.
        weights: names of right sides.
        made: returns the nodes that make the new left side of the old one; it is the first output
            of the last of them.
    """
    nodes: list[onnx.NodeProto] = []
    instead: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type == 'MatMul' and node.input[1] in weights:
            old = node.input[0]
            if old not in instead:
                nodes.extend(made(old))
                instead[old] = nodes[-1].output[0]
            node.input[0] = instead[old]
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def replace_weight(
    model: onnx.ModelProto, weight: onnx.TensorProto, parts: Mapping[str, NDArray[Any]],
    store: WeightStore, **attributes: Any,
) -> None:  # fmt: skip
    """Put small values, their scales and the node that widens them in a weight's place.

    Args:
        model: the graph.
        weight: one of its initializers.
        parts: values by what they are called, in the order of the node's inputs.
        store: where they go.
        attributes: of the node.
    """
    name = weight.name
    inputs = [f'{name}.{part}' for part in parts]
    node = helper.make_node('DequantizeLinear', inputs, [name], f'{name}.widened', **attributes)
    put_before(model, weight, list(map(store.put, inputs, parts.values())), [node])


def put_before(
    model: onnx.ModelProto, weight: onnx.TensorProto, parts: Sequence[onnx.TensorProto],
    nodes: Sequence[onnx.NodeProto],
) -> None:  # fmt: skip
    """Let nodes at the head of a graph make of other constants what a weight was."""
    model.graph.initializer.remove(weight)
    model.graph.initializer.extend(parts)
    for place, node in enumerate(nodes):
        model.graph.node.insert(place, node)


def check_opset(model: onnx.ModelProto, least: int, remedy: str) -> None:
    """Refuse a graph of too old an operator set.

    Raises:
        ConfigError: names both, and the remedy.
    """
    found = next(item.version for item in model.opset_import if not item.domain)
    if found < least:
        raise ConfigError(
            f'expected a graph of operator set {least} or later, found {found}; export the '
            f'flavour static24, or {remedy}'
        )
