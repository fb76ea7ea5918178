"""The ONNX graphs of a bundle as TensorRT reads them, and what it says where it cannot.

Knows neither profiles nor devices. Weights kept outside a graph's file stay there until parsing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import helper

from spatialllm_ros.deploy.nvfp4_imitation import NAME as IMITATION
from spatialllm_ros.errors import ConfigError, EngineError
from spatialllm_ros.runtime.bundle import Bundle
from spatialllm_ros.runtime.engines.spans import CACHE
from spatialllm_ros.runtime.engines.tensorrt_library import TensorRT, new_log

NEW_OPERATORS = ('Attention', 'RMSNormalization', 'RotaryEmbedding', 'TensorScatter')
CPU_OPERATORS = ('ConvInteger', 'DynamicQuantizeLinear', 'MatMulInteger', 'QLinearMatMul')
REMEDIES = {
    **dict.fromkeys(
        NEW_OPERATORS, 'export with the flavour concat18, or install TensorRT 10.15 or newer'
    ),
    **dict.fromkeys(
        CPU_OPERATORS, 'this precision is for CPUs: export float16, or int8 or int4 weights only'
    ),
    IMITATION: 'this bundle is for measuring on a CPU: quantise its parent to nvfp4',
}
"""What to do about an operator that TensorRT does not support."""
OTHERWISE = 'export the bundle again without it'


@dataclass(frozen=True)
class Graph:
    """One ONNX file of a bundle.

    Attributes:
        operators: how many nodes each operator has in the file.
        proto: what TensorRT is given of it; weights in files of their own are not in it.
    """

    role: str
    path: Path
    operators: Counter[str]
    proto: onnx.ModelProto

    @property
    def opset(self) -> int:
        """Version of the default operator set."""
        versions = {entry.domain: entry.version for entry in self.proto.opset_import}
        return int(versions.get('', 0))

    @property
    def precision(self) -> str:
        """Type of most weights (``float32``, ``int4``)."""
        counts: Counter[int] = Counter()
        for weight in self.proto.graph.initializer:
            size = 1
            for dim in weight.dims:
                size *= dim
            counts[weight.data_type] += size
        ((kind, _),) = counts.most_common(1)
        return str(helper.tensor_dtype_to_np_dtype(kind))

    def input_dims(self) -> dict[str, tuple[int | str, ...]]:
        """Return the dimensions of each input; dynamic ones are words."""
        return {
            entry.name: tuple(
                dim.dim_param or dim.dim_value for dim in entry.type.tensor_type.shape.dim
            )
            for entry in self.proto.graph.input
        }


def read_graphs(bundle: Bundle, roles: Sequence[str] = ()) -> list[Graph]:
    """Read a bundle's graphs: all of them, or those with the given roles.

    Raises:
        ConfigError: the bundle has no graph with such a role.
    """
    entries = bundle.manifest.files.items()
    present = [role for role, entry in entries if entry.path.endswith('.onnx')]
    if unknown := [role for role in roles if role not in present]:
        raise ConfigError(f'expected graphs of {present}, found {unknown} asked for')
    return [_read_graph(bundle, role) for role in roles or present]


def _read_graph(bundle: Bundle, role: str) -> Graph:
    path = bundle.path(role)
    proto = onnx.load(path, load_external_data=False)
    set_dimension(proto, CACHE, bundle.manifest.decoder.context)
    return as_graph(role, path, proto)


def set_dimension(proto: onnx.ModelProto, name: str, size: int) -> None:
    """Give a dynamic dimension of inputs and outputs a size, in place.

    TensorRT updates no cache in place whose size it does not know.
    """
    for entry in (*proto.graph.input, *proto.graph.output):
        for dim in entry.type.tensor_type.shape.dim:
            if dim.dim_param == name:
                dim.dim_value = size


def as_graph(role: str, path: Path, proto: onnx.ModelProto) -> Graph:
    """Return what a file holds, changed in place to what TensorRT can build."""
    operators = Counter(node.op_type for node in proto.graph.node)
    attentions = [node for node in proto.graph.node if node.op_type == 'Attention']
    for node in attentions:
        # Where no fused kernel fits, as none does float32, the builder may then take the
        # operator apart instead of failing. ONNX Runtime refuses the attribute, so no file
        # has it.
        node.attribute.append(helper.make_attribute('TRT_decomposable', 1))
    if 'mask' in {entry.name for entry in proto.graph.input}:
        _invert_twice('mask', attentions, proto.graph)
    return Graph(role, path, operators, proto)


def _invert_twice(mask: str, attentions: Sequence[onnx.NodeProto], graph: onnx.GraphProto) -> None:
    """Give attention a computed mask, equal to the input.

    Fused kernels of several layers that read one boolean input in few rows fail to build in
    TensorRT-RTX 1.7.1 ("Graph contains more than one op named mask.1_iota").
    """
    inverse, same = f'{mask}.inverse', f'{mask}.same'
    for node in attentions:
        node.input[3] = same
    nodes = [
        helper.make_node('Not', [before], [after], after)
        for before, after in ((mask, inverse), (inverse, same))
    ]
    nodes.extend(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


class ParsedGraph:
    """A graph inside TensorRT, with all that has to live as long as its network."""

    def __init__(self, graph: Graph, tensorrt: TensorRT) -> None:
        """Parse.

        Raises:
            EngineError: names each node that TensorRT cannot read, why, and what to do.
        """
        self.graph = graph
        self.tensorrt = tensorrt
        api = tensorrt.api
        self.log = new_log(api)
        self.builder = api.Builder(self.log)
        strong = 1 << int(api.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        self.network = self.builder.create_network(strong)
        self._parser = api.OnnxParser(self.network, self.log)  # owns the weights
        self._check_operators()
        if not self._parser.parse(graph.proto.SerializeToString(), str(graph.path)):
            self._refuse_nodes()
        self.cache_updates = self._count_cache_updates()

    def _check_operators(self) -> None:
        """Name every operator that is not supported; the parser would stop at the first."""
        lacking = {
            node.op_type: node.name
            for node in self.graph.proto.graph.node
            if not self._parser.supports_operator(node.op_type)
        }
        if lacking:
            words = [f'{operator} (node {name!r})' for operator, name in lacking.items()]
            raise self._refusal(words, lacking)

    def _refuse_nodes(self) -> None:
        errors = [self._parser.get_error(index) for index in range(self._parser.num_errors)]
        words = [
            f'{error.node_operator()} (node {error.node_name()!r}): {error.desc()}'
            for error in errors
        ]
        raise self._refusal(words, [error.node_operator() for error in errors])

    def _refusal(self, words: Sequence[str], operators: Iterable[str]) -> EngineError:
        remedies = dict.fromkeys(REMEDIES.get(operator, OTHERWISE) for operator in operators)
        found = ' '.join('; '.join(words).split())  # on one line
        return EngineError(
            f'{self.graph.path}: expected operators that {self.tensorrt.flavour} '
            f'{self.tensorrt.version} can read, found {found}. What to do: '
            f'{"; ".join(remedies)}'
        )

    def _count_cache_updates(self) -> int:
        """Return how many cache tensors are written in place: input and output share memory."""
        kind = getattr(self.tensorrt.api.LayerType, 'KV_CACHE_UPDATE', None)
        layers = (self.network.get_layer(index) for index in range(self.network.num_layers))
        found = sum(
            layer.get_input(0).is_network_input and layer.get_output(0).is_network_output
            for layer in layers
            if kind is not None and layer.type == kind
        )
        if found != (wanted := self.graph.operators['TensorScatter']):
            raise EngineError(
                f'{self.graph.path}: expected {wanted} cache tensors updated in place, found '
                f'{found} in {self.tensorrt.flavour} {self.tensorrt.version}; export with the '
                'flavour concat18'
            )
        return found
