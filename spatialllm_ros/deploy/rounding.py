"""Weights as a bundle holds them: what float16 can hold, whatever type they are trained in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def as_stored(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight as float32 that float16 can hold."""
    return weight.detach().half().float()


@torch.no_grad()
def round_to_half(model: nn.Module) -> None:
    """Make every weight float32 that float16 can hold; statistics of normalisations stay."""
    model.float()
    for weight in model.parameters():
        weight.copy_(weight.half())


@contextmanager
def computing_as_stored(model: nn.Module) -> Iterator[None]:
    """Let each layer round its weights while it computes, so that one at a time is widened."""
    handles = []
    for module in model.modules():
        if list(module.parameters(recurse=False)):
            narrow: dict[str, torch.Tensor] = {}
            handles += [
                module.register_forward_pre_hook(_widening(narrow)),
                module.register_forward_hook(_narrowing(narrow)),
            ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _widening(narrow: dict[str, torch.Tensor]) -> Any:
    def hook(module: nn.Module, _: object) -> None:
        for name, weight in module.named_parameters(recurse=False):
            narrow[name] = weight.data
            weight.data = as_stored(weight)

    return hook


def _narrowing(narrow: dict[str, torch.Tensor]) -> Any:
    def hook(module: nn.Module, *_: object) -> None:
        for name, weight in module.named_parameters(recurse=False):
            weight.data = narrow.pop(name)

    return hook
