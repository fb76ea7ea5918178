"""The questions of a folder of shards: made and tokenised once, then kept beside the shards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from spatialllm_ros import geometry, questions, relations
from spatialllm_ros.learning.question_arrays import QuestionArrays, tokenise_questions
from spatialllm_ros.learning.scene_arrays import SceneArrays, load_scene_arrays
from spatialllm_ros.questions import Balancer, generate
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.scenes.mirror import mirrored_scene
from spatialllm_ros.schema import QuestionRecord, Scene


@dataclass(frozen=True)
class QuestionData:
    """Views and their questions: view ``2 n`` is scene n, view ``2 n + 1`` its mirror image."""

    scenes: SceneArrays
    questions: QuestionArrays


def load_question_data(
    folder: Path, grid: tuple[int, int], limit: int, per_view: int, split: str = 'train'
) -> QuestionData:
    """Read the scenes of a folder and the questions about them.

    The questions are made at the first call, which takes minutes for many scenes; they are made
    again when the code that words or answers them has changed.

    Args:
        folder: what ``training/render_scenes.py`` wrote.
        grid: rows and columns of image tokens.
        limit: read no more than this many scenes.
        per_view: questions to make about each view.
        split: ``train`` or ``eval``, which wordings to use.

    Raises:
        SceneError: there is no finished shard.
    """
    scenes = load_scene_arrays(folder, grid, limit)
    key = f'{split} {len(scenes)} {per_view} {_code_digest()}'
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    path = folder / f'questions-{name}.npz'
    if not path.exists():
        made = _make(scenes.scenes, per_view, split)
        made.save(path)
    return QuestionData(scenes, QuestionArrays.load(path))


def _make(scenes: Sequence[Scene], per_view: int, split: str) -> QuestionArrays:
    views = _views(scenes, per_view, split)
    bar = tqdm(views, total=2 * len(scenes), unit='view', mininterval=5)
    return tokenise_questions(bar, build_tokenizer())


def _views(scenes: Sequence[Scene], per_view: int, split: str) -> Iterator[list[QuestionRecord]]:
    """Yield the questions of each view; one balancer over all of them."""
    balancer = Balancer()
    for index, scene in enumerate(scenes):
        for view in (scene, mirrored_scene(scene)):
            # Ends in one: trailing zeros would not tell this stream from the world's own.
            rng = np.random.Generator(np.random.PCG64([index, view is not scene, 1]))
            yield generate(view, rng, balancer, per_view, split=split)


def _code_digest() -> str:
    """Return a hash of the code that decides what is asked and what is true."""
    package = Path(questions.__file__).parent
    sources = [Path(geometry.__file__), Path(relations.__file__), *sorted(package.glob('*.py'))]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()
