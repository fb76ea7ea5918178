"""The two ways in which a decoder layer is written in ONNX: current operators, or old ones.

``static24`` scatters keys and values into a cache of the caller's size, in place where the runtime
binds input and output to one buffer. ``concat18`` appends to a growing cache and spells out what
opset 18 has no operator for. Both take an explicit boolean mask: runtimes disagree about
``is_causal`` where queries and keys differ in number.

Notation: B rows, S new positions, H query heads, K key heads, E head size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spatialllm_ros.deploy.graph_builder import GraphBuilder

HIDDEN_SCORE = -1e9
"""What ``concat18`` adds to the scores that the mask hides."""


@dataclass(frozen=True)
class Heads:
    """Numbers of query and key heads, their size, and what scores are multiplied by."""

    queries: int
    keys: int
    size: int
    scale: float


class Flavour(Protocol):
    """The parts of a decoder in which the flavours differ; inputs are named as in the graph."""

    opset: int
    is_static: bool
    """Whether past and present have the cache's size; else present is past and what is new."""

    def rms_norm(self, graph: GraphBuilder, x: str, weight: str, epsilon: float) -> str:
        """Normalise the last dimension."""

    def rotate(self, graph: GraphBuilder, x: str, positions: str, name: str) -> str:
        """Turn (B, heads, S, E) by the angles of its positions (B, S)."""

    def remember(self, graph: GraphBuilder, past: str, new: str, present: str) -> str:
        """Put new keys or values (B, K, S, E) into the cache."""

    def attend(
        self, graph: GraphBuilder, qkv: tuple[str, str, str], mask: str, heads: Heads, name: str
    ) -> str:
        """Return (B, H, S, E) for queries (B, H, S, E) and what a mask shows of the cache."""


class Static24:
    """Opset 24: TensorScatter, Attention, RotaryEmbedding, RMSNormalization."""

    opset = 24
    is_static = True

    def rms_norm(self, graph: GraphBuilder, x: str, weight: str, epsilon: float) -> str:
        """Use the operator."""
        return graph.node('RMSNormalization', [x, weight], f'{weight}.out', epsilon=epsilon)

    def rotate(self, graph: GraphBuilder, x: str, positions: str, name: str) -> str:
        """Use the operator, which looks the angles up itself."""
        return graph.node('RotaryEmbedding', [x, 'rope_cos', 'rope_sin', positions], name)

    def remember(self, graph: GraphBuilder, past: str, new: str, present: str) -> str:
        """Scatter at each row's write index."""
        return graph.node('TensorScatter', [past, new, 'write_indices'], present, axis=2)

    def attend(
        self, graph: GraphBuilder, qkv: tuple[str, str, str], mask: str, heads: Heads, name: str
    ) -> str:
        """Use the operator, which groups query heads itself."""
        return graph.node('Attention', [*qkv, mask], name, scale=heads.scale)


class Concat18:
    """Opset 18: a growing cache, everything else decomposed."""

    opset = 18
    is_static = False

    def rms_norm(self, graph: GraphBuilder, x: str, weight: str, epsilon: float) -> str:
        """Divide by the root of the mean square."""
        two = graph.weight('two', np.array(2, np.float32))
        tiny = graph.weight('epsilon', np.array(epsilon, np.float32))
        square = graph.node('Pow', [x, two], f'{weight}.square')
        mean = graph.node('ReduceMean', [square, graph.integers(-1)], f'{weight}.mean', keepdims=1)
        root = graph.node(
            'Sqrt', [graph.node('Add', [mean, tiny], f'{weight}.safe')], f'{weight}.root'
        )
        unit = graph.node('Div', [x, root], f'{weight}.unit')
        return graph.node('Mul', [unit, weight], f'{weight}.out')

    def rotate(self, graph: GraphBuilder, x: str, positions: str, name: str) -> str:
        """Turn the first half of each head against the second."""
        cos, sin = (self._angles(graph, table, positions) for table in ('rope_cos', 'rope_sin'))
        a, b = graph.nodes('Split', [x], [f'{name}.a', f'{name}.b'], axis=-1, num_outputs=2)
        a_cos, a_sin, b_cos, b_sin = (
            graph.node('Mul', [half, table], f'{name}.{label}')
            for half, table, label in (
                (a, cos, 'a_cos'), (a, sin, 'a_sin'), (b, cos, 'b_cos'), (b, sin, 'b_sin'),
            )
        )  # fmt: skip
        left = graph.node('Sub', [a_cos, b_sin], f'{name}.left')
        right = graph.node('Add', [b_cos, a_sin], f'{name}.right')
        return graph.node('Concat', [left, right], name, axis=-1)

    def remember(self, graph: GraphBuilder, past: str, new: str, present: str) -> str:
        """Append."""
        return graph.node('Concat', [past, new], present, axis=2)

    def attend(
        self, graph: GraphBuilder, qkv: tuple[str, str, str], mask: str, heads: Heads, name: str
    ) -> str:
        """Give each key head its group of query heads, then softmax over what the mask shows."""
        groups = heads.queries // heads.keys
        split = graph.integers(0, heads.keys, groups, -1, heads.size)
        queries = graph.node('Reshape', [qkv[0], split], f'{name}.queries')
        turned = graph.node('Transpose', [qkv[1]], f'{name}.turned', perm=(0, 1, 3, 2))
        keys = graph.node('Unsqueeze', [turned, graph.integers(2)], f'{name}.keys')
        values = graph.node('Unsqueeze', [qkv[2], graph.integers(2)], f'{name}.values')
        raw = graph.node('MatMul', [queries, keys], f'{name}.raw')
        factor = graph.weight('attention_scale', np.array(heads.scale, np.float32))
        scaled = graph.node('Mul', [raw, factor], f'{name}.scaled')
        scores = graph.node('Add', [scaled, self._bias(graph, mask)], f'{name}.scores')
        shares = graph.node('Softmax', [scores], f'{name}.shares', axis=-1)
        mixed = graph.node('MatMul', [shares, values], f'{name}.mixed')
        joined = graph.integers(0, heads.queries, -1, heads.size)
        return graph.node('Reshape', [mixed, joined], name)

    def _angles(self, graph: GraphBuilder, table: str, positions: str) -> str:
        """Return the (B, 1, S, E / 2) entries of a table, looked up once for all layers."""
        name = f'{table}.at_{positions}'
        if not graph.has(name):
            rows = graph.node('Gather', [table, positions], f'{name}.rows', axis=0)
            graph.node('Unsqueeze', [rows, graph.integers(1)], name)
        return name

    def _bias(self, graph: GraphBuilder, mask: str) -> str:
        """Return (B, 1, 1, S, P + S): zero where the mask shows, made once for all layers."""
        name = f'{mask}.bias'
        if not graph.has(name):
            shown = graph.node('Unsqueeze', [mask, graph.integers(1)], f'{mask}.grouped')
            zero = graph.weight('zero', np.array(0, np.float32))
            hidden = graph.weight('hidden_score', np.array(HIDDEN_SCORE, np.float32))
            graph.node('Where', [shown, zero, hidden], name)
        return name


FLAVOURS: dict[str, Flavour] = {'static24': Static24(), 'concat18': Concat18()}
"""Every flavour by its name in the manifest."""
