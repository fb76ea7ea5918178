"""How long the run time takes for a question, in this process, through the scheduler."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spatialllm_ros.demo.recording import read_truths
from spatialllm_ros.demo.truth import Truth
from spatialllm_ros.errors import AnswerParseError
from spatialllm_ros.runtime.frame_store import NANOSECONDS, FrameStore
from spatialllm_ros.runtime.recordings import read_bag
from spatialllm_ros.runtime.scheduler import Scheduler
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.schema import Frame, Query, QuestionRecord

CAMERA = 'camera'
LARGEST_AGE_S = 3600.0
ROUNDS = 3
"""How often each question is asked."""


@dataclass(frozen=True)
class Percentiles:
    """Of durations, in seconds."""

    count: int
    p50_s: float
    p95_s: float


def percentiles(durations_s: list[float]) -> Percentiles:
    """Return the median and the 95th percentile; NaN of nothing."""
    if not durations_s:
        return Percentiles(0, math.nan, math.nan)
    p50_s, p95_s = np.percentile(durations_s, (50, 95))
    return Percentiles(len(durations_s), float(p50_s), float(p95_s))


@dataclass(frozen=True)
class SessionLatency:
    """From the receipt of a question to its answer.

    Attributes:
        new_frame: for the first question on a frame, which pays for its encoding.
        seen_frame: for all further ones.
        unreadable: questions whose answer was none; they are not timed.
    """

    engine: str
    parameters: int
    new_frame: Percentiles
    seen_frame: Percentiles
    unreadable: int


def measure_session(session: SpatialSession, tour: Path) -> SessionLatency:
    """Ask what the tour asks of one image per world, one question at a time.

    The first world warms up and is not counted.

    Args:
        session: the loaded bundle.
        tour: a recording with truth.

    Raises:
        RecordingError: the recording cannot be read.
        EngineError: the engine failed.
    """
    store = FrameStore((CAMERA,), LARGEST_AGE_S)
    scheduler = Scheduler(session, store)
    scheduler.start()
    new_s: list[float] = []
    seen_s: list[float] = []
    asked = 0
    try:
        for number, (frame, truth) in enumerate(worlds(tour)):
            store.put(replace(frame, camera_name=CAMERA, stamp_ns=time.time_ns()))
            first, *further = truth.questions * ROUNDS
            new = _latencies_s(scheduler, [first])
            seen = _latencies_s(scheduler, further)
            if number > 0:
                new_s += new
                seen_s += seen
                asked += 1 + len(further)
    finally:
        scheduler.stop()
    return SessionLatency(
        engine=session.engine_name,
        parameters=session.bundle.manifest.parameters,
        new_frame=percentiles(new_s),
        seen_frame=percentiles(seen_s),
        unreadable=asked - len(new_s) - len(seen_s),
    )


def worlds(tour: Path) -> Iterator[tuple[Frame, Truth]]:
    """Yield the first image of each world of a tour, with its truth."""
    truths = read_truths(tour)
    shown = ''
    for frame in read_bag(tour):
        truth = truths.get(divmod(frame.stamp_ns, NANOSECONDS))
        if truth is not None and truth.scene_id != shown:
            shown = truth.scene_id
            yield frame, truth


def _latencies_s(scheduler: Scheduler, records: list[QuestionRecord]) -> list[float]:
    """Ask one after the other; those without a readable answer are left out."""
    durations_s = []
    for record in records:
        started_s = time.perf_counter()
        answer = scheduler.submit(Query(record.question, record.options))
        error = answer.exception()
        duration_s = time.perf_counter() - started_s
        if error is None:
            durations_s.append(duration_s)
        elif not isinstance(error, AnswerParseError):
            raise error
    return durations_s
