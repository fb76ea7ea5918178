"""A model on a benchmark, from its folder and the benchmark's file to a report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from spatialllm_ros.deploy.checkpoint import as_bundle
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.answerers import (
    Answerer,
    BlindAnswerer,
    RandomGuesser,
    RemoteAnswerer,
    SessionAnswerer,
)
from spatialllm_ros.evaluation.benchmarks.asking import ask_items
from spatialllm_ros.evaluation.benchmarks.catalogue import BENCHMARKS
from spatialllm_ros.evaluation.benchmarks.report import BenchmarkReport, benchmark_report
from spatialllm_ros.runtime.engines.remote_server import RemoteServer
from spatialllm_ros.runtime.engines.remote_session import RemoteSession
from spatialllm_ros.runtime.session import SpatialSession

RANDOM = 'random'
"""The model that guesses."""


@dataclass(frozen=True)
class Candidate:
    """Which model is asked, and how it is reached.

    Attributes:
        model: a bundle's folder, a model folder, ``random``, or a model's name on a server.
        engine: a name of ``engines.ENGINES``, or ``auto``.
        threads: of the computation on a CPU; 0 for one per core.
        server: URL of a server with OpenAI's chat completions; empty for none.
    """

    model: str
    engine: str = 'auto'
    threads: int = 0
    server: str = ''


def run_benchmark(
    candidate: Candidate, benchmark: str, path: Path, fov_rad: float | None
) -> BenchmarkReport:
    """Ask a model all questions of a benchmark's file.

    Args:
        candidate: the model.
        benchmark: a key of ``BENCHMARKS``.
        path: of the published file.
        fov_rad: horizontal field of view of the images; None if it is unknown.

    Raises:
        ConfigError: the file is missing or of another layout, the folder holds no model, or no
            camera has such a field of view.
        BundleError: the bundle is broken.
        EngineError: the engine cannot be loaded or failed.
    """
    if fov_rad is not None and not 0 < fov_rad < math.pi:
        raise ConfigError(
            f'expected a field of view of 0 to 180 degrees, found {math.degrees(fov_rad):g}'
        )
    items = BENCHMARKS[benchmark].read(path)
    with _answerers(candidate) as (seeing, blind):
        found = ask_items(tqdm(items, unit='row', desc=benchmark), seeing, blind, fov_rad)
    return benchmark_report(candidate.model, benchmark, found)


@contextmanager
def _answerers(candidate: Candidate) -> Iterator[tuple[Answerer, Answerer]]:
    """Yield who answers with the image and who without."""
    if candidate.server:
        remote = RemoteSession(RemoteServer(candidate.server, candidate.model))
        yield RemoteAnswerer(remote), RemoteAnswerer(remote, is_blind=True)
        return
    if candidate.model == RANDOM:
        yield RandomGuesser(0), RandomGuesser(1)
        return
    with as_bundle(Path(candidate.model)) as bundle:
        session = SpatialSession.load(bundle, candidate.engine, candidate.threads)
        yield SessionAnswerer(session), BlindAnswerer(session)
