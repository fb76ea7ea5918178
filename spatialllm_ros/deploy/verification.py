"""Are several bundles the model that they were made of: numbers, words and the task itself.

The reference is torch with the weights that lie in the first bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tqdm import tqdm

from spatialllm_ros.deploy.parity import ParityCase, stage_gaps
from spatialllm_ros.deploy.reference import TransformersReference
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.asked_worlds import (
    QUESTIONS_PER_WORLD,
    AskedWorld,
    asked_worlds,
    seeds_from,
)
from spatialllm_ros.evaluation.validation_accuracy import accuracies
from spatialllm_ros.evaluation.written_words import written_words
from spatialllm_ros.runtime.bundle import TOKENIZER, Bundle
from spatialllm_ros.runtime.engines import load_engine
from spatialllm_ros.runtime.preprocess import vision_inputs
from spatialllm_ros.runtime.prompt import PromptBuilder
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.runtime.tokenizer import Tokenizer
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS, VALIDATION_SEEDS
from spatialllm_ros.schema import Query

TOLERANCES = {'float32': 1e-4, 'float16': 5e-3}
"""Greatest gap of a stage, as a share of its largest value; other precisions are only reported."""
BATCH, WORDS = 8, 4
"""How many questions are asked together, and how many words are then written behind each."""
SAME_WORDS = 'float32'
"""The precision in which every greedy word has to be the reference's."""


