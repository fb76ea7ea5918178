"""A float32 graph in float16, with its inputs and outputs left as they are.

Values from inputs to outputs change type; a cache that only passes through its node stays float32,
and so do the sums of squares that float16 has no room for. Where the two meet stand casts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper

from spatialllm_ros.deploy.weight_storage import INSIDE, WeightStore

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16

LARGEST = float(np.finfo(np.float16).max)
KEPT = frozenset(
    (
        # A norm that is written out.
        *('Pow', 'ReduceMean', 'Sqrt', 'Div'),
        # An attribute says the type of what they give, or some inputs must be float32.
        *('Cast', 'Constant', 'ConstantOfShape', 'Resize'),
    )
)
"""Operators that stay in float32."""


def to_half(model: onnx.ModelProto, store: WeightStore = INSIDE) -> None:
    """Compute in float16.

    Constants beyond its range are cut to it: they are there to be large, as what hides a score.
    """
    _Halver(model, store).convert()


class _Halver:
    """Rewrites one graph; knows which values are floats, and in which type each is given."""

    def __init__(self, model: onnx.ModelProto, store: WeightStore) -> None:
        self.graph = model.graph
        self.store = store
        self.floats = _float_values(model)
        self.weights = {item.name: item for item in self.graph.initializer}
        self.given: dict[str, int] = dict.fromkeys([item.name for item in self.graph.input], FLOAT)
        self.kept = _kept_nodes(self.graph)
        self.casts: dict[tuple[str, int], str] = {}
        self.nodes: list[onnx.NodeProto] = []

    def convert(self) -> None:
        self._halve_weights()
        outputs = {item.name for item in self.graph.output}
        for node in self.graph.node:
            kind = FLOAT if node.output[0] in self.kept else HALF
            for place, name in enumerate(node.input):
                if name in self.floats:
                    node.input[place] = self._as_type(name, kind)
            self.nodes.append(node)
            for place, name in enumerate(node.output):
                if name in self.floats:
                    self._give(node, place, kind, name in outputs)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        del self.graph.value_info[:]  # they tell the types of before

    def _halve_weights(self) -> None:
        """Store as float16 what some node reads as such."""
        wanted = {
            name
            for node in self.graph.node
            if node.output[0] not in self.kept
            for name in node.input
        }
        for name in self.weights.keys() & self.floats:
            self.given[name] = FLOAT
            if name in wanted:
                values = self.store.get(self.weights[name])
                halves = np.clip(values, -LARGEST, LARGEST).astype(np.float16)
                self.weights[name].CopyFrom(self.store.put(name, halves))
                self.given[name] = HALF

    def _give(self, node: onnx.NodeProto, place: int, kind: int, is_output: bool) -> None:
        """Note the type of what a node gives; an output of the graph is widened at once."""
        name = node.output[place]
        self.given[name] = kind
        if is_output and kind == HALF:
            node.output[place] = f'{name}.half'
            self.given[name] = FLOAT
            self._cast(f'{name}.half', name, FLOAT)

    def _as_type(self, name: str, kind: int) -> str:
        """Return the name under which a value has a type."""
        if self.given[name] == kind:
            return name
        key = (name, kind)
        if key not in self.casts:
            self.casts[key] = f'{name}.{"half" if kind == HALF else "single"}'
            self._cast(name, self.casts[key], kind)
        return self.casts[key]

    def _cast(self, name: str, result: str, kind: int) -> None:
        self.nodes.append(helper.make_node('Cast', [name], [result], f'{result}.cast', to=kind))


def _float_values(model: onnx.ModelProto) -> set[str]:
    """Return the names of all float32 values of a graph."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = {item.name for item in graph.initializer if item.data_type == FLOAT}
    infos = (*graph.input, *graph.output, *graph.value_info)
    return values | {item.name for item in infos if item.type.tensor_type.elem_type == FLOAT}


def _kept_nodes(graph: onnx.GraphProto) -> set[str]:
    """Return the first outputs of the nodes that stay in float32."""
    inputs, outputs = ({item.name for item in side} for side in (graph.input, graph.output))
    return {node.output[0] for node in graph.node if node.op_type in KEPT} | {
        *_roots(graph),
        *(n.output[0] for n in graph.node if inputs & set(n.input) and outputs & set(n.output)),
    }


def _roots(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield what roots are drawn from: a mean square with something added."""
    for node in graph.node:
        if node.op_type == 'Sqrt':
            yield node.input[0]
