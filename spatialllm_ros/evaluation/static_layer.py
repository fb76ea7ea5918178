"""A layer of the decoder that the GPU page times: for many positions at a time, for few, for one.

All three compute the same. Many positions take torch's own kernels. Few and one are compiled, in
parts, so that what one part hands to the next is stored: within one graph inductor would gate anew
in each of the thousands of rows of a product. With one position memory and launches take the
time, so its products are written as sums, which inductor fuses with what is around them.

Notation: S new positions, C positions of the cache, D hidden size, E head size, H query heads, K
key heads, G = H / K query heads of each key head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F


class Layer(NamedTuple):
    """The weights of one layer, those of one input joined."""

    input_norm: torch.Tensor
    qkv: torch.Tensor
    o: torch.Tensor
    middle_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class Place(NamedTuple):
    """Where new positions go: angles (S, E), slots (S,), and what is added to scores (G S, C).

    Sines are negative in their first half.
    """

    cos: torch.Tensor
    sin: torch.Tensor
    slots: torch.Tensor
    bias: torch.Tensor


class Sizes(NamedTuple):
    """Heads, the size of each, and what keeps norms from dividing by zero."""

    queries: int
    keys: int
    head: int
    epsilon: float


class Parts(NamedTuple):
    """What a layer is made of, and the head over the words."""

    attended: Callable[..., torch.Tensor]
    added: Callable[..., torch.Tensor]
    gated: Callable[..., torch.Tensor]
    scores: Callable[..., torch.Tensor]


def apply_layer(
    x: torch.Tensor, own: Layer, cache: torch.Tensor, place: Place, sizes: Sizes, parts: Parts
) -> torch.Tensor:
    """Return (S, D) behind one layer.

    Args:
        x: (S, D).
        own: the layer's weights.
        cache: (2 K, C, E) its keys, then its values; those of ``x`` go into it.
        place: where the positions go.
        sizes: of the heads.
        parts: for so many positions.
    """
    x = parts.added(x, parts.attended(x, own.input_norm, own.qkv, cache, place, sizes), own.o)
    return parts.added(x, parts.gated(x, own.middle_norm, own.gate_up, sizes.epsilon), own.down)


def _of_normed(
    x: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor, epsilon: float
) -> torch.Tensor:
    return F.linear(F.rms_norm(x, x.shape[-1:], norm, epsilon), weight)


def _of_one_normed(
    x: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """Return the same for one position, with the norm within the rows of the product.

    A row sums the squares while it reads its weights: no launch, and no second reading.
    """
    squares = x.float().square().expand(len(weight), -1).mean(dim=-1)
    summed = (weight * (x * norm)).sum(dim=-1, dtype=torch.float32)
    return (summed * torch.rsqrt(squares + epsilon))[None].to(x.dtype)


def _product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return ``F.linear`` of one position in float32."""
    return (weight * x).sum(dim=-1, dtype=torch.float32)[None]


def _attended(
    x: torch.Tensor,
    norm: torch.Tensor,
    weight: torch.Tensor,
    cache: torch.Tensor,
    place: Place,
    sizes: Sizes,
    *,
    product: Callable[..., torch.Tensor] = _of_normed,
    attention: Callable[..., torch.Tensor] = F.scaled_dot_product_attention,
) -> torch.Tensor:
    """Return what all heads have seen (S, H E)."""
    count, queries, keys, head = len(x), sizes.queries, sizes.keys, sizes.head
    heads = product(x, norm, weight, sizes.epsilon).view(count, -1, head).transpose(0, 1)
    turned = _turned(heads[: queries + keys], place.cos, place.sin)
    cache.index_copy_(1, place.slots, torch.cat([turned[queries:], heads[queries + keys :]]))
    # The query heads of a group stand one below the other, so that each key is read once.
    grouped = turned[:queries].reshape(1, keys, -1, head)
    mixed = attention(grouped, cache[None, :keys], cache[None, keys:], place.bias)
    return mixed.reshape(queries, count, head).transpose(0, 1).reshape(count, -1)


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn the first half of each head (heads, S, E) against the second."""
    return x * cos + x.unflatten(-1, (2, -1)).flip(-2).flatten(-2) * sin


def _scaled(queries: torch.Tensor, keys: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Return the scores of positions (1, K, G S, C); compiled, no product is ever stored."""
    scores = (queries[..., None, :] * keys[..., None, :, :]).sum(-1, dtype=torch.float32)
    return scores * queries.shape[-1] ** -0.5 + bias


def _spread_attention(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Return what ``F.scaled_dot_product_attention`` does, in steps.

    Its kernels give a head to one multiprocessor, which then goes through the cache alone while
    a hundred others wait.
    """
    return _scaled(queries, keys, bias).softmax(dim=-1).to(values.dtype) @ values


def _summed_attention(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Return the same in two launches: each element of a head takes the softmax for itself."""
    scores = _scaled(queries, keys, bias)[..., None].expand(
        *values.shape[:-3], -1, -1, -1, values.shape[-1]
    )
    return (scores.softmax(dim=-2) * values[..., None, :, :]).sum(dim=-2).to(values.dtype)


def _added(x: torch.Tensor, other: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x + F.linear(other, weight)


def _added_by_one(x: torch.Tensor, other: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (x + _product(other, weight)).to(x.dtype)


def _gated(
    x: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """Return SwiGLU (S, I) of joined weights."""
    gate, up = _of_normed(x, norm, weight, epsilon).chunk(2, dim=-1)
    return F.silu(gate) * up


def _gated_by_one(
    x: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """Return the same from products apart, which a compiler fuses with each other and the gate."""
    gate, up = (_of_one_normed(x, norm, half, epsilon) for half in weight.chunk(2))
    return F.silu(gate) * up


def _scores(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.linear(states, weight)


def _scores_of_one(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return _product(states, weight).to(states.dtype)


def _attended_by_few(*inputs: Any) -> torch.Tensor:
    return _attended(*inputs, attention=_spread_attention)


def _attended_by_one(*inputs: Any) -> torch.Tensor:
    return _attended(*inputs, product=_of_one_normed, attention=_summed_attention)


MANY = Parts(_attended, _added, _gated, _scores)
FEW = Parts(_attended_by_few, _added, _gated, _scores)
ONE = Parts(_attended_by_one, _added_by_one, _gated_by_one, _scores_of_one)
