"""A device to measure on: calls recorded and timed, and what the device can do at most."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import onnxruntime
import torch
import transformers

from spatialllm_ros.errors import ConfigError

Call = Callable[[], Any]
WARM_UP = 3
"""Calls before a recording; the first ones choose kernels and allocate."""


@dataclass(frozen=True)
class Limits:
    """The best of some samples, in the type that the models are computed in."""

    bandwidth_bytes_per_s: float
    products_per_s: float


@dataclass(frozen=True)
class Device:
    """Where everything is computed; a CPU serves dry runs alone."""

    name: str
    is_gpu: bool
    repeats: int

    @property
    def kind(self) -> str:
        """What torch calls it."""
        return 'cuda' if self.is_gpu else 'cpu'

    @property
    def dtype(self) -> torch.dtype:
        """What models are computed in: float32 on a CPU, so that a dry run shows wrong results."""
        return torch.bfloat16 if self.is_gpu else torch.float32

    def recorded(self, call: Call) -> Call:
        """Return what repeats a call by one launch: a CUDA graph; on a CPU the call itself."""
        for _ in range(WARM_UP if self.is_gpu else 1):
            call()
        if not self.is_gpu:
            return call
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
        return graph.replay

    def seconds(self, call: Call, times: int = 1, before: Call = lambda: None) -> float:
        """Return what one of ``times`` calls in a row takes, the median of some such rows.

        Args:
            call: what is timed.
            times: calls in a row.
            before: called first in each row, and not timed.
        """
        rows_s = [self._row_seconds(call, times, before) for _ in range(self.repeats + 1)]
        return median(rows_s[1:]) / times

    def _row_seconds(self, call: Call, times: int, before: Call) -> float:
        before()
        self.synchronise()
        started_s = time.perf_counter()
        for _ in range(times):
            call()
        self.synchronise()
        return time.perf_counter() - started_s

    def synchronise(self) -> None:
        """Wait until the device has done everything."""
        if self.is_gpu:
            torch.cuda.synchronize()

    def limits(self, floats: int = 2**29, size: int = 8192) -> Limits:
        """Measure them with a block of so many floats and matrices of so many rows."""
        block = torch.ones(floats, device=self.kind)
        other = torch.empty_like(block)
        copied_s = self.seconds(lambda: other.copy_(block))
        read_s = self.seconds(block.sum)
        matrix = torch.randn(size, size, device=self.kind, dtype=self.dtype)
        product_s = self.seconds(lambda: matrix @ matrix)
        return Limits(
            bandwidth_bytes_per_s=max(2 * block.nbytes / copied_s, block.nbytes / read_s),
            products_per_s=2 * size**3 / product_s,
        )


def first_gpu(repeats: int) -> Device:
    """Return the first GPU.

    Raises:
        ConfigError: torch finds none.
    """
    if not torch.cuda.is_available():
        raise ConfigError(
            f'expected a GPU that torch {torch.__version__} can use, found none; run this where '
            'there is one, or see with --dry-run whether it would run'
        )
    return Device(torch.cuda.get_device_name(0), True, repeats)


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    return {
        'Python': platform.python_version(), 'torch': torch.__version__,
        'CUDA': torch.version.cuda or 'none', 'driver': _driver_version(),
        'transformers': transformers.__version__, 'onnxruntime': onnxruntime.__version__,
    }  # fmt: skip


def _driver_version() -> str:
    command = ['nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader']
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 'not told by nvidia-smi'
    return said.split()[0]
