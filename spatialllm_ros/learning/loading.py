"""Batches in the order in which a run takes them, made ahead by other processes if it wants that.

On a GPU a step is over sooner than one process could make the next batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

Batch = dict[str, torch.Tensor]
MakeBatch = Callable[[np.random.Generator], Batch]
BATCHES_AHEAD = 3
"""How many each worker has ready at most."""


@dataclass(frozen=True)
class Numbered:
    """A batch and the seed of what is random in its step, dropout for example."""

    seed: int
    batch: Batch

    def pin_memory(self) -> Numbered:
        """Return the same in memory that a GPU reads by itself; the loader calls this."""
        return Numbered(self.seed, {key: value.pin_memory() for key, value in self.batch.items()})


def numbered_batches(
    make_batch: MakeBatch, seed: int, numbers: Iterable[tuple[int, int]], workers: int
) -> Iterator[Numbered]:
    """Yield the batches of these numbers, in this order, however many processes make them.

    Args:
        make_batch: from a random generator to a batch; called in forked processes.
        seed: of the run.
        numbers: step, and number within the step.
        workers: processes that make batches ahead; none: each is made when it is asked for.
    """
    loader = DataLoader(
        _Batches(make_batch, seed),
        sampler=numbers,
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_it_is,
        # Forked: they share the truth in memory and have no use for the GPU.
        multiprocessing_context='fork' if workers else None,
        prefetch_factor=BATCHES_AHEAD if workers else None,
        pin_memory=bool(workers) and torch.cuda.is_available(),
    )
    return iter(loader)


class _Batches(Dataset[Numbered]):
    def __init__(self, make_batch: MakeBatch, seed: int) -> None:
        self.make_batch, self.seed = make_batch, seed

    def __getitem__(self, number: tuple[int, int]) -> Numbered:
        rng = np.random.Generator(np.random.PCG64([self.seed, *number]))
        return Numbered(int(rng.integers(2**31)), self.make_batch(rng))


def _as_it_is(item: Any) -> Any:
    return item
