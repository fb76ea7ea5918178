"""What every session offers, be the model here or on a server: frames in, answers out."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spatialllm_ros.errors import EngineError, SpatialLLMError
from spatialllm_ros.runtime.answering import IsCancelled, OnText, Outcome, Request
from spatialllm_ros.schema import Answer, Frame, Query

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncodedFrame:
    """A frame made ready once and shared by all questions about it.

    Attributes:
        frame: what was encoded.
        encode_s: what it cost.
        context: the session's own business.
    """

    frame: Frame
    encode_s: float
    context: Any


class Session(ABC):
    """Answers questions about frames; used by one thread at a time."""

    @property
    @abstractmethod
    def engine_name(self) -> str:
        """What computes, in words (``onnx on CPU, 2 threads``)."""

    @property
    @abstractmethod
    def precision(self) -> str:
        """What the language model's weights are stored as (``float32``)."""

    @abstractmethod
    def check(self, query: Query) -> None:
        """Refuse a question that no frame could answer; may be called from any thread.

        Raises:
            QuestionError: empty, too long, not text, or options that cannot be told apart.
        """

    @abstractmethod
    def encode(self, frame: Frame) -> EncodedFrame:
        """Make a frame ready.

        Raises:
            ImageError: the pixels do not fit the frame's camera.
            EngineError: the engine failed.
        """

    @abstractmethod
    def answer_each(
        self, encoded: EncodedFrame, requests: Sequence[Request]
    ) -> Iterator[tuple[int, Outcome]]:
        """Answer several questions about a frame, each with its index once it is answered.

        Raises:
            EngineError: the engine failed; there are no further outcomes.
        """

    def answer_batch(self, encoded: EncodedFrame, requests: Sequence[Request]) -> list[Outcome]:
        """Answer several questions about one frame at once, in their order.

        What ``answer`` would raise for one question stands in its place.

        Raises:
            EngineError: the engine failed.
        """
        outcomes = dict(self.answer_each(encoded, requests))
        return [outcomes[index] for index in range(len(requests))]

    def answer(
        self,
        encoded: EncodedFrame,
        query: Query,
        on_text: OnText | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> Answer:
        """Answer one question about an encoded frame.

        Raises:
            QuestionError: see ``check``.
            UncalibratedCameraError: the answer is metric and the camera's intrinsics are a guess.
            AnswerParseError: the model wrote something that is not an answer.
            CancelledError: ``is_cancelled`` said so.
            EngineError: the engine failed.
        """
        (outcome,) = self.answer_batch(encoded, [Request(query, on_text, is_cancelled)])
        if isinstance(outcome, SpatialLLMError):
            raise outcome
        return outcome


def told(failure: Exception) -> SpatialLLMError:
    """Return what those who asked are told of a session's failure; one unforeseen is logged."""
    if isinstance(failure, SpatialLLMError):
        return failure
    _log.error('the session failed unexpectedly', exc_info=failure)
    return EngineError(f'expected an answer, found a failure: {failure!r}; see the log')
