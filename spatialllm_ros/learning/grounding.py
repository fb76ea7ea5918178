"""What makes words find objects: losses at each mention of an object in a question.

At the last token of a mention, two attention heads of an early decoder layer are taught to look at
the tokens that show the object (at the first token of the prompt if there is no such object), and
a linear read-out of that token's state is taught the object's 3D state. At the answer mark, a
read-out is taught the numbers behind the answer. All of it vanishes at inference.

Notation: N question rows, S positions, M mentions of all rows together, P prefix positions,
T image tokens, D decoder size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from spatialllm_ros.learning.object_targets import FRONT_TARGETS, OBJECT_TARGETS
from spatialllm_ros.learning.question_arrays import MAX_NUMBERS, TYPE_NAMES

POINTER_LAYER = 1
"""Index of the decoder layer whose heads point; the layer before it reads the mention's words."""
POINTER_HEADS = 2


@dataclass(frozen=True)
class Mentions:
    """Mentions of a batch of question rows.

    Attributes:
        row, at: (M,) question row and position of the mention's last token.
        shares: (M, T) samples of each image token that show the object; all zero if absent.
        targets: (M, 13) the object's 3D state; has_front: (M,) bool.
        present: (M,) bool, whether there is such an object.
    """

    row: torch.Tensor
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
        """Return (N, 4) numbers read at the answer marks (N, D) of questions of these types."""
        every = self.numbers(states).view(len(types), len(TYPE_NAMES), MAX_NUMBERS)
        return every[torch.arange(len(types), device=types.device), types]


def pointer_log_probabilities(
    decoder: Any, states: torch.Tensor, keys: torch.Tensor, mentions: Mentions, prefix: int
) -> torch.Tensor:
    """Return how the pointing heads look from each mention: (M, heads, P + S) log-probabilities.

    Args:
        decoder: a Llama-like model with ``layers`` and ``rotary_emb``.
        states: (N, S, D) inputs of the pointing layer for the question tokens.
        keys: (N, H, P + S, d) keys of that layer, already rotated.
        mentions: where to look from.
        prefix: P, positions before the question.
    """
    layer = decoder.layers[POINTER_LAYER]
    attention = layer.self_attn
    asked = states[mentions.row, mentions.at]
    size = attention.head_dim
    query = attention.q_proj(layer.input_layernorm(asked))[:, : POINTER_HEADS * size]
    query = query.view(-1, POINTER_HEADS, size)
    cos, sin = decoder.rotary_emb(query, (mentions.at + prefix).unsqueeze(0))
    query = query * cos[0].unsqueeze(1) + _rotate_half(query) * sin[0].unsqueeze(1)
    group = attention.config.num_attention_heads // keys.shape[1]
    heads = torch.arange(POINTER_HEADS, device=keys.device) // group
    seen = keys[mentions.row][:, heads]
    scores = torch.einsum('mhd,mhkd->mhk', query, seen) * size**-0.5
    hidden = torch.arange(keys.shape[2], device=keys.device) > (mentions.at + prefix).unsqueeze(-1)
    return F.log_softmax(scores.masked_fill(hidden.unsqueeze(1), -1e9), dim=-1)


def pointer_loss(log_probabilities: torch.Tensor, mentions: Mentions) -> torch.Tensor:
    """Return the cross entropy to the object's tokens, or to the first position if absent."""
    tokens = mentions.shares.shape[1]
    wanted = torch.zeros_like(log_probabilities[:, 0])
    wanted[:, 1 : 1 + tokens] = mentions.shares / mentions.shares.sum(-1, keepdim=True).clamp(
        min=1
    )
    wanted[:, 0] = (~mentions.present).float()
    return -(wanted.unsqueeze(1) * log_probabilities).sum(-1).mean()


def pointer_accuracy(log_probabilities: torch.Tensor, mentions: Mentions) -> torch.Tensor:
    """Return the share of present mentions whose first head looks mostly at the object."""
    tokens = mentions.shares.shape[1]
    mass = log_probabilities[:, 0, 1 : 1 + tokens].exp() * (mentions.shares > 0)
    return (mass.sum(-1) > 0.5)[mentions.present].float().mean()


def object_loss(values: torch.Tensor, mentions: Mentions) -> torch.Tensor:
    """Return the regression loss (M, 13) values to the objects' 3D state."""
    errors = F.smooth_l1_loss(values, mentions.targets, reduction='none', beta=0.05)
    weight = mentions.present.float().unsqueeze(-1).expand_as(errors).clone()
    weight[:, FRONT_TARGETS] *= mentions.has_front.float().unsqueeze(-1)
    return (errors * weight).sum() / mentions.present.sum().clamp(min=1)


def number_loss(values: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Return the regression loss of (N, 4) values to the numbers that exist."""
    exists = ~torch.isnan(numbers)
    errors = F.smooth_l1_loss(values, numbers.nan_to_num(), reduction='none', beta=0.1)
    return (errors * exists).sum() / exists.sum().clamp(min=1)


def _rotate_half(values: torch.Tensor) -> torch.Tensor:
    first, second = values.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1)
