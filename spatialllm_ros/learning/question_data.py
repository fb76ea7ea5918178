"""The questions of a folder of shards: made and tokenised once, then kept beside the shards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tqdm import tqdm

from spatialllm_ros import geometry, questions, relations
from spatialllm_ros.learning.question_arrays import QuestionArrays, tokenise_questions
from spatialllm_ros.learning.scene_arrays import SceneArrays, load_scene_arrays
from spatialllm_ros.questions import Balancer, generate
from spatialllm_ros.scenes.mirror import mirrored_scene
from spatialllm_ros.schema import QuestionRecord, Scene


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
        return f'{self.split} {scenes} {self.per_view}{own} {_code_digest()} {words}'


def load_question_data(
    folder: Path, grid: tuple[int, int], limit: int, asked: AskedQuestions
) -> QuestionData:
    """Read the scenes of a folder and the questions about them.

    The questions are made at the first call, which takes minutes for many scenes; they are made
    again when the code that words or answers them has changed.

    Args:
        folder: what ``training/render_scenes.py`` wrote.
        grid: rows and columns of image tokens.
        limit: read no more than this many scenes.
        asked: what to ask.

    Raises:
        SceneError: there is no finished shard.
    """
    scenes = load_scene_arrays(folder, grid, limit)
    name = hashlib.sha256(asked.key(len(scenes)).encode()).hexdigest()[:16]
    path = folder / f'questions-{name}.npz'
    if not path.exists():
        made = _make(scenes.scenes, asked)
        made.save(path)
    return QuestionData(scenes, QuestionArrays.load(path))


def _make(scenes: Sequence[Scene], asked: AskedQuestions) -> QuestionArrays:
    views = _views(scenes, asked)
    bar = tqdm(views, total=2 * len(scenes), unit='view', mininterval=5)
    return tokenise_questions(bar, asked.tokenizer)


def _views(scenes: Sequence[Scene], asked: AskedQuestions) -> Iterator[list[QuestionRecord]]:
    """Yield the questions of each view; one balancer over all of them."""
    balancer = Balancer()
    for index, scene in enumerate(scenes):
        for view in (scene, mirrored_scene(scene)):
            # Ends in one: trailing zeros would not tell this stream from the world's own.
            rng = np.random.Generator(np.random.PCG64([index, view is not scene, 1]))
            yield generate(
                view, rng, balancer, asked.per_view, split=asked.split, types=asked.types
            )


def _code_digest() -> str:
    """Return a hash of the code that decides what is asked and what is true."""
    package = Path(questions.__file__).parent
    sources = [Path(geometry.__file__), Path(relations.__file__), *sorted(package.glob('*.py'))]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()
