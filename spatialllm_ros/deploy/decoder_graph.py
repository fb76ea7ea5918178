"""The decoder of a Llama- or Qwen-like causal model as one ONNX graph with an explicit cache.

The graph is written node by node from the trained weights, not traced: its operators, names and
shapes are then the same whatever the exporter's version. One graph serves the image prefix, the
question and each further word.

Inputs, beside the cache: ``inputs_embeds`` (B, S, D); ``position_ids`` (B, S), which angles the
new positions have; ``mask`` (B, 1, S, cache), true where a new position may look;
``write_indices`` (B,), where in the cache each row's new positions go (``static24`` only);
``logit_indices`` (B, N), which of the new positions are scored. Output beside the cache:
``logits`` (B, N, vocabulary).

Notation: B rows, S new positions, N scored ones, D hidden size, E head size.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import onnx
import torch
from onnx import TensorProto
from torch import nn

from spatialllm_ros.deploy.decoder_flavours import FLAVOURS, Flavour, Heads
from spatialllm_ros.deploy.graph_builder import GraphBuilder
from spatialllm_ros.deploy.rounding import as_stored
from spatialllm_ros.deploy.supported_decoders import check_decoder
from spatialllm_ros.deploy.weight_storage import WeightStore
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.engines.spans import CACHE


def decoder_graph(
    language_model: nn.Module, flavour: str, context: int, store: WeightStore | None = None
) -> onnx.ModelProto:
    """Write the graph of a ``*ForCausalLM``.

    Weights are rounded to float16 and stored as float32, one at a time.

    Args:
        language_model: a transformers decoder with RMSNorm, rotary positions, and SwiGLU; biases,
            query and key norms and grouped heads are optional. Of any floating type. Each
            position looks at all before it: see ``check_window``.
        flavour: a key of ``FLAVOURS``.
        context: how many positions a cache holds at the most.
        store: where the weights go; inside the graph unless said otherwise.

    Raises:
        ConfigError: an unknown flavour, or the decoder has a part that the graph has no place for.
    """
    if flavour not in FLAVOURS:
        raise ConfigError(f'expected a flavour of {list(FLAVOURS)}, found {flavour!r}')
    check_decoder(language_model)
    store = store or WeightStore()
    return _DecoderWriter(language_model, FLAVOURS[flavour], context, store).write()


def decoder_heads(config: Any) -> Heads:
    """Return the attention heads that a decoder's configuration describes."""
    size = getattr(config, 'head_dim', None) or config.hidden_size // config.num_attention_heads
    return Heads(
        queries=config.num_attention_heads,
        keys=getattr(config, 'num_key_value_heads', None) or config.num_attention_heads,
        size=size,
        scale=1 / math.sqrt(size),
    )


def decoder_positions(config: Any, context: int) -> int:
    """Return how long one text can be: for so many positions the graph has angles."""
    return min(context, int(config.max_position_embeddings))


class _Asking(NamedTuple):
    """The positions that look at the cache: names of their states, places and mask."""

    x: str
    positions: str
    mask: str


