"""The benchmarks by name: how each is read, and over which types it takes means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spatialllm_ros.evaluation.benchmarks import robospatial, threedsrbench
from spatialllm_ros.evaluation.benchmarks.cv_bench import read_cv_bench
from spatialllm_ros.evaluation.benchmarks.items import Items
from spatialllm_ros.evaluation.benchmarks.q_spatial import read_q_spatial


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        read: yields the questions of its published file.
        sets: named sets of types to take means over; all of them where none is named.
    """

    read: Callable[[Path], Items]
    sets: Mapping[str, Collection[str]] = field(default_factory=dict)


BENCHMARKS: dict[str, Benchmark] = {
    '3dsrbench': Benchmark(threedsrbench.read_3dsrbench, threedsrbench.SETS),
    'cv-bench-3d': Benchmark(read_cv_bench),
    'robospatial-home': Benchmark(robospatial.read_robospatial, robospatial.SETS),
    'q-spatial': Benchmark(read_q_spatial),
}
