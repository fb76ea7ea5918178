"""A Llama decoder in torch with one cache of fixed size, questions abreast as in the run time.

It computes with the very weights of a transformers model and never allocates in a step, so that
its steps can be recorded as CUDA graphs. It is there to be timed; no robot runs it.

Notation: S new positions, C positions of the cache, D hidden size, E head size, H query heads, K
key heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from spatialllm_ros.deploy.decoder_graph import decoder_heads

FEW = 8
"""Positions up to which launches and memory, not products, take the time: fusing helps these."""


class _Layer(NamedTuple):
    input_norm: torch.Tensor
    qkv: torch.Tensor
    o: torch.Tensor
    middle_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class _Cache(NamedTuple):
    """Of one layer, (K, C, E) each."""

    keys: torch.Tensor
    values: torch.Tensor


class _Place(NamedTuple):
    """Where new positions go: angles (S, E), slots (S,), and what is added to scores (G S, C).

    A group has G = H / K queries of each position. Sines are negative in their first half.
    """

    cos: torch.Tensor
    sin: torch.Tensor
    slots: torch.Tensor
    bias: torch.Tensor


class _Parts(NamedTuple):
    """What a layer is made of between its norms, and the head.

    Compiled, each is a graph of its own, so that what one hands to the next is stored. Within one
    graph inductor normalises, and gates, anew in each of the thousands of rows of a product.
    """

    attended: Callable[..., torch.Tensor]
    added: Callable[..., torch.Tensor]
    gated: Callable[..., torch.Tensor]
    scores: Callable[..., torch.Tensor]


class _Sizes(NamedTuple):
    queries: int
    keys: int
    head: int
    epsilon: float


class JoinedWeights:
    """The weights of a ``LlamaForCausalLM``, those of one input joined.

    The model keeps views of them, so that both take the memory of one.
    """

    def __init__(self, model: Any) -> None:
        """Join the weights of a model on any device, in any floating type, without biases."""
        heads = decoder_heads(model.config)
        self.sizes = _Sizes(heads.queries, heads.keys, heads.size, model.config.rms_norm_eps)
        self.rotary = model.model.rotary_emb
        self.table, self.head = model.model.embed_tokens.weight, model.lm_head.weight
        self.norm = model.model.norm.weight
        self.layers = [_joined(layer) for layer in model.model.layers]

    @property
    def step_bytes(self) -> int:
        """What one step reads: all but the table of words."""
        read = [*(weight for layer in self.layers for weight in layer), self.norm, self.head]
        return sum(weight.numel() * weight.element_size() for weight in read)

    @property
    def factors(self) -> int:
        """How many weights every position is multiplied with; scores are made of few of them."""
        matrices = [weight for layer in self.layers for weight in layer if weight.dim() > 1]
        return sum(weight.numel() for weight in matrices)


class StaticDecoder:
    """A decoder with a cache; ``capacity`` is how many positions it holds."""

    def __init__(
        self,
        weights: JoinedWeights,
        capacity: int,
        compiled_by: str | None = None,
        *,
        tuned: bool = False,
    ) -> None:
        """Allocate the cache.

        Args:
            weights: used, not copied.
            capacity: positions of the cache.
            compiled_by: the backend of ``torch.compile`` that few positions at a time go
                through; none for torch's own kernels.
            tuned: time kernels when compiling, for half a minute or more. Only with it does
                inductor write a product with one row itself, fused with what is around it.
                Source: ``mm`` in torch/_inductor/decomposition.py, torch 2.13.
        """
        self.capacity, self._weights = capacity, weights
        shape = (weights.sizes.keys, capacity, weights.sizes.head)
        self._caches = [
            _Cache(weights.table.new_zeros(shape), weights.table.new_zeros(shape))
            for _ in weights.layers
        ]
        places = torch.arange(capacity, device=weights.table.device)[None]
        self._cos, sin = (table[0] for table in weights.rotary(weights.table, places))
        first, second = sin.chunk(2, dim=-1)
        self._sin = torch.cat([-first, second], dim=-1)
        self._many = self._few = _Parts(_attended, _added, _gated, _scores)
        if compiled_by:
            torch.compiler.reset()  # it gives up after a few shapes, and each cache has its own
            options = {'coordinate_descent_tuning': tuned} if compiled_by == 'inductor' else {}
            compiled = partial(torch.compile, backend=compiled_by, dynamic=False, options=options)
            self._few = _Parts(*map(compiled, (_attended_spread, _added, _gated_spread, _scores)))

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the (S, D) embeddings of words."""
        return F.embedding(tokens, self._weights.table)

    def read(
        self, x: torch.Tensor, positions: torch.Tensor, slots: torch.Tensor, visible: torch.Tensor
    ) -> torch.Tensor:
        """Put positions into the cache and return their states (S, D).

        Args:
            x: (S, D) embeddings.
            positions: (S,) places in their texts, from which angles come.
            slots: (S,) where in the cache they go.
            visible: (S, C) what each sees of the cache, itself included.
        """
        weights, sizes = self._weights, self._weights.sizes
        hidden = torch.full_like(visible, -torch.inf, dtype=x.dtype)
        bias = hidden.masked_fill(visible, 0).repeat(sizes.queries // sizes.keys, 1)
        place = _Place(self._cos[positions], self._sin[positions], slots, bias)
        parts = self._few if len(x) <= FEW else self._many
        for own, cache in zip(weights.layers, self._caches, strict=True):
            x = _layer(x, own, cache, place, sizes, parts)
        return F.rms_norm(x, x.shape[-1:], weights.norm, sizes.epsilon)

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Return the scores (N, V) of what follows some states (N, D)."""
        parts = self._few if len(states) <= FEW else self._many
        return parts.scores(states, self._weights.head)


class StaticStrands:
    """Questions of one length behind one prefix, each of which a step writes a word of.

    All that changes lies in tensors that stay where they are.

    Attributes:
        words: (N,) the newest word of each question.
    """

    def __init__(self, decoder: StaticDecoder, prefix: int, questions: torch.Tensor) -> None:
        """Lay out questions (N, Q) of token ids behind a prefix of so many positions."""
        device = questions.device
        count, length = questions.shape
        end = prefix + questions.numel()
        own = [torch.ones(length, length, dtype=torch.bool, device=device).tril()] * count
        self._decoder, self._ids = decoder, questions.flatten()
        self._ends = torch.arange(length - 1, count * length, length, device=device)
        self._places = torch.arange(prefix, prefix + length, device=device).repeat(count)
        self._slots = torch.arange(prefix, end, device=device)
        self._visible = torch.zeros(
            end - prefix, decoder.capacity, dtype=torch.bool, device=device
        )
        self._visible[:, :prefix] = True
        self._visible[:, prefix:end] = torch.block_diag(*own)
        self.words = torch.zeros(count, dtype=torch.int64, device=device)
        self._new_slots = torch.arange(end, end + count, device=device)
        self._state = (
            torch.zeros_like(self.words),
            torch.zeros_like(self.words),
            torch.zeros_like(self._visible[:count]),
        )

    def ask(self) -> torch.Tensor:
        """Read the questions, write a first word of each, and return its logits (N, V)."""
        x = self._decoder.embed(self._ids)
        states = self._decoder.read(x, self._places, self._slots, self._visible)
        places, slots, visible = self._state
        places.copy_(self._places[self._ends] + 1)
        slots.copy_(self._new_slots)
        visible.copy_(self._visible[self._ends])
        return self._write(states[self._ends])

    def step(self) -> torch.Tensor:
        """Read the newest words, write the next ones, and return their logits (N, V)."""
        places, slots, visible = self._state
        visible.scatter_(1, slots[:, None], True)
        states = self._decoder.read(self._decoder.embed(self.words), places, slots, visible)
        places.add_(1)
        slots.add_(len(slots))
        return self._write(states)

    def _write(self, states: torch.Tensor) -> torch.Tensor:
        logits = self._decoder.logits(states)
        self.words.copy_(logits.argmax(dim=-1))
        return logits


def read_prefix(decoder: StaticDecoder, embeddings: torch.Tensor) -> torch.Tensor:
    """Read a prefix (P, D) into an empty cache and return its states (P, D)."""
    places = torch.arange(len(embeddings), device=embeddings.device)
    columns = torch.arange(decoder.capacity, device=embeddings.device)
    return decoder.read(embeddings, places, places, columns <= places[:, None])


def _joined(layer: Any) -> _Layer:
    """Return a layer's weights, products of one input joined; the layer keeps views of them."""
    attention, mlp = layer.self_attn, layer.mlp
    return _Layer(
        layer.input_layernorm.weight.detach(),
        _share([attention.q_proj, attention.k_proj, attention.v_proj]),
        attention.o_proj.weight.detach(),
        layer.post_attention_layernorm.weight.detach(),
        _share([mlp.gate_proj, mlp.up_proj]),
        mlp.down_proj.weight.detach(),
    )


def _share(parts: Sequence[Any]) -> torch.Tensor:
    """Join weights, and put them back as views, so that both models take the memory of one."""
    joined = torch.cat([part.weight.detach() for part in parts])
    views = joined.split([part.out_features for part in parts])
    for part, view in zip(parts, views, strict=True):
        part.weight.data = view
    return joined


def _layer(
    x: torch.Tensor,
    weights: _Layer,
    cache: _Cache,
    place: _Place,
    sizes: _Sizes,
    parts: _Parts,
) -> torch.Tensor:
    """Return (S, D) behind one layer; its keys and values go into the cache."""
    normed = F.rms_norm(x, x.shape[-1:], weights.input_norm, sizes.epsilon)
    x = parts.added(x, parts.attended(normed, weights.qkv, cache, place, sizes), weights.o)
    normed = F.rms_norm(x, x.shape[-1:], weights.middle_norm, sizes.epsilon)
    return parts.added(x, parts.gated(normed, weights.gate_up), weights.down)


def _attended(
    x: torch.Tensor,
    weight: torch.Tensor,
    cache: _Cache,
    place: _Place,
    sizes: _Sizes,
    attention: Callable[..., torch.Tensor] = F.scaled_dot_product_attention,
) -> torch.Tensor:
    """Return what all heads have seen (S, H E)."""
    count, queries, keys, head = len(x), sizes.queries, sizes.keys, sizes.head
    heads = F.linear(x, weight).view(count, -1, head).transpose(0, 1)
    turned = _turned(heads[: queries + keys], place.cos, place.sin)
    cache.keys.index_copy_(1, place.slots, turned[queries:])
    cache.values.index_copy_(1, place.slots, heads[queries + keys :])
    # The query heads of a group stand one below the other, so that each key is read once.
    grouped = turned[:queries].reshape(1, keys, -1, head)
    mixed = attention(grouped, cache.keys[None], cache.values[None], place.bias)
    return mixed.reshape(queries, count, head).transpose(0, 1).reshape(count, -1)


def _attended_spread(
    x: torch.Tensor, weight: torch.Tensor, cache: _Cache, place: _Place, sizes: _Sizes
) -> torch.Tensor:
    return _attended(x, weight, cache, place, sizes, _spread_attention)


def _added(x: torch.Tensor, other: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x + F.linear(other, weight)


def _gated(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return SwiGLU (S, I) of joined weights."""
    gate, up = F.linear(x, weight).chunk(2, dim=-1)
    return F.silu(gate) * up


def _gated_spread(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the same from products apart, which a compiler fuses with each other and the gate."""
    gate, up = (F.linear(x, half) for half in weight.chunk(2))
    return F.silu(gate) * up


def _scores(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.linear(states, weight)


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn the first half of each head (heads, S, E) against the second."""
    return x * cos + x.unflatten(-1, (2, -1)).flip(-2).flatten(-2) * sin


def _spread_attention(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Return what ``F.scaled_dot_product_attention`` does, in steps.

    Its kernels give a head to one multiprocessor, which then goes through the cache alone while
    a hundred others wait. Compiled, the products of the first sum are never stored.
    """
    scores = (queries[..., None, :] * keys[..., None, :, :]).sum(-1, dtype=torch.float32)
    shares = (scores * queries.shape[-1] ** -0.5 + bias).softmax(dim=-1)
    return shares.to(values.dtype) @ values
