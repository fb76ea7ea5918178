"""What this machine can do at most: read memory and multiply matrices.

Measured beside what is held against it, for a shared machine is not the same every minute.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

BLOCK_FLOATS = 2**24
"""Of each thread; four bytes each, far beyond the caches."""
MATRIX_SIZE = 1024


@dataclass(frozen=True)
class MachineLimits:
    """The best of all samples.

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
        self._blocks = [np.ones((2, BLOCK_FLOATS), np.float32) for _ in range(threads)]
        self._bandwidths: list[float] = []
        self._products: list[float] = []

    def sample(self) -> None:
        """Measure both limits once."""
        moved = self._threads * BLOCK_FLOATS * 4
        with ThreadPoolExecutor(self._threads) as pool:
            copied_s = _seconds(lambda: list(pool.map(_copy, self._blocks)))
            read_s = _seconds(lambda: list(pool.map(_read, self._blocks)))
        self._bandwidths += [2 * moved / copied_s, moved / read_s]
        if find_spec('torch'):
            self._products.append(_product_per_s(self._threads))

    def best(self) -> MachineLimits:
        """Return the best of the samples, of which there must be one."""
        products = max(self._products, default=None)
        return MachineLimits(self._threads, max(self._bandwidths), products)


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
