"""Which optimiser moves which weights, and its state by parameter name for checkpoints.

Muon moves the matrices inside layers, AdamW everything else: embeddings, read-outs, filters, norms
and biases. Muon's steps are scaled to the size of AdamW's, so both share one learning rate.
Source: Jordan et al., Muon, 2024 (kellerjordan.github.io/posts/muon); the scale is that of
Liu et al., Muon is Scalable for LLM Training, 2025.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.sharding import shared_like

OPTIMISERS = ('adamw', 'muon')
OUTER_MATRICES = ('embed_tokens', 'lm_head', 'heads.', 'probe.')
"""Parts of the names of matrices that face words or truth: Muon is not made for these."""
MOMENTS: dict[type[Optimizer], set[str]] = {
    AdamW: {'step', 'exp_avg', 'exp_avg_sq'},
    Muon: {'momentum_buffer'},
}
"""What each keeps for every parameter."""

Moments = dict[str, torch.Tensor]


def make_optimisers(module: nn.Module, name: str, weight_decay: float) -> list[Optimizer]:
    """Return the optimisers of a module's trained parameters; each parameter is in one.

    Matrices and filters decay, biases and norms do not.

    Args:
        module: what is trained.
        name: ``adamw`` for all of it, or ``muon`` for the matrices inside layers.
        weight_decay: per step and unit of learning rate.
    """
    trained = {n: p for n, p in module.named_parameters() if p.requires_grad}
    inner = [p for n, p in trained.items() if name == 'muon' and _is_inner_matrix(n, p)]
    taken = {id(p) for p in inner}
    rest = [p for p in trained.values() if id(p) not in taken]
    groups = [
        {'params': [p for p in rest if p.ndim > 1], 'weight_decay': weight_decay},
        {'params': [p for p in rest if p.ndim <= 1], 'weight_decay': 0.0},
    ]
    optimisers: list[Optimizer] = [AdamW(groups, betas=(0.9, 0.98))]
    if inner:
        optimisers.append(Muon(inner, weight_decay=weight_decay, adjust_lr_fn='match_rms_adamw'))
    return optimisers


def moments_by_name(module: nn.Module, optimisers: list[Optimizer]) -> Moments:
    """Return the optimisers' state as ``parameter.kind`` tensors."""
    names = {id(p): n for n, p in module.named_parameters()}
    return {
        f'{names[id(p)]}.{kind}': value
        for optimiser in optimisers
        for p, state in optimiser.state.items()
        for kind, value in state.items()
    }


def resume_moments(module: nn.Module, optimisers: list[Optimizer], moments: Moments) -> None:
    """Put what ``moments_by_name`` returned back into the optimisers.

    Raises:
        ConfigError: another optimiser moved a parameter, or it rests now.
    """
    by_name: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in moments.items():
        name, _, kind = key.rpartition('.')
        by_name.setdefault(name, {})[kind] = value
    owners = {id(p): o for o in optimisers for group in o.param_groups for p in group['params']}
    for name, parameter in module.named_parameters():
        if name not in by_name:
            continue
        owner = owners.get(id(parameter))
        if owner is None:
            raise ConfigError(
                f'expected {name} to learn as in the checkpoint, found it at rest: let the recipe '
                'train what it trained before, or begin in another folder, with start: the model '
                'of this one'
            )
        if set(by_name[name]) != MOMENTS[type(owner)]:
            raise ConfigError(
                f'expected {sorted(MOMENTS[type(owner)])} of {name}, found '
                f'{sorted(by_name[name])}: the checkpoint is of another optimiser'
            )
        for kind, value in by_name[name].items():
            # AdamW counts its steps on the CPU.
            own = value if kind == 'step' else shared_like(value, parameter)
            owner.state[parameter][kind] = own


def _is_inner_matrix(name: str, parameter: torch.Tensor) -> bool:
    return parameter.ndim == 2 and not any(part in name for part in OUTER_MATRICES)
