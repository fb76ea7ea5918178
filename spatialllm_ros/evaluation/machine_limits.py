"""What this machine can do at most: read memory and multiply matrices.

Measured beside what is held against it, for a shared machine is not the same every minute.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

BLOCK_FLOATS = 2**27
"""Of all threads together; 512 MiB, for caches keep a part even of what is twice their size."""
MATRIX_SIZE = 1024


@dataclass(frozen=True)
class MachineLimits:
    """Of a moment, or the best of several.

    Attributes:
        bandwidth_bytes_per_s: reading memory, or copying it where that moves more.
        arithmetic_per_s: floating-point operations of a product of float32 matrices; None
            without torch, whose threads can be counted.
    """

    threads: int
    bandwidth_bytes_per_s: float
    arithmetic_per_s: float | None


class LimitProbe:
    """Takes samples in turn with what is measured."""

    def __init__(self, threads: int) -> None:
        """Fill the blocks, so that the first sample maps no memory."""
        self._threads = threads
        self._blocks = np.array_split(np.ones((2, BLOCK_FLOATS), np.float32), threads, axis=1)

    def sample(self) -> MachineLimits:
        """Measure both limits once."""
        moved = BLOCK_FLOATS * 4
        with ThreadPoolExecutor(self._threads) as pool:
            copied_s = _seconds(lambda: list(pool.map(_copy, self._blocks)))
            read_s = _seconds(lambda: list(pool.map(_read, self._blocks)))
        return MachineLimits(
            self._threads,
            bandwidth_bytes_per_s=max(2 * moved / copied_s, moved / read_s),
            arithmetic_per_s=_product_per_s(self._threads) if find_spec('torch') else None,
        )


def best_of(samples: Sequence[MachineLimits]) -> MachineLimits:
    """Return the best of each, of one sample or more."""
    products = [one.arithmetic_per_s for one in samples if one.arithmetic_per_s is not None]
    return MachineLimits(
        samples[0].threads,
        max(one.bandwidth_bytes_per_s for one in samples),
        max(products, default=None),
    )


def processor_name() -> str:
    """Return what the kernel calls the processor. Source: proc(5), cpuinfo; Arm's has no name."""
    lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    names = [line.split(':')[1].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.machine()


def _copy(block: Any) -> None:
    np.copyto(block[1], block[0])


def _read(block: Any) -> None:
    block[0].max()


def _product_per_s(threads: int) -> float:
    import torch  # noqa: PLC0415  (a robot has none)

    torch.set_num_threads(threads)
    matrix = torch.ones(MATRIX_SIZE, MATRIX_SIZE)
    product = torch.empty_like(matrix)
    return 2 * MATRIX_SIZE**3 / _seconds(lambda: torch.mm(matrix, matrix, out=product))


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