class _DecoderWriter:
    """Writes one graph, part by part."""

    def __init__(
        self, language_model: nn.Module, flavour: Flavour, context: int, store: WeightStore
    ) -> None:
        self.model: Any = language_model
        self.config: Any = language_model.config
        self.flavour = flavour
        self.context = context
        self.heads = decoder_heads(self.config)
        self.graph = GraphBuilder('decoder', flavour.opset, store)

    def write(self) -> onnx.ModelProto:
        graph, config = self.graph, self.config
        x = graph.input('inputs_embeds', ('batch', 'sequence', config.hidden_size))
        graph.input('position_ids', ('batch', 'sequence'), TensorProto.INT64)
        seen = CACHE if self.flavour.is_static else 'total'
        graph.input('mask', ('batch', 1, 'sequence', seen), TensorProto.BOOL)
        if self.flavour.is_static:
            graph.input('write_indices', ('batch',), TensorProto.INT64)
        graph.input('logit_indices', ('batch', 'scored'), TensorProto.INT64)
        self._rope_tables()
        for index, layer in enumerate(self.model.model.layers):
            x = self._layer(layer, f'layers.{index}', index, x)
        self._logits(x)
        return graph.model()

    def _rope_tables(self) -> None:
        """Add the tables (context, E / 2) that the model's own rotary embedding computes.

        Runtimes take no more new positions at once than a table has rows, and questions side by
        side are many at few places: there are rows for all, though none is looked up behind
        ``decoder_positions``.
        """
        rotary = self.model.model.rotary_emb
        count = decoder_positions(self.config, self.context)
        positions = torch.arange(count, device=rotary.inv_freq.device)[None]
        tables = rotary(torch.zeros(1, device=positions.device), positions)
        for name, table in zip(('rope_cos', 'rope_sin'), tables, strict=True):
            rows = table[0, :, : table.shape[-1] // 2].float()
            unused = rows.new_zeros(self.context - count, rows.shape[1])
            self.graph.weight(name, torch.cat([rows, unused]))

    def _layer(self, layer: Any, name: str, index: int, x: str) -> str:
        normed = self._norm(layer.input_layernorm, f'{name}.input_norm', x)
        asking = _Asking(normed, 'position_ids', 'mask')
        if index == self.config.num_hidden_layers - 1:  # nothing reads the others any more
            x, asking = self._scored(x, 'scored'), self._to_score(normed)
        mixed = self._attention(layer.self_attn, f'{name}.attention', index, normed, asking)
        attended = self._linear((layer.self_attn.o_proj,), f'{name}.attention.o', mixed)
        x = self.graph.node('Add', [x, attended], f'{name}.middle')
        normed = self._norm(layer.post_attention_layernorm, f'{name}.middle_norm', x)
        return self.graph.node(
            'Add', [x, self._mlp(layer.mlp, f'{name}.mlp', normed)], f'{name}.out'
        )

    def _to_score(self, x: str) -> _Asking:
        """Return the positions to score, with their states out of ``x``."""
        graph = self.graph
        heads = graph.integers(1)
        rows = graph.node('Squeeze', ['mask', heads], 'mask.rows')
        mask = graph.node(
            'Unsqueeze', [self._scored(rows, 'mask.scored_rows'), heads], 'mask.scored'
        )
        return _Asking(
            self._scored(x, 'scored.normed'),
            self._scored('position_ids', 'scored.positions'),
            mask,
        )

    def _attention(self, attention: Any, name: str, index: int, x: str, asking: _Asking) -> str:
        """Return what the heads mix for who asks (B, N, H * E); keep keys and values."""
        graph, heads = self.graph, self.heads
        q, k, v = self._projected(attention, name, x, asking.x)
        q = self._head_norm(attention, f'{name}.q', q)
        k = self._head_norm(attention, f'{name}.k', k)
        q = self.flavour.rotate(graph, q, asking.positions, f'{name}.q_turned')
        k = self.flavour.rotate(graph, k, 'position_ids', f'{name}.k_turned')
        seen = q, self._cache(index, 'k', k), self._cache(index, 'v', v)
        mixed = self.flavour.attend(graph, seen, asking.mask, heads, f'{name}.mixed')
        turned = graph.node('Transpose', [mixed], f'{name}.turned', perm=(0, 2, 1, 3))
        together = graph.integers(0, 0, heads.queries * heads.size)
        return graph.node('Reshape', [turned, together], f'{name}.together')

    def _projected(self, attention: Any, name: str, x: str, asking: str) -> list[str]:
        """Return queries of ``asking``, and keys and values of ``x``."""
        q, *kv = attention.q_proj, attention.k_proj, attention.v_proj
        if x == asking:
            return self._per_head(self._linear((q, *kv), f'{name}.qkv', x), name, 'qkv')
        return [
            *self._per_head(self._linear((q,), f'{name}.q', asking), name, 'q'),
            *self._per_head(self._linear(tuple(kv), f'{name}.kv', x), name, 'kv'),
        ]

    def _per_head(self, joined: str, name: str, labels: str) -> list[str]:
        """Return (B, heads, S, E) for each letter of ``labels`` of (B, S, all heads * E).

        They are turned together and parted then, for small nodes take time by their number.
        """
        graph = self.graph
        counts = [self.heads.queries if label == 'q' else self.heads.keys for label in labels]
        shape = graph.integers(0, 0, sum(counts), self.heads.size)
        rows = graph.node('Reshape', [joined, shape], f'{name}.{labels}.rows')
        turned = graph.node('Transpose', [rows], f'{name}.{labels}.heads', perm=(0, 2, 1, 3))
        if len(labels) == 1:
            return [turned]
        parts = [f'{name}.{label}.heads' for label in labels]
        return graph.nodes('Split', [turned, graph.integers(*counts)], parts, axis=1)

    def _head_norm(self, attention: Any, name: str, x: str) -> str:
        """Normalise queries or keys if the model does."""
        norm = getattr(attention, f'{name[-1]}_norm', None)
        return x if norm is None else self._norm(norm, f'{name}.norm', x)

    def _cache(self, index: int, kind: str, new: str) -> str:
        before, after = (CACHE, CACHE) if self.flavour.is_static else ('past', 'total')
        keys, size = self.heads.keys, self.heads.size
        past = self.graph.input(f'past_{kind}{index}', ('batch', keys, before, size))
        self.graph.output(f'present_{kind}{index}', ('batch', keys, after, size))
        return self.flavour.remember(self.graph, past, new, f'present_{kind}{index}')

    def _mlp(self, mlp: Any, name: str, x: str) -> str:
        gate = self._linear((mlp.gate_proj,), f'{name}.gate', x)
        up = self._linear((mlp.up_proj,), f'{name}.up', x)
        opened = self.graph.node('Sigmoid', [gate], f'{name}.opened')
        silu = self.graph.node('Mul', [gate, opened], f'{name}.silu')
        product = self.graph.node('Mul', [silu, up], f'{name}.product')
        return self._linear((mlp.down_proj,), f'{name}.down', product)

    def _norm(self, norm: Any, name: str, x: str) -> str:
        self.graph.weight(name, as_stored(norm.weight))
        return self.flavour.rms_norm(self.graph, x, name, norm.variance_epsilon)

    def _linear(self, layers: tuple[Any, ...], name: str, x: str) -> str:
        """Apply linear layers that read the same input, as one product."""
        weights = [as_stored(layer.weight).t() for layer in layers]
        self.graph.weight(f'{name}.weight', torch.cat(weights, dim=1))
        if all(layer.bias is None for layer in layers):
            return self.graph.node('MatMul', [x, f'{name}.weight'], name)
        biases = [
            layer.weight.new_zeros(layer.out_features, dtype=torch.float32)
            if layer.bias is None
            else as_stored(layer.bias)
            for layer in layers
        ]
        self.graph.weight(f'{name}.bias', torch.cat(biases))
        product = self.graph.node('MatMul', [x, f'{name}.weight'], f'{name}.product')
        return self.graph.node('Add', [product, f'{name}.bias'], name)

    def _scored(self, x: str, name: str) -> str:
        """Return what of (B, S, ...) is at the positions to score."""
        graph = self.graph
        if not graph.has('chosen'):
            graph.node('Unsqueeze', ['logit_indices', graph.integers(-1)], 'chosen')
        return graph.node('GatherND', [x, 'chosen'], name, batch_dims=1)

    def _logits(self, x: str) -> None:
        graph = self.graph
        normed = self._norm(self.model.model.norm, 'final_norm', x)
        graph.weight('lm_head.weight', as_stored(self.model.lm_head.weight).t())
        graph.node('MatMul', [normed, 'lm_head.weight'], 'logits')
        graph.output('logits', ('batch', 'scored', self.model.lm_head.out_features))
