"""Which decoders the graph stands for: those with the weights of a Llama or a Qwen alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from spatialllm_ros.errors import ConfigError

MODULES = ('lm_head', 'model.norm', 'model.rotary_emb', 'model.layers')
"""What a decoder must have, by the names that Llama gave them."""
PRODUCTS = (
    *(f'self_attn.{name}_proj' for name in 'qkvo'),
    *(f'mlp.{name}_proj' for name in ('gate', 'up', 'down')),
)
NEEDED = {f'{name}.weight' for name in (*PRODUCTS, 'input_layernorm', 'post_attention_layernorm')}
"""Weights of each layer."""
OPTIONAL = {
    *(f'{name}.bias' for name in PRODUCTS), 'self_attn.q_norm.weight', 'self_attn.k_norm.weight',
}  # fmt: skip
FACTORS = ('embedding_multiplier', 'residual_multiplier', 'logits_scaling', 'logit_scale')
"""What some decoders multiply or divide by on the way; the graph does not."""


def check_decoder(model: Any) -> None:
    """Refuse a ``*ForCausalLM`` that computes something else than the graph would.

    What its parts do with the weights is held against the graph once that is there: see
    ``check_parity``.

    Raises:
        ConfigError: names what is missing, what the graph has no place for, and what differs.
    """
    problems = [*_unlike_config(model.config), *_unlike_parts(model)]
    if problems:
        raise ConfigError(
            f'expected a Llama- or Qwen-like decoder, found {type(model).__name__} with '
            f'{"; ".join(problems)}'
        )


def _unlike_config(config: Any) -> Iterator[str]:
    if getattr(config, 'hidden_act', 'silu') != 'silu':
        yield f'hidden_act {config.hidden_act!r} (expected silu)'
    if set(getattr(config, 'layer_types', None) or ['full_attention']) != {'full_attention'}:
        yield f'layer_types {config.layer_types} (expected full attention only)'
    factors = {name: getattr(config, name, None) for name in FACTORS}
    others = {name: value for name, value in factors.items() if value not in (None, 1)}
    yield from (f'{name} {value:g} (expected 1)' for name, value in others.items())


def _unlike_parts(model: Any) -> Iterator[str]:
    parts = dict(model.named_modules())
    yield from (f'no {name}' for name in MODULES if name not in parts)
    if getattr(parts.get('lm_head'), 'bias', None) is not None:
        yield 'a bias in its lm_head'
    found = (words for layer in parts.get('model.layers', ()) for words in _unlike_layer(layer))
    yield from dict.fromkeys(found)  # many layers lack the same
    norms = [part for name, part in parts.items() if name.endswith('norm')]
    others = {type(norm).__name__ for norm in norms if not _is_rms_norm(norm)}
    yield from (f"{kind} (expected Llama's RMSNorm)" for kind in sorted(others))


def _unlike_layer(layer: Any) -> Iterator[str]:
    names = {name for name, _ in layer.named_parameters()}
    yield from (f'no {name}' for name in sorted(NEEDED - names))
    yield from (f'{name} of its own' for name in sorted(names - NEEDED - OPTIONAL))
    attention = getattr(layer, 'self_attn', None)
    scale, size = getattr(attention, 'scaling', None), getattr(attention, 'head_dim', None)
    if scale and size and not math.isclose(scale, size**-0.5):
        yield f'an attention scale of {scale:g} (expected {size**-0.5:g})'


def _is_rms_norm(norm: Any) -> bool:
    """Tell Llama's from those without weights, with means, or that add one to their weights."""
    return type(norm).__name__.endswith('RMSNorm') and hasattr(norm, 'variance_epsilon')
