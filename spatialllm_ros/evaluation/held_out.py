"""Ask a bundle about simulated worlds it has never seen, with and without the image."""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tqdm import tqdm

from spatialllm_ros.errors import ConfigError, SpatialLLMError
from spatialllm_ros.evaluation.asked_worlds import asked_worlds, seeds_from
from spatialllm_ros.evaluation.scoring import Judged, judge
from spatialllm_ros.runtime.session import EncodedFrame, Request, SpatialSession
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS
from spatialllm_ros.schema import Answer, Query, QuestionRecord

PART = 200
"""Answers are balanced within so many worlds, which one process asks about."""

SeenUnseen = tuple[list[Judged], list[Judged]]


@dataclass(frozen=True)
class HeldOutWorlds:
    """Which worlds to ask about, and with how many processes; these do not change the scores.

    Attributes:
        threads: of the computation in each process; 0 for its share of the cores.
    """

    first_seed: int = HELD_OUT_SEEDS.start
    count: int = 2000
    processes: int = 1
    threads: int = 0

    def __post_init__(self) -> None:
        """Refuse worlds that a model may have been trained on.

        Raises:
            ConfigError: seeds that are not held out, or no process.
        """
        seeds_from(self.first_seed, self.count, HELD_OUT_SEEDS)
        if self.processes < 1 or self.threads < 0:
            raise ConfigError(
                'expected at least one process, and threads from 0 on, found '
                f'{self.processes} and {self.threads}'
            )

    def parts(self) -> list[list[int]]:
        """Return the seeds, part by part."""
        seeds = seeds_from(self.first_seed, self.count, HELD_OUT_SEEDS)
        return [seeds[start : start + PART] for start in range(0, len(seeds), PART)]

    def threads_each(self) -> int:
        """Return the threads of each process."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.processes)


def ask_held_out(bundle: Path, worlds: HeldOutWorlds) -> SeenUnseen:
    """Return a bundle's judged answers about held-out worlds, with the image and without.

    Raises:
        BundleError: there is no bundle, or a broken one.
        SceneError: there is no OpenGL to draw with.
    """
    seen: list[Judged] = []
    unseen: list[Judged] = []
    with tqdm(total=worlds.count, unit='world') as bar:
        for count, (with_image, without) in _answers(bundle, worlds):
            seen += with_image
            unseen += without
            bar.update(count)
    return seen, unseen


def _answers(bundle: Path, worlds: HeldOutWorlds) -> Iterator[tuple[int, SeenUnseen]]:
    """Yield judged answers with the number of worlds that they are about, in a fixed order."""
    jobs = [(bundle, worlds.threads_each(), seeds) for seeds in worlds.parts()]
    if worlds.processes == 1:
        for job in jobs:
            yield from ((1, judged) for judged in _ask_worlds(*job))
        return
    with multiprocessing.get_context('spawn').Pool(min(worlds.processes, len(jobs))) as pool:
        for (_, _, seeds), judged in zip(jobs, pool.imap(_ask_part, jobs), strict=True):
            yield len(seeds), judged


def _ask_part(job: tuple[Path, int, list[int]]) -> SeenUnseen:
    seen: list[Judged] = []
    unseen: list[Judged] = []
    for with_image, without in _ask_worlds(*job):
        seen += with_image
        unseen += without
    return seen, unseen


@cache
def _session(bundle: Path, threads: int) -> SpatialSession:
    """Open a bundle once per process."""
    return SpatialSession.load(bundle, threads=threads)


def _ask_worlds(bundle: Path, threads: int, seeds: Sequence[int]) -> Iterator[SeenUnseen]:
    session = _session(bundle, threads)
    image = session.bundle.manifest.image
    blind: EncodedFrame | None = None
    for world in asked_worlds(seeds, (image.width_px, image.height_px)):
        blind = blind or session.encode_blind(world.frame)
        yield (
            _ask(session, session.encode(world.frame), world.records),
            _ask(session, replace(blind, frame=world.frame), world.records),
        )


def _ask(
    session: SpatialSession, encoded: EncodedFrame, records: Sequence[QuestionRecord]
) -> list[Judged]:
    requests = [Request(Query(record.question, record.options)) for record in records]
    answers = session.answer_batch(encoded, requests)
    return [_judged(record, answer) for record, answer in zip(records, answers, strict=True)]


def _judged(record: QuestionRecord, answer: Answer | SpatialLLMError) -> Judged:
    """Judge an answer; words that are no answer are wrong ones."""
    if isinstance(answer, SpatialLLMError):
        return Judged(record, f'({answer})', is_right=False, confidence=0.0, error=math.inf)
    return judge(record, answer)
