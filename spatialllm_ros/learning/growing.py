"""A larger decoder that answers as a smaller one does, to train on from there.

What is new reads at random and writes zeros: new heads, hidden units and whole layers add nothing
to the states at first, and new state dimensions hold zeros. So the larger decoder computes what
the smaller one does, and every new weight has a gradient after the first step.
Source: Chen, Goodfellow and Shlens, Net2Net, ICLR 2016, for the idea; Wu et al., LLaMA Pro, ACL
2024, for new layers that begin by adding nothing.

Notation: D state dimensions of the decoder before, D' after.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedConfig

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.grounding import POINTER_LAYER
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration

DECODERS = ('llama', 'qwen2', 'qwen3')
"""Families whose parts have the names and the arithmetic that are counted on here."""
WRITERS = (
    'o_proj.', 'down_proj.', 'embed_tokens.', 'projector.fc2.', 'camera_projection.',
)  # fmt: skip
"""Parts of the names of what adds to the decoder's states."""
STATE_NORM = re.compile(
    r'^language_model\.model\.(layers\.\d+\.(input|post_attention)_layer)?norm\.'
)
"""Names of what divides the decoder's states by their root mean square."""
LAYER = re.compile(r'(?<=^language_model\.model\.layers\.)\d+')
FIRST_LAYERS = POINTER_LAYER + 1
"""So many stay the first ones: training teaches the last of them where to look."""


@dataclass(frozen=True)
class DecoderSize:
    """What a decoder grows to; none of it smaller than before."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int


def grow(
    model: SpatialLLMForConditionalGeneration, size: DecoderSize, seed: int = 0
) -> SpatialLLMForConditionalGeneration:
    """Return a model with a larger decoder and, but for rounding, the same outputs.

    Args:
        model: of any backbones; its decoder has Llama's parts.
        size: of the new decoder. The heads' size stays, and so does the number of query heads for
            each head of keys and values.
        seed: of the random weights.

    Raises:
        ConfigError: the decoder is of another family than ``DECODERS``, is larger than ``size``
            somewhere, or its heads come in groups that ``size.heads`` is no multiple of.
    """
    config = _grown_config(model.config, size)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        grown = SpatialLLMForConditionalGeneration(config)
    nn.Module.to(grown, dtype=model.dtype)
    before = model.config.text_config
    kept = kept_layers(before.num_hidden_layers, size.layers)
    shrink = math.sqrt(before.hidden_size / size.hidden_size)
    old = dict(_tensors(model))
    with torch.no_grad():
        for name, fresh in _tensors(grown):
            fresh.copy_(_grown(name, fresh, old.get(_name_before(name, kept)), shrink))
    return grown


def decoder_size(text: PreTrainedConfig) -> DecoderSize:
    """Return the size that a decoder's configuration describes."""
    return DecoderSize(
        text.hidden_size, text.intermediate_size, text.num_hidden_layers, text.num_attention_heads
    )


def kept_layers(before: int, after: int) -> list[int]:
    """Return where each layer of a decoder goes when it gets ``after`` layers.

    The first ones stay in front, the last stays the last where there are others, and new layers
    are spread evenly between those.
    """
    first = min(FIRST_LAYERS, before)
    rest = before - first
    return [
        *range(first),
        *(first + (index + 1) * (after - first) // rest - 1 for index in range(rest)),
    ]


def _grown_config(config: SpatialLLMConfig, size: DecoderSize) -> SpatialLLMConfig:
    text = config.text_config
    _check_family(text.model_type)
    before = decoder_size(text)
    smaller = [name for name, value in vars(before).items() if getattr(size, name) < value]
    if smaller:
        raise ConfigError(
            f'expected a decoder at least as large as {before}, found a smaller '
            f'{" and ".join(smaller)} in {size}'
        )
    group = text.num_attention_heads // text.num_key_value_heads
    if size.heads % group:
        raise ConfigError(
            f'expected a multiple of {group} heads, as many as share keys and values in this '
            f'decoder, found {size.heads}'
        )
    text_config = {
        **text.to_dict(),
        'hidden_size': size.hidden_size,
        'intermediate_size': size.intermediate_size,
        'num_hidden_layers': size.layers,
        'num_attention_heads': size.heads,
        'num_key_value_heads': size.heads // group,
        'head_dim': getattr(text, 'head_dim', None)
        or text.hidden_size // text.num_attention_heads,
        'rms_norm_eps': text.rms_norm_eps * text.hidden_size / size.hidden_size,
        'layer_types': None,
    }
    return SpatialLLMConfig(**{**config.to_dict(), 'text_config': text_config})


def _check_family(model_type: str) -> None:
    if model_type not in DECODERS:
        raise ConfigError(f'expected a decoder of {DECODERS} to grow, found {model_type!r}')


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield parameters, those that two parts share once, and what else a model remembers."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def _name_before(name: str, kept: list[int]) -> str:
    """Return what a weight of the larger decoder was called; of new layers none was called so."""
    return LAYER.sub(lambda at: str(kept.index(int(at[0]))) if int(at[0]) in kept else 'new', name)


def _grown(
    name: str, fresh: torch.Tensor, old: torch.Tensor | None, shrink: float
) -> torch.Tensor:
    """Return a weight of the larger model: the smaller one's, and around it what begins anew.

    A state's mean square is a D / D'-th of what it was, for its new dimensions are zero: norms
    multiply by the root of that, ``shrink``.
    """
    grown, factor = fresh.clone(), 1.0
    if STATE_NORM.search(name):
        grown, factor = grown * shrink, shrink
    elif any(part in name for part in WRITERS):
        grown.zero_()
    if old is not None:
        grown[tuple(slice(length) for length in old.shape)] = old * factor
    return grown
