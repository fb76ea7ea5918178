"""What makes words find objects: losses at each mention of an object in a question.

At the last token of a mention, two attention heads of an early decoder layer are taught to look at
the tokens that show the object (at the first token of the prompt if there is no such object), and
a linear read-out of that token's state is taught the object's 3D state. At the answer mark, a
read-out is taught the numbers behind the answer. All of it vanishes at inference.

Notation: B views, K questions, L packed positions behind the prefix of P, M mentions of all
questions together, T patches of the image, D decoder size. An image has P - 1 tokens: one for
each patch, or one from each backbone where their tokens are interleaved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from spatialllm_ros.learning.object_targets import FRONT_TARGETS, OBJECT_TARGETS
from spatialllm_ros.learning.probing import known_errors
from spatialllm_ros.learning.question_arrays import MAX_NUMBERS, TYPE_NAMES

POINTER_LAYER = 1
"""Index of the decoder layer whose heads point; the layer before it reads the mention's words."""
POINTER_HEADS = 2


@dataclass(frozen=True)
class Mentions:
    """Mentions of a batch of packed questions.

    Attributes:
        view, at: (M,) view and packed position of the mention's last token.
        shares: (M, T) samples of each patch that show the object; all zero if absent.
        targets: (M, 13) the object's 3D state; has_front: (M,) bool.
        present: (M,) bool, whether there is such an object.
    """

    view: torch.Tensor
    at: torch.Tensor
    shares: torch.Tensor
    targets: torch.Tensor
    has_front: torch.Tensor
    present: torch.Tensor


