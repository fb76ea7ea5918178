"""Questions about shards: what is asked of one shard depends on that shard alone.

Answers are balanced within each shard. A balancer lets a few answers of each kind run ahead before
it refuses any, and those would be the same common ones in every shard; so it is run in on the
shard's own scenes first, with questions that nobody gets. A handful of scenes is not run in: each
comparison has one answer there, and would never be asked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.questions import Balancer, generate
from spatialllm_ros.scenes.dataset_questions import ask_annotated, is_annotated
from spatialllm_ros.scenes.jobs import ONE_PROCESS, Done, Workers, run_jobs
from spatialllm_ros.scenes.shards import read_shard, shard_indices
from spatialllm_ros.schema import QuestionRecord, Scene

SPLITS = ('train', 'eval')
"""Whose wordings questions may have."""
RUN_IN, KEPT = 1, 2
"""The two rounds of questions about a shard."""
RUN_IN_SCENES, RUN_IN_PER_SCENE = 500, 14
"""How long the first lasts; a small shard's scenes take turns."""
FEWEST_TO_RUN_IN = 100


@dataclass(frozen=True)
class Asking:
    """What to ask of each scene.

    Attributes:
        per_scene: questions to try for.
        split: ``train`` or ``eval``, which wordings to use; annotated images know the first only.
        seed: of the choice of questions.
    """

    per_scene: int
    split: str = 'train'
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be asked.

        Raises:
            ConfigError: no question for each scene, unknown wordings or a seed below zero.
        """
        if self.per_scene < 1:
            raise ConfigError(
                f'expected at least 1 question for each scene, found {self.per_scene}'
            )
        if self.split not in SPLITS:
            raise ConfigError(f'expected wordings of {list(SPLITS)}, found {self.split!r}')
        if self.seed < 0:
            raise ConfigError(f'expected a seed of at least 0, found {self.seed}')


def ask_scene(
    scene: Scene, rng: np.random.Generator, balancer: Balancer, per_scene: int, *, split: str,
    types: Collection[str] = (),
) -> list[QuestionRecord]:  # fmt: skip
    """Return questions that a scene's source can answer; of these types, where any are named."""
    if is_annotated(scene):
        return ask_annotated(scene, rng, balancer, per_scene, types)
    return generate(scene, rng, balancer, per_scene, split=split, types=types)


def ask_shard(
    scenes: Sequence[Scene], index: int, asking: Asking
) -> Iterator[list[QuestionRecord]]:
    """Yield the questions about each scene of the shard with this index."""
    balancer = Balancer()
    run_in = replace(asking, per_scene=RUN_IN_PER_SCENE)
    turns = RUN_IN_SCENES if len(scenes) >= FEWEST_TO_RUN_IN else 0
    for number, scene in enumerate(islice(cycle(scenes), turns)):
        _ask(scene, [asking.seed, index, number, RUN_IN], balancer, run_in)
    for number, scene in enumerate(scenes):
        yield _ask(scene, [asking.seed, index, number, KEPT], balancer, asking)


def write_questions(
    folder: Path, asking: Asking, workers: Workers = ONE_PROCESS, show_progress: bool = True
) -> Done:
    """Write ``questions-*.jsonl`` beside the shards of the workers' part, a question a line.

    Raises:
        SceneError: there is no finished shard.
        ConfigError: Ray is wanted and not installed.
    """
    folder = folder.absolute()  # workers may stand elsewhere
    own = [index for index in shard_indices(folder) if workers.part.holds(index)]
    jobs = [partial(_write_shard_questions, folder, index, asking) for index in own]
    with tqdm(unit='scene', disable=not show_progress) as bar:
        return run_jobs(jobs, workers, bar.update)


def questions_path(folder: Path, index: int) -> Path:
    """Return the file of the questions about a shard."""
    return folder / f'questions-{index:05d}.jsonl'


def question_to_json(record: QuestionRecord, scene: Scene) -> dict[str, Any]:
    """Return a question as plain values, with its scene's source and licence."""
    return {**asdict(record), 'source': scene.source, 'licence': scene.licence}


def _ask(
    scene: Scene, seeds: list[int], balancer: Balancer, asking: Asking
) -> list[QuestionRecord]:
    rng = np.random.default_rng(seeds)
    return ask_scene(scene, rng, balancer, asking.per_scene, split=asking.split)


def _write_shard_questions(folder: Path, index: int, asking: Asking) -> int:
    """Write one file whole or not at all; return the number of scenes."""
    scenes = read_shard(folder, index)
    target = questions_path(folder, index)
    unfinished = target.with_suffix('.partial')
    with unfinished.open('w', encoding='utf-8') as file:
        for scene, records in zip(scenes, ask_shard(scenes, index, asking), strict=True):
            file.writelines(
                json.dumps(question_to_json(record, scene)) + '\n' for record in records
            )
    unfinished.rename(target)
    return len(scenes)
