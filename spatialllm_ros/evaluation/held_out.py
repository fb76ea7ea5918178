"""Ask a bundle about simulated worlds it has never seen, with and without the image."""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from spatialllm_ros.errors import ConfigError, SpatialLLMError
from spatialllm_ros.evaluation.answerers import chosen_answers
from spatialllm_ros.evaluation.asked_worlds import AskedWorld, asked_worlds, seeds_from
from spatialllm_ros.evaluation.circular import Trial
from spatialllm_ros.evaluation.scoring import Judged, judge, scored_type
from spatialllm_ros.evaluation.variants import views
from spatialllm_ros.runtime.answering import Outcome
from spatialllm_ros.runtime.bundle import load_bundle
from spatialllm_ros.runtime.session import EncodedFrame, Request, SpatialSession
from spatialllm_ros.scenes.rendering import SPLIT_SEEDS
from spatialllm_ros.scenes.world_styles import STYLES
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS
from spatialllm_ros.schema import Answer, Query, QuestionRecord

SeenUnseen = tuple[list[Judged], list[Judged]]
Answers = Callable[[SpatialSession, EncodedFrame, Sequence[Query]], list[Outcome]]
T = TypeVar('T')

SPLITS = {name: SPLIT_SEEDS[name] for name in ('test', 'validation')}
"""Worlds for last scores, and those for choosing between models; neither is trained on."""


