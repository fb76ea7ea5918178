"""A module as several processes train it: whole on each, or its weights shared out among them.

Shared out (FSDP), a process keeps its part of every weight, gradient and moment; the weights of a
part of the module are gathered when its turn comes. Knows nothing of what the module computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

SHARDINGS = ('none', 'full')


def placed(
    module: nn.Module, parts: Sequence[nn.Module], sharding: str, accelerator: Accelerator
) -> nn.Module:
    """Put a module on this process's device, in place, and return what to call for it.

    Args:
        module: what is trained; weights outside its parts are gathered for a whole step.
        parts: what is gathered one at a time; each is only ever called as a whole.
        sharding: ``none``: every process holds all; ``full``: a part of it.
        accelerator: of the processes.
    """
    if sharding == 'none' or accelerator.num_processes == 1:
        prepared: nn.Module = accelerator.prepare(module)
        return prepared
    module.to(accelerator.device)
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for part in parts:
        fully_shard(part, mesh=mesh)
    fully_shard(module, mesh=mesh)
    return module


@contextmanager
def gradients_kept(module: nn.Module, kept: bool) -> Iterator[None]:
    """Within it, if ``kept``, gradients add up on each process instead of being averaged.

    Those that are shared out are averaged all the same: kept, they would be whole.
    """
    if kept and isinstance(module, DistributedDataParallel):
        with module.no_sync():
            yield
    else:
        yield


@contextmanager
def readable(module: nn.Module) -> Iterator[None]:
    """Within it, methods of a sharded module other than ``forward`` find its weights gathered."""
    if not isinstance(module, FSDPModule):
        yield
        return
    module.unshard()
    yield
    module.reshard()


def gathered(tensors: dict[str, torch.Tensor], keep: bool) -> dict[str, torch.Tensor]:
    """Return whole tensors in main memory, where ``keep``; every process has to take part."""
    kept = {}
    for name, value in tensors.items():
        value_here = whole(value)
        if keep:
            kept[name] = value_here.cpu().contiguous()
    return kept


def whole(value: torch.Tensor) -> torch.Tensor:
    """Return a tensor of which each process may have a part; every process has to take part."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def shared_like(value: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """Return this process's part of a whole tensor, as it has of the parameter."""
    moved = value.to(parameter.device)
    if not isinstance(parameter, DTensor):
        return moved
    return distribute_tensor(
        moved, parameter.device_mesh, parameter.placements, src_data_rank=None
    )