class GroundingHeads(nn.Module):
    """The read-outs of mention states and answer marks."""

    def __init__(self, size: int) -> None:
        """Build linear read-outs of decoder states of ``size``."""
        super().__init__()
        self.objects = nn.Linear(size, len(OBJECT_TARGETS))
        self.numbers = nn.Linear(size, len(TYPE_NAMES) * MAX_NUMBERS)

    def answer_numbers(self, states: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """Return (K, 4) numbers read at the answer marks (K, D) of questions of these types."""
        every = self.numbers(states).view(len(types), len(TYPE_NAMES), MAX_NUMBERS)
        return every[torch.arange(len(types), device=types.device), types]


def pointer_log_probabilities(
    decoder: Any, states: torch.Tensor, mentions: Mentions, segments: torch.Tensor,
    positions: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Return how the pointing heads look from each mention: (M, heads, P + 1).

    The last column is all that a mention sees behind the prefix. Log-probabilities.

    Args:
        decoder: a Llama-like model with ``layers`` and ``rotary_emb``.
        states: (B, P + L, D) inputs of the pointing layer.
        mentions: where to look from.
        segments: (B, L) which question each packed position belongs to.
        positions: (B, L) positions within the prompt.
    """
    layer = decoder.layers[POINTER_LAYER]
    attention = layer.self_attn
    prefix = states.shape[1] - segments.shape[1]
    normed = layer.input_layernorm(states)
    head = torch.arange(prefix, device=positions.device).expand(len(positions), -1)
    cos, sin = decoder.rotary_emb(normed, torch.cat([head, positions], dim=1))
    at = prefix + mentions.at
    asked = _heads(attention, 'q', normed[mentions.view, at])
    query = _rotated(asked[:, :POINTER_HEADS], cos[mentions.view, at], sin[mentions.view, at])
    keys = _heads(attention, 'k', normed)
    group = asked.shape[1] // keys.shape[2]
    chosen = torch.arange(POINTER_HEADS, device=keys.device) // group
    keys = _rotated(keys[:, :, chosen], cos, sin)
    scores = _scores(query, keys, mentions.view).float() * attention.scaling
    hidden = _hidden_from(mentions, segments)
    behind = scores[:, :, prefix:].masked_fill(hidden.unsqueeze(1), -1e9)
    grouped = torch.cat([scores[:, :, :prefix], behind.logsumexp(-1, keepdim=True)], dim=-1)
    return F.log_softmax(grouped, dim=-1)


def _heads(attention: Any, name: str, states: torch.Tensor) -> torch.Tensor:
    """Return the queries or keys (..., H, d) of states (..., D), as the layer normalises them."""
    project = getattr(attention, f'{name}_proj')
    heads: torch.Tensor = project(states).unflatten(-1, (-1, attention.head_dim))
    norm = getattr(attention, f'{name}_norm', None)
    return heads if norm is None else norm(heads)


def _scores(query: torch.Tensor, keys: torch.Tensor, view: torch.Tensor) -> torch.Tensor:
    """Return the products (M, H, S) of queries (M, H, d) with the keys (B, S, H, d) of their view.

    The queries of a view are multiplied at once: a copy of its keys for each would take longer.
    ``view`` rises.
    """
    rank = torch.arange(len(view), device=view.device) - torch.searchsorted(view, view)
    most = int(rank.max()) + 1 if len(rank) else 0
    padded = query.new_zeros(len(keys), most, *query.shape[1:])
    padded[view, rank] = query
    products = torch.einsum('bmhd,bkhd->bmhk', padded, keys.to(query.dtype))
    return products[view, rank]


def _hidden_from(mentions: Mentions, segments: torch.Tensor) -> torch.Tensor:
    """Return (M, L) what a mention does not see: what follows, and other questions."""
    follows = torch.arange(segments.shape[1], device=segments.device) > mentions.at.unsqueeze(1)
    own = segments[mentions.view, mentions.at].unsqueeze(1)
    return follows | (segments[mentions.view] != own)


def pointer_loss(log_probabilities: torch.Tensor, mentions: Mentions) -> torch.Tensor:
    """Return the cross entropy to the object's tokens, or to the first position if absent."""
    shares = _token_shares(log_probabilities, mentions)
    wanted = torch.zeros_like(log_probabilities[:, 0])
    wanted[:, 1:-1] = shares / shares.sum(-1, keepdim=True).clamp(min=1)
    wanted[:, 0] = (~mentions.present).float()
    losses = -(wanted.unsqueeze(1) * log_probabilities).sum(-1)
    return losses.mean() if len(losses) else losses.sum()  # zero, and part of the graph


def pointed_right(log_probabilities: torch.Tensor, mentions: Mentions) -> torch.Tensor:
    """Return of each present mention whether its first head looks mostly at the object."""
    shares = _token_shares(log_probabilities, mentions)
    mass = log_probabilities[:, 0, 1:-1].exp() * (shares > 0)
    return (mass.sum(-1) > 0.5)[mentions.present].float()


def _token_shares(log_probabilities: torch.Tensor, mentions: Mentions) -> torch.Tensor:
    """Return the shares (M, P - 1) of all image tokens: those of a patch stand side by side."""
    streams = (log_probabilities.shape[-1] - 2) // mentions.shares.shape[1]
    return mentions.shares.repeat_interleave(streams, dim=1)


def object_loss(values: torch.Tensor, mentions: Mentions) -> torch.Tensor:
    """Return the regression loss (M, 13) values to what is known of the objects' 3D state."""
    errors = known_errors(values, mentions.targets, beta=0.05)
    weight = mentions.present.float().unsqueeze(-1).expand_as(errors).clone()
    weight[:, FRONT_TARGETS] *= mentions.has_front.float().unsqueeze(-1)
    return (errors * weight).sum() / mentions.present.sum().clamp(min=1)


def number_loss(values: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Return the regression loss of (K, 4) values to the numbers that exist."""
    exists = ~torch.isnan(numbers)
    errors = F.smooth_l1_loss(values, numbers.nan_to_num(), reduction='none', beta=0.1)
    return (errors * exists).sum() / exists.sum().clamp(min=1)


def _rotated(values: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn (..., H, d) by the rotary angles (..., d)."""
    first, second = values.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return values * cos.unsqueeze(-2) + turned * sin.unsqueeze(-2)
