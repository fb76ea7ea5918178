"""Which configurations of transformers can be parts of a SpatialLLM, and fit together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedConfig

from spatialllm_ros.errors import ConfigError

NANO = 'spatialllm_vision'
USES = ('size', 'mean', 'std', 'layer')
BACKBONE_SIZES = ('hidden_size', 'num_hidden_layers', 'num_attention_heads', 'patch_size')


def check_backbones(parts: Sequence[PreTrainedConfig], fusion: str) -> None:
    """Refuse what gives no image tokens, or tokens that cannot be fused.

    Raises:
        ConfigError: there is no backbone, or one that is none, is used in a way that there is not
            or does not fit the others.
    """
    if not parts:
        raise ConfigError('expected at least one backbone under vision_configs, found none')
    for part in parts:
        _check_kind(part)
        _check_mask(part)
        _check_use(part)
    widths = [part.hidden_size for part in parts]
    if fusion == 'token' and len(set(widths)) > 1:
        raise ConfigError(
            f'expected one hidden_size of all backbones where fusion is token, found {widths}: '
            'choose backbones of one size, or channel for fusion'
        )


def check_decoder(text: PreTrainedConfig) -> None:
    """Refuse what is no causal decoder.

    Raises:
        ConfigError: its kind is none, or its heads cannot share keys and values.
    """
    if type(text) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ConfigError(
            f'expected a causal decoder under text_config, found a {text.model_type}: name one '
            'that AutoModelForCausalLM knows, such as llama or qwen2'
        )
    heads = getattr(text, 'num_attention_heads', 1)
    keys = getattr(text, 'num_key_value_heads', None) or heads
    if not heads or heads % keys:
        raise ConfigError(
            f'expected num_attention_heads to be a multiple of num_key_value_heads, found {heads} '
            f'and {keys} under text_config'
        )


def check_counts(name: str, found: Any) -> None:
    """Refuse what is no pair of whole numbers above zero.

    Raises:
        ConfigError: it is none.
    """
    pair = found if isinstance(found, list | tuple) else ()
    if len(pair) != 2 or not all(isinstance(one, int) and one > 0 for one in pair):
        raise ConfigError(f'expected two whole numbers above 0 as {name}, found {found!r}')


def check_normalisation(found: Any) -> None:
    """Refuse what is no mean and standard deviation.

    Raises:
        ConfigError: it is none.
    """
    pair = found if isinstance(found, list | tuple) else ()
    if len(pair) != 2 or not all(isinstance(one, int | float) for one in pair) or pair[1] <= 0:
        raise ConfigError(
            f'expected a mean and a deviation above 0 as image_normalisation, found {found!r}'
        )


def _check_kind(part: PreTrainedConfig) -> None:
    lacking = [name for name in BACKBONE_SIZES if not hasattr(part, name)]
    if lacking and (part.model_type, lacking) != (NANO, ['patch_size']):
        raise ConfigError(
            f'expected a vision transformer under vision_configs, found a {part.model_type} '
            f'without {" and ".join(lacking)}: of a model of images and words, name the vision '
            'part, such as clip_vision_model'
        )


def _check_mask(part: PreTrainedConfig) -> None:
    hidden = getattr(part, 'mask_ratio', 0)
    if hidden:
        raise ConfigError(
            f'expected mask_ratio: 0 of a {part.model_type}, which is to see whole images here, '
            f'found {hidden}: write it beside the model_type'
        )


def _check_use(part: PreTrainedConfig) -> None:
    use = getattr(part, 'use', {})
    if not isinstance(use, dict) or set(use) - set(USES):
        raise ConfigError(f'expected a backbone to be used by {USES}, found {use}')
    if use and part.model_type == NANO:
        raise ConfigError(
            f'expected no use of {NANO}, which takes the canvas as it is and is read at its end, '
            f'found {use}: leave it out'
        )
    if 'size' in use:
        check_counts('size of a backbone', use['size'])
    layers = part.num_hidden_layers
    if 'layer' in use and use['layer'] not in range(-layers - 1, layers + 1):
        raise ConfigError(
            f'expected a layer of -{layers + 1} to {layers} of a {part.model_type} with {layers} '
            f'layers, found {use["layer"]!r}'
        )
