"""A thin layer over ``onnx.helper`` for graphs that are written down node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from spatialllm_ros.deploy.weight_storage import Values, WeightStore

PRODUCER = 'spatialllm_ros'

Shape = Sequence[int | str]


class GraphBuilder:
    """Collects inputs, weights, nodes and outputs; every value is called by its name."""

    def __init__(self, name: str, opset: int, store: WeightStore | None = None) -> None:
        """Start an empty graph for an operator set of the default domain.

        Args:
            name: the graph's.
            opset: version of the operator set.
            store: where the weights go; inside the graph unless said otherwise.
        """
        self.name = name
        self.opset = opset
        self._store = store or WeightStore()
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._made: set[str] = set()

    def input(self, name: str, shape: Shape, dtype: int = TensorProto.FLOAT) -> str:
        """Declare an input; dimensions in words are dynamic."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return name

    def output(self, name: str, shape: Shape, dtype: int = TensorProto.FLOAT) -> None:
        """Declare a value as an output."""
        self._outputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))

    def weight(self, name: str, values: Values) -> str:
        """Add a constant."""
        self._weights[name] = self._store.put(name, values)
        return name

    def integers(self, *values: int) -> str:
        """Return a constant vector of integers, the same one for the same values."""
        name = 'integers_' + '_'.join(str(value) for value in values)
        if name not in self._weights:
            self.weight(name, np.array(values, np.int64))
        return name

    def has(self, name: str) -> bool:
        """Tell whether a node gives this value already."""
        return name in self._made

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        return self.nodes(operator, inputs, [output], **attributes)[0]

    def nodes(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs and return their names."""
        made = helper.make_node(operator, list(inputs), list(outputs), outputs[0], **attributes)
        self._nodes.append(made)
        self._made |= set(outputs)
        return list(outputs)

    def model(self) -> onnx.ModelProto:
        """Return the model; ``save_graph`` checks it."""
        graph = helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, list(self._weights.values())
        )
        opsets = [helper.make_opsetid('', self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name=PRODUCER)
        model.ir_version = helper.find_min_ir_version_for(opsets)
        return model
