"""Attention spelt out in the precision of the run.

On a CPU the fused kernel's backward pass is several times slower than these two products, and
transformers' own spelt-out form goes through float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

PLAIN_ATTENTION = 'spatialllm_plain'


def plain_attention(
    _layer: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend from queries (B, H, S, d) to keys and values (B, G, S, d).

    Each of the G heads of keys and values serves H / G queries. The mask (B, 1, S, S) is added to
    the scores. Returns (B, S, H, d) and no weights.
    """
    shared_by = query.shape[1] // key.shape[1]
    if shared_by > 1:
        key, value = (heads.repeat_interleave(shared_by, dim=1) for heads in (key, value))
    scores = (query * scaling).to(value.dtype) @ key.to(value.dtype).transpose(2, 3)
    # Autocast would have the softmax in float32; within bfloat16 it is summed in float32 anyway.
    with torch.autocast(query.device.type, enabled=False):
        shares = (scores + attention_mask).softmax(dim=-1)
    return (shares @ value).transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register(PLAIN_ATTENTION, plain_attention)
