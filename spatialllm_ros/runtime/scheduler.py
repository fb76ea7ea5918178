"""One worker thread between many askers and one session.

The worker owns the session: nothing else runs the model, so neither locks nor executors of the
caller are involved. It sleeps on a condition until there is something to do.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Thread

from spatialllm_ros.errors import EngineError, InputError, SpatialLLMError
from spatialllm_ros.runtime.answering import OnText, Request
from spatialllm_ros.runtime.frame_store import FrameStore
from spatialllm_ros.runtime.prefixes import Prefixes
from spatialllm_ros.runtime.question_queue import AnswerFuture, Question, QuestionQueue
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.schema import Frame, Query

__all__ = ['AnswerFuture', 'OnText', 'Scheduler', 'SchedulerSettings']

_log = logging.getLogger(__name__)


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


class Scheduler:
    """Answers questions about the newest frames, one batch after the other."""

    def __init__(
        self,
        session: SpatialSession,
        frame_store: FrameStore,
        settings: SchedulerSettings = SchedulerSettings(),
    ) -> None:
        """Take over a session; no other thread may use it from ``start`` to ``stop``."""
        self._session, self._frames, self._settings = session, frame_store, settings
        self._queue = QuestionQueue(settings.queue_size, settings.batch_size)
        self._worker: Thread | None = None
        self._to_encode: set[str] = set()  # cameras; guarded by the queue's condition
        if settings.encode_ahead_hz > 0:
            frame_store.add_listener(self._on_frame)

    def start(self) -> None:
        """Start the worker thread; does nothing while it runs."""
        if self._worker is None:
            self._queue.open()
            self._worker = Thread(target=self._work, name='spatialllm', daemon=True)
            self._worker.start()

    def stop(self) -> None:
        """End waiting and running questions with CancelledError and join the worker.

        Questions submitted later are refused with BusyError until the next ``start``.
        """
        self._queue.close()
        if self._worker is not None:
            self._worker.join()
            self._worker = None

    def submit(
        self, query: Query, on_text: OnText | None = None, timeout_s: float | None = None
    ) -> AnswerFuture:
        """Queue a question; returns at once, from any thread.

        Args:
            query: an empty camera name means the store's default one.
            on_text: receives the answer as it is written, on the worker's thread; must return
                quickly.
            timeout_s: overrides the settings' limit, counted from now.

        Raises:
            QuestionError: the question or its options cannot be read.
            UnknownCameraError: names the known cameras.
            BusyError: the queue is full, or the scheduler is stopped.
        """
        received_s, received_ns = time.monotonic(), self._frames.now_ns()
        self._session.check(query)
        max_age_s = query.max_frame_age_s
        question = Question(
            query=replace(
                query,
                camera=self._frames.resolve(query.camera),
                max_frame_age_s=self._frames.max_frame_age_s if max_age_s is None else max_age_s,
            ),
            on_text=on_text,
            future=AnswerFuture(self._queue.cancel),
            received_ns=received_ns,
            received_s=received_s,
            limit_s=self._settings.timeout_s if timeout_s is None else timeout_s,
        )
        self._queue.put(question)
        return question.future

    @property
    def waiting(self) -> int:
        """How many questions are queued."""
        return len(self._queue)

    def _on_frame(self, camera: str) -> None:
        with self._queue.changed:
            self._to_encode.add(camera)
            self._queue.changed.notify()

    # What follows runs on the worker's thread.

    def _work(self) -> None:
        hz = self._settings.encode_ahead_hz
        prefixes = Prefixes(self._session, self._frames, 1 / hz if hz else 0.0)
        while self._wait_for_work(prefixes):
            try:
                self._queue.end_overdue()
                if batch := self._queue.take_batch():
                    self._answer(batch, prefixes)
                else:
                    self._encode_ahead(prefixes)
            except SpatialLLMError as error:
                self._queue.end_running(error)
            except Exception as error:  # whatever happens in a session, the worker lives on
                _log.exception('the session failed unexpectedly')
                reason = f'expected an answer, found a failure: {error!r}; see the log'
                self._queue.end_running(EngineError(reason))

    def _wait_for_work(self, prefixes: Prefixes) -> bool:
        """Sleep until there is something to do; false where the worker has to end."""
        with self._queue.changed:
            while self._queue.is_open and not len(self._queue):
                delays_s = [prefixes.seconds_until_due(camera) for camera in self._to_encode]
                if 0 in delays_s:
                    break
                self._queue.changed.wait(min(delays_s, default=None))
            return self._queue.is_open

    def _answer(self, batch: list[Question], prefixes: Prefixes) -> None:
        """Choose a frame, the strictest question first: new enough for it is so for all."""
        for question in sorted(batch, key=lambda question: question.query.max_frame_age_s or 0):
            try:
                frame = prefixes.frame_for(question.query)
            except InputError as error:
                self._queue.end(question, error)
                batch.remove(question)
            else:
                self._answer_from(frame, batch, prefixes)
                return

    def _answer_from(self, frame: Frame, batch: list[Question], prefixes: Prefixes) -> None:
        encoded, encode_s = prefixes.encode(frame)
        for question in batch:
            question.encode_s = encode_s
        requests = [self._request(question) for question in batch]
        for index, outcome in self._session.answer_each(encoded, requests):
            self._queue.end(batch[index], outcome)

    def _request(self, question: Question) -> Request:
        def must_end() -> bool:
            self._queue.end_overdue()  # the time of those that wait runs, too
            return question.is_cancelled or question.is_overdue

        return Request(question.query, question.show, must_end)

    def _encode_ahead(self, prefixes: Prefixes) -> None:
        """Encode the newest frame of one camera; then look whether somebody asks."""
        with self._queue.changed:
            due = [c for c in self._to_encode if not prefixes.seconds_until_due(c)]
            self._to_encode.difference_update(due[:1])
        for camera in due[:1]:
            with suppress(InputError):  # too old: nobody may ask about it either
                prefixes.encode(self._frames.take(camera))
