"""The accuracy of several bundles on the same validation worlds, which no held-out score needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from tqdm import tqdm

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.asked_worlds import AskedWorld, asked_worlds, seeds_from
from spatialllm_ros.evaluation.held_out import judged_answers
from spatialllm_ros.evaluation.scoring import scored_type
from spatialllm_ros.runtime.bundle import Bundle
from spatialllm_ros.runtime.engines import load_engine
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.scenes.worlds import VALIDATION_SEEDS


@dataclass(frozen=True)
class ValidationWorlds:
    """Which worlds to ask about, and the threads of the computation (0: one per core)."""

    first_seed: int = VALIDATION_SEEDS.start
    count: int = 300
    threads: int = 0

    def __post_init__(self) -> None:
        """Refuse fewer than no threads.

        Raises:
            ConfigError: says so.
        """
        if self.threads < 0:
            raise ConfigError(f'expected threads from 0 on, found {self.threads}')


def compare_accuracy(bundles: Sequence[Bundle], worlds: ValidationWorlds) -> list[float]:
    """Return each bundle's accuracy, the mean over question types, on the same questions.

    Args:
        bundles: of models that take images of one size.
        worlds: see ``ValidationWorlds``.

    Raises:
        ConfigError: the seeds are not validation seeds, nothing came up to be asked about, or the
            first bundle has nothing right: what the others lose would tell nothing then.
        EngineError: a bundle cannot be loaded.
        SceneError: there is no OpenGL to draw with.
    """
    seeds = seeds_from(worlds.first_seed, worlds.count, VALIDATION_SEEDS)
    sessions = [
        SpatialSession(bundle, load_engine(bundle, threads=worlds.threads)) for bundle in bundles
    ]
    image = bundles[0].manifest.image
    asked = asked_worlds(seeds, (image.width_px, image.height_px))
    found = accuracies(sessions, tqdm(asked, total=worlds.count, unit='world'))
    if not found[0]:
        raise ConfigError(
            f'expected right answers of {bundles[0].folder}, found none about {worlds.count} '
            'worlds; see whether its context holds a question and its answer'
        )
    return found


def accuracies(sessions: Sequence[SpatialSession], worlds: Iterable[AskedWorld]) -> list[float]:
    """Return each session's accuracy, the mean over the types that are asked.

    Raises:
        ConfigError: nothing is asked.
    """
    right: list[dict[str, list[bool]]] = [defaultdict(list) for _ in sessions]
    for world in worlds:
        for session, by_type in zip(sessions, right, strict=True):
            for item in judged_answers(session, session.encode(world.frame), world.records):
                by_type[scored_type(item.record)].append(item.is_right)
    if not all(right):
        raise ConfigError(
            'expected questions about these worlds, found none; ask about more, or see whether '
            'the images are so narrow that nothing can be asked about'
        )
    return [mean(mean(own) for own in by_type.values()) for by_type in right]
