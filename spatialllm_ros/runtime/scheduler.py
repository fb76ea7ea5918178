"""One worker thread between many askers and one session.

The worker owns the session: nothing else runs the model, so neither locks nor executors of the
caller are involved. It sleeps on a condition until there is something to do.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from spatialllm_ros.runtime.frame_store import FrameStore
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.schema import Answer, Query

OnText = Callable[[str], None]
"""Receives the answer's words so far, on the worker's thread; must return quickly."""


@dataclass(frozen=True)
class SchedulerSettings:
    """How many questions may wait, and for how long.

    Attributes:
        queue_size: questions beyond these are refused.
        batch_size: questions on one frame that are answered at once.
        timeout_s: a question without an answer after this long fails.
        encode_ahead_hz: how often a new frame is encoded before anybody asks; 0 for never. A
            question may then be answered from a frame up to one such period older than the newest.
    """

    queue_size: int = 32
    batch_size: int = 8
    timeout_s: float = 10.0
    encode_ahead_hz: float = 0.0


class AnswerFuture(Future[Answer]):
    """A question's answer to come; see ``concurrent.futures.Future``.

    ``result()`` and ``exception()`` give the ``Answer`` or a ``SpatialLLMError``: NoFrameError,
    StaleFrameError, UncalibratedCameraError, AnswerParseError, EngineError, AnswerTimeoutError,
    CancelledError.
    """

    def cancel(self) -> bool:
        """Ask for the end of the question, waiting or running.

        A waiting one ends at once, a running one before its next word; either way ``result()``
        raises ``spatialllm_ros.errors.CancelledError``.

        Returns:
            False where the question is over already.
        """
        raise NotImplementedError


class Scheduler:
    """Answers questions about the newest frames, one batch after the other."""

    def __init__(
        self,
        session: SpatialSession,
        frame_store: FrameStore,
        settings: SchedulerSettings = SchedulerSettings(),
    ) -> None:
        """Take over a session; no other thread may use it from ``start`` to ``stop``."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the worker thread; does nothing while it runs."""
        raise NotImplementedError

    def stop(self) -> None:
        """End waiting and running questions with CancelledError and join the worker.

        Questions submitted later are refused with BusyError until the next ``start``.
        """
        raise NotImplementedError

    def submit(
        self, query: Query, on_text: OnText | None = None, timeout_s: float | None = None
    ) -> AnswerFuture:
        """Queue a question; returns at once, from any thread.

        Args:
            query: an empty camera name means the store's default one.
            on_text: receives the answer as it is written.
            timeout_s: overrides the settings' limit, counted from now.

        Raises:
            QuestionError: the question or its options cannot be read.
            UnknownCameraError: names the known cameras.
            BusyError: the queue is full, or the scheduler is stopped.
        """
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """How many questions are queued."""
        raise NotImplementedError
