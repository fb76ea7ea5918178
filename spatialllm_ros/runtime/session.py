"""Frames and questions in, answers out: prefix reuse, exact scores of closed answers, streaming.

Knows neither ROS nor what computes. A session is used by one thread at a time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from spatialllm_ros.errors import BundleError, QuestionError
from spatialllm_ros.runtime.answering import AnswerWriter, Outcome, Request, closed_logs
from spatialllm_ros.runtime.bundle import (
    EMBEDDINGS,
    REMEDY,
    TOKENIZER,
    Bundle,
    find_bundle,
    load_bundle,
)
from spatialllm_ros.runtime.decoding import Logs, PrefixedContext
from spatialllm_ros.runtime.engines import Engine, load_engine
from spatialllm_ros.runtime.engines.base import Floats
from spatialllm_ros.runtime.preprocess import vision_inputs
from spatialllm_ros.runtime.prompt import PromptBuilder
from spatialllm_ros.runtime.session_base import EncodedFrame, Session
from spatialllm_ros.runtime.tokenizer import Tokenizer
from spatialllm_ros.schema import Frame, Query

__all__ = ['EncodedFrame', 'Request', 'SpatialSession']


class SpatialSession(Session):
    """A loaded model."""

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        """Use an engine that was loaded from the same bundle.

        Raises:
            BundleError: tokenizer or embeddings do not fit the manifest, or each other.
        """
        self.bundle = bundle
        self._engine = engine
        self._manifest = bundle.manifest
        self._tokenizer = Tokenizer(bundle.path(TOKENIZER))
        self._embeddings = _load_embeddings(bundle)
        _check_rows(bundle, self._tokenizer.last_id)
        self._prompts = PromptBuilder(bundle.manifest, self._tokenizer)

    @classmethod
    def load(
        cls,
        bundle_dir: str | Path = 'nano',
        engine: str = 'auto',
        threads: int = 0,
        *,
        allow_fallback: bool = False,
    ) -> SpatialSession:
        """Open a bundle.

        Args:
            bundle_dir: a folder, or the name of a shipped bundle (``nano``).
            engine: a name of ``engines.ENGINES``, or ``auto``.
            threads: of the computation on a CPU; 0 for one per core.
            allow_fallback: take the next best engine where this one cannot be loaded.

        Raises:
            BundleError: names the file, what is wrong with it and what to do.
            EngineError: the engine cannot be loaded.
        """
        bundle = load_bundle(find_bundle(bundle_dir))
        return cls(bundle, load_engine(bundle, engine, threads, allow_fallback=allow_fallback))

    @property
    def engine_name(self) -> str:
        """What computes, in words (``onnx on CPU, 2 threads``)."""
        return self._engine.name

    @property
    def precision(self) -> str:
        """See ``Session.precision``."""
        return self._manifest.decoder.precision

    def check(self, query: Query) -> None:
        """Refuse a question that no frame could answer; may be called from any thread.

        Raises:
            QuestionError: empty, too long, not text, or options that cannot be told apart.
        """
        self._prompts.build(query)

    def encode(self, frame: Frame) -> EncodedFrame:
        """Compute a frame's image prefix.

        Raises:
            ImageError: the pixels do not fit the frame's camera.
            EngineError: the engine failed.
        """
        started = time.perf_counter()
        image = self._engine.embed_image(*vision_inputs(frame, self._manifest.image))
        context = self._prefixed(image)
        return EncodedFrame(frame, time.perf_counter() - started, context)

    def encode_blind(self, frame: Frame) -> EncodedFrame:
        """Compute the prefix of a frame whose pixels are withheld, as some are in training.

        What the model then answers is what a question's words alone give away. The prefix is the
        same for every frame.

        Raises:
            EngineError: the engine failed.
        """
        started = time.perf_counter()
        spec, size = self._manifest.image, self._manifest.decoder.hidden_size
        context = self._prefixed(np.zeros((spec.tokens, size), np.float32))
        return EncodedFrame(frame, time.perf_counter() - started, context)

    def answer_each(
        self, encoded: EncodedFrame, requests: Sequence[Request]
    ) -> Iterator[tuple[int, Outcome]]:
        """Do what ``answer_batch`` does, and give each outcome with its index once it is there.

        Raises:
            EngineError: the engine failed; there are no further outcomes.
        """
        writers: dict[int, AnswerWriter] = {}
        for index, request in enumerate(requests):
            try:
                prompt = self._prompts.build(request.query)
            except QuestionError as error:
                yield index, error
            else:
                model = (self._manifest, self._tokenizer)
                writers[index] = AnswerWriter(request, prompt, encoded.frame, model)
        while writers:
            prompts = {index: writer.prompt for index, writer in writers.items()}
            together = self._prompts.in_passes(prompts)[0]
            begun = {index: writers.pop(index) for index in together}
            yield from self._answer_pass(encoded.context, begun)
            writers = begun | writers

    def option_logs(self, encoded: EncodedFrame, queries: Sequence[Query]) -> list[Logs]:
        """Return what ``closed_logs`` says of each question with options, for calibration.

        Raises:
            QuestionError: see ``check``.
            EngineError: the engine failed.
        """
        absent = self._manifest.tokens.absent
        prompts = {index: self._prompts.build(query) for index, query in enumerate(queries)}
        logs: list[Logs] = []
        for together in self._prompts.in_passes(prompts):
            strands = encoded.context.read([prompts[index] for index in together])
            logs += [closed_logs(strand, absent) for strand in strands]
        return logs

    def _prefixed(self, image: Floats) -> PrefixedContext:
        """Read an image's tokens (T, D) into a new context."""
        start = self._embeddings[[self._manifest.tokens.start]]
        prefix = np.concatenate([start, image])
        return PrefixedContext(self._engine.new_context(), self._embeddings, prefix)

    def _answer_pass(
        self, context: PrefixedContext, writers: dict[int, AnswerWriter]
    ) -> Iterator[tuple[int, Outcome]]:
        """Answer questions that fit into the context together.

        Those with long answers are left in ``writers`` where the room has run out before their
        end: reading them again, alone, makes room.
        """
        started_s = time.perf_counter()
        strands = context.read([writer.prompt for writer in writers.values()])
        for writer, strand in zip(writers.values(), strands, strict=True):
            writer.take(strand, started_s)
        while True:
            for index, writer in list(writers.items()):
                if writer.outcome:
                    yield index, writer.outcome
                    del writers[index]
            active = list(writers.values())
            if not active or context.room < len(active):
                return
            guesses = [writer.guesses for writer in active]
            need = len(active) + sum(len(way) for ways in guesses for way in ways)
            if context.room < need:
                guesses = []
            strands = [writer.strand for writer in active]
            context.extend(strands, [writer.last_word for writer in active], guesses)
            for writer in active:
                writer.advance()


def _load_embeddings(bundle: Bundle) -> Floats:
    """Return the table of word embeddings (vocabulary, D)."""
    path, decoder = bundle.path(EMBEDDINGS), bundle.manifest.decoder
    try:
        table: Floats = np.load(path, allow_pickle=False).astype(np.float32)
    except ValueError as error:
        raise BundleError(f'{path}: expected a NumPy array, found {error}; {REMEDY}') from error
    if table.shape != (decoder.vocabulary, decoder.hidden_size):
        raise BundleError(
            f'{path}: expected an array of shape {(decoder.vocabulary, decoder.hidden_size)}, '
            f'found {table.shape}; {REMEDY}'
        )
    return table


def _check_rows(bundle: Bundle, last_id: int) -> None:
    """Refuse a tokenizer with words that the table of embeddings lacks."""
    rows = bundle.manifest.decoder.vocabulary
    if last_id >= rows:
        raise BundleError(
            f'{bundle.path(TOKENIZER)}: expected ids below {rows}, the rows of '
            f'{bundle.path(EMBEDDINGS)}, found {last_id}; {REMEDY}'
        )
