"""One worker thread between many askers and one session.

The worker owns the session: nothing else runs the model, so neither locks nor executors of the
caller are involved. It sleeps on a condition until there is something to do.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Thread

from spatialllm_ros.errors import InputError, SpatialLLMError
from spatialllm_ros.runtime.answering import OnText, Request
from spatialllm_ros.runtime.background import Background, OnAnswer, OnWatch, Rates
from spatialllm_ros.runtime.frame_store import FrameStore
from spatialllm_ros.runtime.prefixes import Prefixes
from spatialllm_ros.runtime.question_queue import AnswerFuture, Question, QuestionQueue
from spatialllm_ros.runtime.session_base import Session, told
from spatialllm_ros.runtime.watches import Watch, check_names
from spatialllm_ros.schema import Answer, Frame, Query

__all__ = ['AnswerFuture', 'OnAnswer', 'OnText', 'Rates', 'Scheduler', 'SchedulerSettings']

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SchedulerSettings:
    """How many questions may wait, and for how long.

    Attributes:
        queue_size: questions beyond these are refused.
        batch_size: questions on one frame that are answered at once.
        timeout_s: a question without an answer after this long fails.
        rates: how often frames are encoded before anybody asks. A question may then be answered
            from a frame up to one period of ``rates.encode_ahead_hz`` older than the newest.
    """

    queue_size: int = 32
    batch_size: int = 8
    timeout_s: float = 10.0
    rates: Rates = field(default_factory=Rates)


class Scheduler:
    """Answers questions about the newest frames, one batch after the other."""

    def __init__(
        self,
        session: Session,
        frame_store: FrameStore,
        settings: SchedulerSettings = SchedulerSettings(),
        on_watch: OnWatch = lambda *_: None,
    ) -> None:
        """Take over a session; no other thread may use it from ``start`` to ``stop``.

        Args:
            session: answers.
            frame_store: where frames are taken from.
            settings: can be replaced by ``apply``.
            on_watch: hears the answers to standing questions.
        """
        self._session, self._frames, self._settings = session, frame_store, settings
        self._queue = QuestionQueue(settings.queue_size, settings.batch_size)
        self._prefixes = Prefixes(session, frame_store, self._reuse_s)
        self._listeners: list[OnAnswer] = []
        self._background = Background(
            session, frame_store, self._prefixes, self._queue, on_watch, self._tell
        )
        self._worker: Thread | None = None
        self.apply(settings)

    def apply(self, settings: SchedulerSettings) -> None:
        """Use other settings from now on; questions that wait keep their time limit."""
        self._settings = settings
        with self._queue.changed:
            self._queue.size, self._queue.batch_size = settings.queue_size, settings.batch_size
            self._background.rates = settings.rates
            self._queue.changed.notify()

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
            self._prefixes.clear()

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
        question = self._question(query, on_text, timeout_s)
        self._queue.put(question)
        return question.future

    def submit_with_lookup(
        self, query: Query, lookup: Query, on_text: OnText | None = None
    ) -> tuple[AnswerFuture, AnswerFuture]:
        """Queue a question with another one that is answered from the very same frame.

        The second needs no room of its own in the queue.

        Args:
            query: see ``submit``.
            lookup: to the same camera.
            on_text: see ``submit``; of the first question.

        Raises:
            QuestionError, UnknownCameraError, BusyError: see ``submit``; none is asked then.
        """
        question = self._question(query, on_text, None)
        other = replace(self._question(lookup, None, None), asked_with=question)
        self._queue.put(question, other)
        return question.future, other.future

    def add_listener(self, listener: OnAnswer) -> None:
        """Call ``listener`` with each answer, on the worker's thread; it must return quickly.

        Answers to standing questions are among them.
        """
        self._listeners.append(listener)

    @property
    def waiting(self) -> int:
        """How many questions are queued."""
        return len(self._queue)

    def watch(self, watches: Sequence[Watch]) -> tuple[Watch, ...]:
        """Replace all standing questions, and return them as they are asked; from any thread.

        Raises:
            QuestionError: says which one cannot be asked and why; nothing has changed then.
            UnknownCameraError: likewise, and names the known cameras.
        """
        check_names(watches)
        checked = tuple(self._checked(watch) for watch in watches)
        with self._queue.changed:
            self._background.rounds.replace(checked)
            self._queue.changed.notify()
        return checked

    def _checked(self, watch: Watch) -> Watch:
        try:
            self._session.check(watch.query)
            camera = self._frames.resolve(watch.query.camera)
        except InputError as error:
            raise type(error)(f'{watch.name}: {error}') from error
        return replace(watch, query=replace(watch.query, camera=camera))

    def _reuse_s(self, camera: str) -> float:
        hz = self._settings.rates.encode_ahead_hz.get(camera, 0.0)
        return 1 / hz if hz else 0.0

    def _question(self, query: Query, on_text: OnText | None, timeout_s: float | None) -> Question:
        received_s = time.monotonic()
        self._session.check(query)
        max_age_s = query.max_frame_age_s
        return Question(
            query=replace(
                query,
                camera=self._frames.resolve(query.camera),
                max_frame_age_s=self._frames.max_frame_age_s if max_age_s is None else max_age_s,
            ),
            on_text=on_text,
            future=AnswerFuture(self._queue.cancel),
            received_s=received_s,
            limit_s=self._settings.timeout_s if timeout_s is None else timeout_s,
        )

    # What follows runs on the worker's thread.

    def _work(self) -> None:
        while self._wait_for_work():
            try:
                self._queue.end_overdue()
                if batch := self._queue.take_batch():
                    self._answer(batch)
                else:
                    self._background.step()
            except Exception as error:  # whatever happens in a session, the worker lives on
                self._end_running(told(error))

    def _end_running(self, error: SpatialLLMError) -> None:
        self._queue.end_running(error)
        self._background.end_running(error)

    def _wait_for_work(self) -> bool:
        """Sleep until there is something to do; false where the worker has to end."""
        with self._queue.changed:
            while self._queue.is_open and not len(self._queue):
                delay_s = self._background.seconds_until_work()
                if delay_s == 0:
                    break
                self._queue.changed.wait(None if delay_s == math.inf else delay_s)
            return self._queue.is_open

    def _answer(self, batch: list[Question]) -> None:
        """Choose a frame, the strictest question first: new enough for it is so for all."""
        for question in sorted(batch, key=lambda question: question.query.max_frame_age_s or 0):
            try:
                frame = self._prefixes.frame_for(question.query)
            except InputError as error:
                self._queue.end(question, error)
                batch.remove(question)
            else:
                self._answer_from(frame, batch)
                return

    def _answer_from(self, frame: Frame, batch: list[Question]) -> None:
        image_age_s = self._frames.age_s(frame)
        encoded, encode_s = self._prefixes.encode(frame)
        for question in batch:
            question.image_age_s, question.encode_s = image_age_s, encode_s
            question.camera = frame.camera
        requests = [self._request(question) for question in batch]
        for index, outcome in self._session.answer_each(encoded, requests):
            self._queue.end(batch[index], outcome)
            if isinstance(outcome, Answer):
                self._tell(frame, requests[index].query, outcome)

    def _tell(self, frame: Frame, query: Query, answer: Answer) -> None:
        for listener in self._listeners:
            try:
                listener(frame, query, answer)
            except Exception:  # the other questions of the batch are not to suffer
                _log.exception('expected a listener to return, found it raising')

    def _request(self, question: Question) -> Request:
        def must_end() -> bool:
            self._queue.end_overdue()  # the time of those that wait runs, too
            return question.is_cancelled or question.is_overdue

        return Request(question.query, question.show, must_end)
