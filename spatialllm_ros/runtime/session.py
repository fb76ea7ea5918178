"""Frames and questions in, answers out: prefix reuse, exact scores of closed answers, streaming.

Knows neither ROS nor what computes. A session is used by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.schema import Answer, Frame, Query


@dataclass(frozen=True)
class Request:
    """A question with what its caller wants while it is answered.

    Attributes:
        on_text: receives the answer's words so far after each token that changes them.
        is_cancelled: asked before each token; true ends the question with CancelledError.
    """

    query: Query
    on_text: Callable[[str], None] | None = None
    is_cancelled: Callable[[], bool] | None = None


class EncodedFrame:
    """A frame's image prefix, computed once and shared by all questions about it.

    Attributes:
        frame: what was encoded.
        encode_s: what it cost.
    """

    frame: Frame
    encode_s: float


class SpatialSession:
    """A loaded model."""

    @classmethod
    def load(
        cls, bundle_dir: str | Path, engine: str = 'auto', threads: int = 0
    ) -> SpatialSession:
        """Open a bundle.

        Args:
            bundle_dir: a folder, or the name of a shipped bundle (``nano``).
            engine: a name of ``engines.ENGINES``, or ``auto``.
            threads: of the computation on a CPU; 0 for one per core.

        Raises:
            BundleError: names the file, what is wrong with it and what to do.
            EngineError: the engine cannot be loaded.
        """
        raise NotImplementedError

    @property
    def engine_name(self) -> str:
        """What computes, in words (``onnx on CPU``)."""
        raise NotImplementedError

    def check(self, query: Query) -> None:
        """Refuse a question that no frame could answer; may be called from any thread.

        Raises:
            QuestionError: empty, too long, not text, or options that cannot be told apart.
        """
        raise NotImplementedError

    def encode(self, frame: Frame) -> EncodedFrame:
        """Compute a frame's image prefix.

        Raises:
            EngineError: the engine failed.
        """
        raise NotImplementedError

    def answer(
        self,
        encoded: EncodedFrame,
        query: Query,
        on_text: Callable[[str], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> Answer:
        """Answer one question about an encoded frame.

        Raises:
            QuestionError: see ``check``.
            UncalibratedCameraError: the answer is metric and the camera's intrinsics are a guess.
            AnswerParseError: the model wrote something that is not an answer.
            CancelledError: ``is_cancelled`` said so.
            EngineError: the engine failed.
        """
        raise NotImplementedError

    def answer_batch(
        self, encoded: EncodedFrame, requests: Sequence[Request]
    ) -> list[Answer | SpatialLLMError]:
        """Answer several questions about one frame at once, in their order.

        What would be raised by ``answer`` for one question stands in its place.

        Raises:
            EngineError: the engine failed.
        """
        raise NotImplementedError
