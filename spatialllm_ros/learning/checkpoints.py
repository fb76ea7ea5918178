"""Checkpoints of a stage: weights, moments and progress, of which a broken run leaves a whole one.

Two slots are written in turn; ``state.json`` names the newer one and is written last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from spatialllm_ros.errors import ConfigError

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Progress:
    """How far a stage has come: steps done, and the running averages of its losses."""

    step: int = 0
    averages: Mapping[str, float] = field(default_factory=dict)


def write_checkpoint(folder: Path, weights: Tensors, moments: Tensors, progress: Progress) -> None:
    """Write a checkpoint into a stage's folder; the one before stays until this one is whole."""
    slot = 1 - _state(folder)['slot'] if has_checkpoint(folder) else 0
    for name, tensors in (('weights', weights), ('moments', moments)):
        partial = folder / f'{name}.partial'
        save_file(tensors, partial)
        partial.rename(folder / f'{name}-{slot}.safetensors')
    partial = folder / 'state.partial'
    partial.write_text(json.dumps({**asdict(progress), 'slot': slot}))
    partial.rename(folder / 'state.json')


def has_checkpoint(folder: Path) -> bool:
    """Tell whether a stage has begun in this folder."""
    return (folder / 'state.json').exists()


def load_progress(folder: Path) -> Progress:
    """Return how far the newest checkpoint is.

    Raises:
        ConfigError: there is none.
    """
    state = _state(folder)
    return Progress(state['step'], state.get('averages', {}))


def load_weights(folder: Path) -> Tensors:
    """Return the weights of a stage's newest checkpoint.

    Raises:
        ConfigError: there is none.
    """
    return load_file(folder / f'weights-{_state(folder)["slot"]}.safetensors')


def load_moments(folder: Path) -> Tensors:
    """Return the optimisers' moments of a stage's newest checkpoint.

    Raises:
        ConfigError: there is none.
    """
    return load_file(folder / f'moments-{_state(folder)["slot"]}.safetensors')


def named_weights(module: nn.Module) -> Tensors:
    """Return a module's weights and buffers, each once: tied weights have one name."""
    names: dict[int, str] = {}
    weights: Tensors = module.state_dict(keep_vars=True)
    for name, value in weights.items():
        names.setdefault(id(value), name)
    return {name: weights[name].detach() for name in names.values()}


def resume_weights(module: nn.Module, folder: Path) -> None:
    """Put a checkpoint's weights into the module that wrote them.

    Raises:
        ConfigError: they are another module's.
    """
    missing, unexpected = module.load_state_dict(load_weights(folder), strict=False)
    absent = set(missing) & set(named_weights(module))
    if unexpected or absent:
        raise ConfigError(
            f'expected the weights in {folder} to fit this stage, found missing '
            f'{sorted(absent)[:3]} and unexpected {unexpected[:3]}: use another folder'
        )


def _state(folder: Path) -> dict[str, Any]:
    path = folder / 'state.json'
    if not path.exists():
        raise ConfigError(f'expected a checkpoint in {folder}, found none: run that stage first')
    state: dict[str, Any] = json.loads(path.read_text())
    return state
