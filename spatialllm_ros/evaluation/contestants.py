"""What is timed side by side: each engine with each bundle, and transformers' ``generate``.

Every contestant takes its turn on the same worlds. Questions are asked without their options, so
that all of them write words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from spatialllm_ros.errors import EngineError
from spatialllm_ros.evaluation.asked_worlds import AskedWorld
from spatialllm_ros.evaluation.written_words import written_words
from spatialllm_ros.runtime.bundle import EMBEDDINGS, TOKENIZER, Bundle
from spatialllm_ros.runtime.decoding import PrefixedContext
from spatialllm_ros.runtime.engines import load_engine
from spatialllm_ros.runtime.preprocess import vision_inputs
from spatialllm_ros.runtime.prompt import Prompt, PromptBuilder
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.runtime.tokenizer import Tokenizer
from spatialllm_ros.schema import Query

ENCODE, PREFIX, QUESTION, ANSWER, ANSWERS_8 = 'encode', 'prefix', 'question', 'answer', 'answers_8'
BATCHES = (1, 2, 4, 8)
WORDS = 8
"""Written behind each question of a batch when decoding is timed."""
QUESTIONS = 4
"""Of a world, answered one after the other."""
Samples = dict[str, list[float]]
"""Seconds by what took them: the names above, and ``decode(b)`` of a step for b questions."""
T = TypeVar('T')


def decode(batch: int) -> str:
    """Return the name of one word for each of several questions."""
    return f'decode_{batch}'


class Contestant(Protocol):
    """A loaded model."""

    name: str
    bundle: Bundle

    def turn(self, world: AskedWorld) -> Samples:
        """Do everything that is timed with one world.

        Raises:
            EngineError: the engine failed.
        """


class RunTime:
    """A bundle in one engine of the run time, which keeps a frame's prefix between questions."""

    def __init__(self, bundle: Bundle, engine: str, threads: int) -> None:
        """Load the engine.

        Raises:
            EngineError: it cannot be loaded.
        """
        self.bundle = bundle
        self._engine = load_engine(bundle, engine, threads)
        self.name = self._engine.name
        self._session = SpatialSession(bundle, self._engine)
        self._builder = PromptBuilder(bundle.manifest, Tokenizer(bundle.path(TOKENIZER)))
        self._table = np.load(bundle.path(EMBEDDINGS), allow_pickle=False).astype(np.float32)

    def turn(self, world: AskedWorld) -> Samples:
        """See ``Contestant.turn``."""
        questions = [record.question for record in world.records]
        return self._stages(world) | self._answers(world, questions)

    def _stages(self, world: AskedWorld) -> Samples:
        manifest = self.bundle.manifest
        pixels, camera = vision_inputs(world.frame, manifest.image)
        image, encode_s = timed(partial(self._engine.embed_image, pixels, camera))
        prefix = np.concatenate([self._table[[manifest.tokens.start]], image])
        context, prefix_s = timed(
            lambda: PrefixedContext(self._engine.new_context(), self._table, prefix)
        )
        prompts = [self._builder.build(Query(record.question)) for record in world.records]
        _, question_s = timed(partial(context.read, prompts[:1]))
        samples = {ENCODE: [encode_s], PREFIX: [prefix_s], QUESTION: [question_s]}
        for batch in BATCHES:
            together = [prompts[n % len(prompts)] for n in range(batch)]
            needed = len(prefix) + sum(len(prompt.question) + WORDS for prompt in together)
            if needed <= manifest.decoder.context:
                samples[decode(batch)] = _steps(context, together)
        return samples

    def _answers(self, world: AskedWorld, questions: Sequence[str]) -> Samples:
        encoded = self._session.encode(world.frame)
        write = partial(written_words, self._session, encoded)
        alone = [timed(partial(write, [question]))[1] for question in questions[:QUESTIONS]]
        eight = [questions[n % len(questions)] for n in range(8)]
        _, together_s = timed(partial(write, eight))
        return {ANSWER: alone, ANSWERS_8: [together_s]}


class Generate:
    """The weights of a bundle as transformers runs them: the image is read for each question."""

    name = "transformers' generate"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        """Load the weights.

        Raises:
            EngineError: torch or transformers is not here.
            ConfigError: the bundle has no weights, or broken ones.
        """
        try:  # a robot has neither
            import torch  # noqa: PLC0415

            from spatialllm_ros.deploy.reference import TransformersReference  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise EngineError(
                f'expected the training environment, found no {error.name}; run `make env-train` '
                'and use .venv-train'
            ) from error
        torch.set_num_threads(threads)
        self.bundle = bundle
        self._reference = TransformersReference(bundle.folder)
        layers = self._reference.model.language_model.model.layers
        self._factors = [
            sum(
                part.weight.numel()
                for part in layer.modules()
                if isinstance(part, torch.nn.Linear)
            )
            for layer in layers
        ]
        attention = layers[-1].self_attn
        self._last_kept = sum(p.weight.numel() for p in (attention.k_proj, attention.v_proj))

    def prefix_products(self, positions: int, *, picks_scored: bool) -> int:
        """Return how many products of two numbers a prefix takes, but for attention's own.

        Args:
            positions: of the prefix.
            picks_scored: the last layer does nothing but keys and values for all positions, and
                the rest for the one that is scored.
        """
        if not picks_scored:
            return positions * sum(self._factors)
        *before, last = self._factors
        return positions * (sum(before) + self._last_kept) + last - self._last_kept

    def turn(self, world: AskedWorld) -> Samples:
        """See ``Contestant.turn``."""
        answer = partial(self._reference.answer, world.frame)
        queries = [Query(record.question) for record in world.records[:QUESTIONS]]
        return {ANSWER: [timed(partial(answer, query))[1] for query in queries]}


def decoder_bytes(bundle: Bundle) -> int:
    """Return the size of the decoder's graph with its weights, which each word reads once."""
    name = bundle.manifest.files['decoder'].path
    files = bundle.manifest.files.values()
    return sum(entry.bytes for entry in files if Path(entry.path).name.startswith(name))


def _steps(context: PrefixedContext, prompts: Sequence[Prompt]) -> list[float]:
    """Write words behind some questions together; return what each took."""
    strands = context.read(prompts)
    word = prompts[0].question[0]
    step = partial(context.extend, strands, [word] * len(strands))
    return [timed(step)[1] for _ in range(WORDS)]


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """Return what a call returns, and the seconds that it took."""
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started