@dataclass(frozen=True)
class HeldOutWorlds:
    """Which worlds to ask about, and with how many processes; these do not change the scores.

    Attributes:
        style: the set they are drawn from, a key of ``world_styles.STYLES``.
        threads: of the computation in each process; 0 for its share of the cores.
        split: a key of ``SPLITS``, whose range the seeds are of.
    """

    first_seed: int = HELD_OUT_SEEDS.start
    count: int = 2000
    style: str = 'trained'
    processes: int = 1
    threads: int = 0
    split: str = 'test'

    def __post_init__(self) -> None:
        """Refuse worlds that a model may have been trained on.

        Raises:
            ConfigError: seeds of another split, an unknown split or set, or no process.
        """
        if self.split not in SPLITS:
            raise ConfigError(f'expected a split of {list(SPLITS)}, found {self.split!r}')
        self.seeds()
        if self.style not in STYLES:
            raise ConfigError(f'expected a set of worlds of {list(STYLES)}, found {self.style!r}')
        if self.processes < 1 or self.threads < 0:
            raise ConfigError(
                'expected at least one process, and threads from 0 on, found '
                f'{self.processes} and {self.threads}'
            )

    def seeds(self) -> list[int]:
        """Return the seeds of the worlds."""
        return seeds_from(self.first_seed, self.count, SPLITS[self.split])

    def threads_each(self) -> int:
        """Return the threads of each process."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.processes)


def ask_held_out(
    bundle: Path, worlds: HeldOutWorlds, *, always_chooses: bool = False
) -> SeenUnseen:
    """Return a bundle's judged answers about held-out worlds, with the image and without.

    Args:
        bundle: the model.
        worlds: what to ask about.
        always_chooses: where the model denies what a question speaks of, take the likeliest
            option all the same.

    Raises:
        BundleError: there is no bundle, or a broken one.
        SceneError: there is no OpenGL to draw with.
    """
    seen: list[Judged] = []
    unseen: list[Judged] = []
    ask = Examiner.choose if always_chooses else Examiner.ask
    judged = _over_worlds(bundle, worlds, ask)
    for with_image, without in tqdm(judged, total=worlds.count, unit='world'):
        seen += with_image
        unseen += without
    return seen, unseen


def ask_held_out_variants(bundle: Path, worlds: HeldOutWorlds) -> list[Trial]:
    """Return a bundle's judged answers to closed questions in all ways of ``variants.views``.

    Raises:
        BundleError: there is no bundle, or a broken one.
        SceneError: there is no OpenGL to draw with.
    """
    judged = _over_worlds(bundle, worlds, Examiner.ask_variants)
    return list(chain.from_iterable(tqdm(judged, total=worlds.count, unit='world')))


class Examiner:
    """Asks one session the questions about a world, with the image and without."""

    def __init__(self, session: SpatialSession) -> None:
        """Take the session; what it reads without an image is the same for all worlds."""
        self._session = session
        self._blind: EncodedFrame | None = None

    def ask(self, world: AskedWorld) -> SeenUnseen:
        """Return the judged answers."""
        return self._both(world, _answers)

    def choose(self, world: AskedWorld) -> SeenUnseen:
        """Return the judged answers where one of the options is always taken."""
        return self._both(world, chosen_answers)

    def _both(self, world: AskedWorld, answers: Answers) -> SeenUnseen:
        self._blind = self._blind or self._session.encode_blind(world.frame)
        seen = self._session.encode(world.frame)
        unseen = replace(self._blind, frame=world.frame)
        return (
            judged_answers(self._session, seen, world.records, answers),
            judged_answers(self._session, unseen, world.records, answers),
        )

    def ask_variants(self, world: AskedWorld) -> list[Trial]:
        """Return the judged answers to closed questions, of both images, in every rotation."""
        trials: list[Trial] = []
        for view in views(world):
            encoded = self._session.encode(view.frame)
            judged = judged_answers(self._session, encoded, [record for _, record in view.asked])
            trials += [
                Trial(scored_type(item.record), variant, item.is_right)
                for (variant, _), item in zip(view.asked, judged, strict=True)
            ]
        return trials


def _answers(
    session: SpatialSession, encoded: EncodedFrame, queries: Sequence[Query]
) -> list[Outcome]:
    return session.answer_batch(encoded, [Request(query) for query in queries])


def judged_answers(
    session: SpatialSession,
    encoded: EncodedFrame,
    records: Sequence[QuestionRecord],
    answers: Answers = _answers,
) -> list[Judged]:
    """Ask a session questions about one frame and judge what it answers."""
    queries = [Query(record.question, record.options) for record in records]
    outcomes = answers(session, encoded, queries)
    camera = encoded.frame.camera
    height_share = camera.height_px / camera.width_px
    return [
        _judged(record, outcome, height_share)
        for record, outcome in zip(records, outcomes, strict=True)
    ]


def _judged(
    record: QuestionRecord, answer: Answer | SpatialLLMError, height_share: float
) -> Judged:
    """Judge an answer; words that are no answer are wrong ones."""
    if isinstance(answer, SpatialLLMError):
        return Judged(record, f'({answer})', is_right=False, confidence=0.0, error=math.inf)
    return judge(record, answer, height_share)


def _over_worlds(
    bundle: Path, worlds: HeldOutWorlds, ask: Callable[[Examiner, AskedWorld], T]
) -> Iterator[T]:
    """Yield what is asked about each world, in order.

    This process alone draws the worlds, for their answers are balanced over all of them.
    """
    image = load_bundle(bundle).manifest.image
    size_px = (image.width_px, image.height_px)
    asked = asked_worlds(worlds.seeds(), size_px, STYLES[worlds.style])
    threads = worlds.threads_each()
    if worlds.processes == 1:
        examiner = Examiner(SpatialSession.load(bundle, threads=threads))
        yield from (ask(examiner, world) for world in asked)
        return
    with multiprocessing.get_context('spawn').Pool(worlds.processes) as pool:
        yield from pool.imap(_ask_here, ((bundle, threads, ask, world) for world in asked))


@cache
def _examiner(bundle: Path, threads: int) -> Examiner:
    """Open a bundle once in a process."""
    return Examiner(SpatialSession.load(bundle, threads=threads))


def _ask_here(job: tuple[Path, int, Callable[[Examiner, AskedWorld], Any], AskedWorld]) -> Any:
    bundle, threads, ask, world = job
    return ask(_examiner(bundle, threads), world)
