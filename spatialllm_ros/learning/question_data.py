"""The questions of a folder of shards: made and tokenised once, then kept beside the shards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from spatialllm_ros import footprints, geometry, questions, relations
from spatialllm_ros.learning import question_arrays, scene_arrays
from spatialllm_ros.learning.question_arrays import (
    ABSENT,
    QuestionArrays,
    joined_arrays,
    tokenise_questions,
)
from spatialllm_ros.learning.scene_arrays import SceneArrays, kept_objects, load_scene_arrays
from spatialllm_ros.learning.side_by_side import side_by_side
from spatialllm_ros.questions import Balancer
from spatialllm_ros.scenes import catalogue, dataset_questions, mirror, shard_questions
from spatialllm_ros.scenes.dataset_questions import is_annotated
from spatialllm_ros.scenes.mirror import mirrored_scene
from spatialllm_ros.scenes.shard_questions import ask_scene
from spatialllm_ros.scenes.shards import read_scenes, read_shard, shard_indices, shard_path
from spatialllm_ros.schema import QuestionRecord, Scene

SHARDS_TO_BALANCE = 4
"""Each answer is as frequent among so many shards as its rivals; enough that it shows nowhere."""


@dataclass(frozen=True)
class QuestionData:
    """Views and their questions: view ``2 n`` is scene n, view ``2 n + 1`` its mirror image."""

    scenes: SceneArrays
    questions: QuestionArrays


@dataclass(frozen=True)
class AskedQuestions:
    """What is asked, and in which tokens.

    Attributes:
        per_view: questions to make about each view.
        split: ``train`` or ``eval``, which wordings to use.
        types: of the questions; none for all.
    """

    tokenizer: Tokenizer
    per_view: int
    split: str = 'train'
    types: tuple[str, ...] = ()

    def key(self, scenes: int) -> str:
        """Return what the questions depend on, the code that makes them included."""
        own = ''.join(f' {name}' for name in self.types)
        words = self.tokenizer.to_str()
        balanced = f'{SHARDS_TO_BALANCE} shards'
        return f'{self.split} {scenes} {self.per_view}{own} {balanced} {_code_digest()} {words}'


def load_question_data(
    folder: Path, grid: tuple[int, int], limit: int, asked: AskedQuestions
) -> QuestionData:
    """Read the scenes of a folder and the questions about them.

    The questions are made at the first call, which takes minutes for many scenes; they are made
    again when the scenes, or the code that words or answers questions, have changed.

    Args:
        folder: what ``training/render_scenes.py`` or ``training/import_dataset.py`` wrote.
        grid: rows and columns of image tokens.
        limit: read no more than this many scenes.
        asked: what to ask.

    Raises:
        SceneError: there is no finished shard.
    """
    scenes = load_scene_arrays(folder, grid, limit)
    read = [shard_path(folder, index) for index in shard_indices(folder)[: len(scenes.images)]]
    key = f'{asked.key(len(scenes))} {_digest(read)}{_annotation_digest(folder)}'
    path = folder / f'questions-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz'
    if not path.exists():
        _make(folder, scenes, asked).save(path)
    return QuestionData(scenes, QuestionArrays.load(path))


@dataclass(frozen=True)
class _Run:
    """Shards in a row, whose questions share one balancer."""

    folder: Path
    shards: tuple[int, ...]
    first_scene: int
    scenes: int
    asked: AskedQuestions


def _make(folder: Path, scenes: SceneArrays, asked: AskedQuestions) -> QuestionArrays:
    """Return the questions about the scenes of a folder, the same by any number of cores."""
    counts = np.bincount(scenes.locations[:, 0])
    shards = shard_indices(folder)[: len(counts)]
    runs, first = [], 0
    for start in range(0, len(counts), SHARDS_TO_BALANCE):
        own = slice(start, start + SHARDS_TO_BALANCE)
        count = int(counts[own].sum())
        runs.append(_Run(folder, tuple(shards[own]), first, count, asked))
        first += count
    return joined_arrays(side_by_side(_questions_of, runs, 'run of shards'))


def _questions_of(run: _Run) -> QuestionArrays:
    scenes = (scene for index in run.shards for scene in read_shard(run.folder, index))
    views = _views(islice(scenes, run.scenes), run.first_scene, run.asked)
    return tokenise_questions(views, run.asked.tokenizer)


def _views(
    scenes: Iterable[Scene], first: int, asked: AskedQuestions
) -> Iterator[list[QuestionRecord]]:
    """Yield the questions of each view; one balancer over all of them.

    ``first`` is the number of the first scene among those of its folder.
    """
    balancer = Balancer()
    for index, scene in enumerate(scenes, start=first):
        for view in (scene, mirrored_scene(scene)):
            # Ends in one: trailing zeros would not tell this stream from the world's own.
            rng = np.random.Generator(np.random.PCG64([index, view is not scene, 1]))
            records = ask_scene(
                view, rng, balancer, asked.per_view, split=asked.split, types=asked.types
            )
            yield reindexed(records, kept_objects(scene))


def reindexed(records: list[QuestionRecord], kept: Sequence[int]) -> list[QuestionRecord]:
    """Return the questions that mention no other objects than those kept, by their new indices."""
    places = {index: place for place, index in enumerate(kept)} | {ABSENT: ABSENT}
    return [
        replace(
            record,
            mentions=tuple(
                replace(mention, object_index=places[mention.object_index])
                for mention in record.mentions
            ),
        )
        for record in records
        if all(mention.object_index in places for mention in record.mentions)
    ]


def _annotation_digest(folder: Path) -> str:
    """Return what the questions about annotated images depend on beside the others."""
    if not is_annotated(next(read_scenes(folder))):
        return ''
    sources = Path(dataset_questions.__file__), Path(scene_arrays.__file__)
    return ' ' + _digest(sources)


def _code_digest() -> str:
    """Return a hash of the code that decides what is asked and what is true."""
    modules = (
        __file__, geometry.__file__, footprints.__file__, relations.__file__, catalogue.__file__,
        mirror.__file__, shard_questions.__file__, question_arrays.__file__,
    )  # fmt: skip
    package = Path(questions.__file__).parent
    return _digest([*map(Path, modules), *sorted(package.glob('*.py'))])


def _digest(files: Iterable[Path]) -> str:
    """Return a hash of what stands in the files, which are read block by block."""
    digest = hashlib.sha256()
    for path in files:
        with path.open('rb') as file:
            digest.update(hashlib.file_digest(file, 'sha256').digest())
    return digest.hexdigest()