@dataclass(frozen=True)
class VerifySettings:
    """What is asked.

    Attributes:
        engine: a name of ``engines.ENGINES``, or ``auto``.
        questions: about held-out worlds, for the words.
        worlds: validation worlds, for the accuracy of several bundles; 0 for none.
        threads: of the computation on a CPU; 0 for one per core.
    """

    engine: str = 'auto'
    questions: int = 100
    worlds: int = 100
    threads: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be asked.

        Raises:
            ConfigError: no question, or fewer than no worlds or threads.
        """
        if self.questions < 1 or self.worlds < 0 or self.threads < 0:
            raise ConfigError(
                'expected at least one question to compare words on, and worlds and threads from '
                f'0 on, found {self.questions}, {self.worlds} and {self.threads}'
            )


@dataclass(frozen=True)
class Verified:
    """What was found of one bundle.

    Attributes:
        gaps: of each stage, see ``parity.stage_gaps``.
        same_words: how many of the questions got the reference's words.
        accuracy: the mean over question types; None where it was not asked for.
    """

    name: str
    precision: str
    flavour: str
    engine: str
    gaps: dict[str, float]
    same_words: int
    questions: int
    accuracy: float | None

    @property
    def tolerance(self) -> float | None:
        """Of the gaps; None where they are only reported."""
        return TOLERANCES.get(self.precision)


def verify(bundles: Sequence[Bundle], settings: VerifySettings) -> list[Verified]:
    """Hold bundles of one model against torch with the weights of the first.

    Raises:
        ConfigError: the first bundle has no weights, or nothing is to be asked.
        EngineError: a bundle cannot be loaded.
        SceneError: there is no OpenGL to draw with.
    """
    first = bundles[0]
    if not any(entry.path.endswith('.safetensors') for entry in first.manifest.files.values()):
        raise ConfigError(
            f'expected the weights of the model in {first.folder}, found graphs alone; name the '
            'bundle that it was made of first'
        )
    if settings.threads:
        torch.set_num_threads(settings.threads)
    reference = TransformersReference(first.folder)
    worlds = _worlds(first, settings.questions)
    engines = [load_engine(bundle, settings.engine, settings.threads) for bundle in bundles]
    sessions = [SpatialSession(*pair) for pair in zip(bundles, engines, strict=True)]
    context = min(bundle.manifest.decoder.context for bundle in bundles)
    case = _case(first, worlds[0], context)
    gaps = [stage_gaps(reference.model, engine, case) for engine in engines]
    same = _same_words(reference, sessions, worlds)
    found = _accuracies(sessions, settings.worlds)
    return [
        Verified(
            name=bundle.manifest.name,
            precision=bundle.manifest.decoder.precision,
            flavour=bundle.manifest.decoder.flavour,
            engine=engine.name,
            gaps=own_gaps,
            same_words=own_same,
            questions=settings.questions,
            accuracy=accuracy,
        )
        for bundle, engine, own_gaps, own_same, accuracy in zip(
            bundles, engines, gaps, same, found, strict=True
        )
    ]


def missed(found: Verified, first: Verified, max_loss: float) -> list[str]:
    """Return, in words, every tolerance that a bundle missed.

    Args:
        found: the bundle.
        first: the bundle whose accuracy it may fall short of.
        max_loss: by so many points of a hundred.
    """
    words = []
    if found.tolerance is not None:
        words += [
            f'expected {stage} within {found.tolerance:g} of the model, found {gap:.2g}'
            for stage, gap in found.gaps.items()
            if not gap <= found.tolerance
        ]
    if found.precision == SAME_WORDS and found.same_words < found.questions:
        words.append(
            f"expected the model's words for all {found.questions} questions, found them for "
            f'{found.same_words}'
        )
    if found.accuracy is not None and first.accuracy is not None:
        loss = 100 * (first.accuracy - found.accuracy)
        if loss > max_loss:
            words.append(
                f'expected at most {max_loss:g} points of accuracy less than {first.name}, '
                f'found {loss:.2f}'
            )
    return words


def _worlds(bundle: Bundle, questions: int) -> list[AskedWorld]:
    """Return the first held-out worlds with so many questions in all."""
    image, worlds = bundle.manifest.image, []
    # More worlds than are needed: some have few questions, or none.
    seeds = seeds_from(HELD_OUT_SEEDS.start, questions + QUESTIONS_PER_WORLD, HELD_OUT_SEEDS)
    for world in asked_worlds(seeds, (image.width_px, image.height_px)):
        if records := world.records[:questions]:
            worlds.append(AskedWorld(world.frame, records))
        questions -= len(records)
        if not questions:
            break
    if not worlds:
        raise ConfigError('expected questions about held-out worlds, found none in such images')
    return worlds


def _case(bundle: Bundle, world: AskedWorld, context: int) -> ParityCase:
    """Return a real image and as many of its questions as fit together, up to the batch.

    Raises:
        ConfigError: not even one does.
    """
    manifest = bundle.manifest
    builder = PromptBuilder(manifest, Tokenizer(bundle.path(TOKENIZER)))
    questions: list[Sequence[int]] = []
    room = context - 1 - manifest.image.tokens
    for record in world.records[:BATCH]:
        question = builder.build(Query(record.question)).question
        room -= len(question) + WORDS
        if room >= 0:
            questions.append(question)
    if not questions:
        raise ConfigError(
            f'expected contexts that hold an image and a question, found one of {context} '
            'positions; export with a longer one'
        )
    # Which words are written does not matter here, so that those of a question will do.
    words = questions[0][:WORDS]
    inputs = vision_inputs(world.frame, manifest.image)
    return ParityCase(*inputs, manifest.tokens.start, questions, words)


def _same_words(
    reference: TransformersReference,
    sessions: Sequence[SpatialSession],
    worlds: Sequence[AskedWorld],
) -> list[int]:
    """Count, for each session, the questions to which it writes what the reference does."""
    same = [0] * len(sessions)
    for world in tqdm(worlds, unit='world', desc='words'):
        questions = [record.question for record in world.records]
        expected = [reference.answer(world.frame, Query(question)) for question in questions]
        for place, session in enumerate(sessions):
            found = written_words(session, session.encode(world.frame), questions)
            same[place] += sum(a == b for a, b in zip(found, expected, strict=True))
    return same


def _accuracies(sessions: Sequence[SpatialSession], count: int) -> list[float | None]:
    """Return the accuracy of each of several sessions on the same validation worlds."""
    if len(sessions) == 1 or not count:
        return [None] * len(sessions)
    image = sessions[0].bundle.manifest.image
    seeds = seeds_from(VALIDATION_SEEDS.start, count, VALIDATION_SEEDS)
    worlds = asked_worlds(seeds, (image.width_px, image.height_px))
    asked = tqdm(worlds, total=count, unit='world', desc='accuracy')
    return list(accuracies(sessions, asked))
