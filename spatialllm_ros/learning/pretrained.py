"""Weights of pretrained parts: taken whole, by parts that compute what these were trained for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from torch import nn
from transformers import AutoConfig, PreTrainedConfig

from spatialllm_ros.errors import ConfigError

ARITHMETIC = (
    'hidden_act', 'layer_norm_eps', 'rms_norm_eps', 'num_attention_heads', 'num_key_value_heads',
    'head_dim', 'rope_parameters', 'sliding_window', 'attention_multiplier',
    'embedding_multiplier', 'residual_multiplier', 'logits_scaling',
)  # fmt: skip
"""What weights do not show by their names and shapes, and all that is computed depends on."""
DECODER_ARITHMETIC = ('model_type', 'tie_word_embeddings', *ARITHMETIC)
UNUSED = re.compile(r'(^|\.)(mask_token|position_ids)$')
"""Names of what checkpoints of a backbone may hold beside its own weights."""


def load_backbone(tower: nn.Module, source: str, read: Collection[str]) -> None:
    """Put pretrained weights into a backbone.

    Args:
        tower: a model of transformers, changed in place.
        source: a folder or a name on the hub; a text tower or a classifier there is left out.
        read: names of the parameters that its tokens depend on; the others may lack.

    Raises:
        ConfigError: there are no weights, or those of a backbone of another kind or size.
    """
    kind, config = type(tower), tower.config
    found = _config(kind, source)
    found = getattr(found, 'vision_config', found)
    loaded, report = _loaded(kind, source, config=config)
    own = {name for name, _ in tower.named_children()}
    prefix = f'{kind.base_model_prefix}.'  # type: ignore[attr-defined]
    names = (name.removeprefix(prefix) for name in report['unexpected_keys'])
    extra = [n for n in names if n.partition('.')[0] in own and not UNUSED.search(n)]
    _check_report(kind, f'{source} (a {found.model_type})', report, read, extra)
    _check_arithmetic(config, found, ARITHMETIC, source)  # type: ignore[arg-type]
    tower.load_state_dict(loaded.state_dict())


def load_decoder(decoder: nn.Module, source: str) -> None:
    """Put a pretrained decoder's weights into one that knows a few tokens more.

    Args:
        decoder: a model of transformers, changed in place.
        source: a folder or a name on the hub.

    Raises:
        ConfigError: there are no weights, or those of a decoder of another kind or size.
    """
    kind: Any = type(decoder)
    config = _config(kind, source)
    _check_arithmetic(decoder.config, config, DECODER_ARITHMETIC, source)  # type: ignore[arg-type]
    loaded, report = _loaded(kind, source)
    own = decoder.state_dict()
    _check_report(kind, source, report, own, report['unexpected_keys'])
    size = int(decoder.get_input_embeddings().weight.shape[0])  # type: ignore[operator]
    # New tokens start at the mean of the old ones, which a trained decoder takes without a shock.
    loaded.resize_token_embeddings(size, mean_resizing=True)  # type: ignore[operator]
    found = loaded.state_dict()
    shapes, others = ({n: v.shape for n, v in part.items()} for part in (own, found))
    unlike = sorted(n for n in {**shapes, **others} if shapes.get(n) != others.get(n))
    if unlike:
        raise ConfigError(
            f'expected a decoder of the sizes under text_config, found others in {source} at '
            f'{unlike[:3]}: copy them from its config.json'
        )
    decoder.load_state_dict(found)


def absent(what: str, source: str, file: str, error: Exception) -> str:
    """Return what to tell where a part of a pretrained model cannot be read."""
    reason = str(error).splitlines()[0]
    if Path(source).is_dir():
        return f'expected a {what} in the folder {source}, found: {reason}'
    return (
        f'expected a {what} at {source}, found: {reason}; without a network, put its config.json '
        f'and {file} into a folder and name that under pretrained'
    )


def _config(kind: type, source: str) -> PreTrainedConfig:
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ConfigError(absent(kind.__name__, source, 'model.safetensors', error)) from error
    return config


def _loaded(kind: Any, source: str, **options: Any) -> tuple[nn.Module, dict[str, Any]]:
    """Return the pretrained model, and what of its weights did not find its place."""
    try:
        loaded: tuple[nn.Module, dict[str, Any]] = kind.from_pretrained(
            source, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True,
            **options,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(absent(kind.__name__, source, 'model.safetensors', error)) from error
    return loaded


def _check_arithmetic(
    own: PreTrainedConfig, found: PreTrainedConfig, names: Iterable[str], source: str
) -> None:
    pairs = ((name, getattr(own, name, None), getattr(found, name, None)) for name in names)
    unlike = [f'{name} {ours!r} but {theirs!r} there' for name, ours, theirs in pairs
              if ours != theirs]  # fmt: skip
    if unlike:
        raise ConfigError(
            f'expected the recipe to describe the {own.model_type} in {source}, found '
            f'{"; ".join(unlike)}: copy them from its config.json, or name another source under '
            'pretrained'
        )


def _check_report(
    kind: type, source: str, report: dict[str, Any], needed: Collection[str], extra: Iterable[str]
) -> None:
    other = {
        'missing': [name for name in report['missing_keys'] if name in needed],
        'unexpected': extra,
        'of another size': [name for name, *_ in report['mismatched_keys']],
    }
    wrong = [f'{what} {sorted(names)[:3]}' for what, names in other.items() if names]
    if wrong:
        raise ConfigError(
            f'expected the weights of a {kind.__name__} of the sizes in the recipe, found in '
            f'{source} {", ".join(wrong)}: name another source under pretrained, or copy '
            'model_type and sizes from its config.json'
        )
