"""The memory of this process, and whether it stays the same over many questions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.asked_worlds import AskedWorld
from spatialllm_ros.runtime.session import Request, SpatialSession
from spatialllm_ros.schema import Query

WARM_UP = 0.2
"""The share of the questions after which memory has to stay as it is."""
LARGEST_GROWTH_BYTES = 8 * 2**20
"""What allocators may still gather after that, however many questions follow."""


@dataclass(frozen=True)
class MemoryGrowth:
    """Resident memory of the process.

    Attributes:
        questions: asked in all.
        frames: encoded in all.
        warm_bytes: after the first ``WARM_UP`` of the questions.
        end_bytes: after the last.
    """

    questions: int
    frames: int
    warm_bytes: int
    end_bytes: int

    @property
    def is_flat(self) -> bool:
        """Whether memory grew by no more than allowed."""
        return self.end_bytes - self.warm_bytes <= LARGEST_GROWTH_BYTES


def resident_bytes() -> int:
    """Return the resident memory of this process. Source: proc(5), statm, second field."""
    pages = int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


def measure_growth(
    session: SpatialSession, worlds: Sequence[AskedWorld], questions: int
) -> MemoryGrowth:
    """Ask the same worlds over and over, each encoded anew and its questions asked together.

    Raises:
        ConfigError: fewer questions than all worlds have, so that nothing would come twice.
        EngineError: the engine failed.
    """
    least = sum(len(world.records) for world in worlds)
    if not 0 < least <= WARM_UP * questions:
        raise ConfigError(
            f'expected at least {least / WARM_UP:.0f} questions, so that all that is asked about '
            f'comes within the first {100 * WARM_UP:.0f} %, found {questions}'
        )
    asked = frames = warm_bytes = 0
    for world in cycle(worlds):
        queries = [Query(record.question, record.options) for record in world.records]
        requests = [Request(query) for query in queries[: questions - asked]]
        session.answer_batch(session.encode(world.frame), requests)
        asked, frames = asked + len(requests), frames + 1
        if not warm_bytes and asked >= WARM_UP * questions:
            warm_bytes = resident_bytes()
        if asked == questions:
            break
    return MemoryGrowth(asked, frames, warm_bytes, resident_bytes())
