"""Questions between their receipt and their end: those that wait, and the batch that runs.

Knows neither frames nor the model. A question is over when whoever took it out of the queue gives
its future an outcome, so each question gets exactly one. Every method may be called from any
thread; futures are completed without holding the lock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Condition

from spatialllm_ros.errors import AnswerTimeoutError, BusyError, CancelledError, SpatialLLMError
from spatialllm_ros.runtime.answering import OnText, Outcome
from spatialllm_ros.runtime.turns import Turns
from spatialllm_ros.schema import Answer, CameraModel, Query

_log = logging.getLogger(__name__)


class AnswerFuture(Future[Answer]):
    """A question's answer to come; see ``concurrent.futures.Future``.

    ``result()`` and ``exception()`` give the ``Answer`` or a ``SpatialLLMError``: NoFrameError,
    StaleFrameError, UncalibratedCameraError, AnswerParseError, EngineError, AnswerTimeoutError,
    CancelledError.
    """

    def __init__(self, cancel: Callable[[AnswerFuture], bool]) -> None:
        """Make one that ``cancel`` can end."""
        super().__init__()
        self._cancel_question = cancel

    def cancel(self) -> bool:
        """Ask for the end of the question, waiting or running.

        A waiting one ends at once, a running one before its next word; either way ``result()``
        raises ``spatialllm_ros.errors.CancelledError``.

        Returns:
            False where the question is over already.
        """
        return self._cancel_question(self)


@dataclass(eq=False)
class Question:
    """A question on its way.

    Attributes:
        query: with a camera and a limit on the image's age.
        on_text: receives the answer's words so far.
        future: where the outcome goes.
        received_s: when it came, by ``time.monotonic``.
        limit_s: how long it may take from then.
        asked_with: one that it shares its frame with, and goes with at any time.
        image_age_s: how old the frame was when it was chosen.
        encode_s: how long it waited for the frame to be encoded.
        camera: of the frame.
    """

    query: Query
    on_text: OnText | None
    future: AnswerFuture
    received_s: float
    limit_s: float
    asked_with: Question | None = None
    image_age_s: float = 0.0
    encode_s: float = 0.0
    camera: CameraModel | None = None
    is_cancelled: bool = False

    @property
    def is_overdue(self) -> bool:
        """Whether its time is up."""
        return time.monotonic() >= self.received_s + self.limit_s

    def show(self, text: str) -> None:
        """Tell the caller the words so far; one that cannot listen is not told again."""
        if self.on_text is not None:
            try:
                self.on_text(text)
            except Exception:  # the other questions of the batch are not to suffer
                _log.exception('expected on_text to return, found it raising; it is not called on')
                self.on_text = None

    def end(self, outcome: Outcome) -> None:
        """Give the future its outcome; a question that was cancelled has no other."""
        if self.is_cancelled:
            outcome = CancelledError('the question was cancelled before it was answered')
        elif isinstance(outcome, CancelledError):  # by its limit, then
            outcome = self.timeout()
        if isinstance(outcome, SpatialLLMError):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(self._timed(outcome))

    def timeout(self) -> AnswerTimeoutError:
        """Return what to say of a question whose time is up."""
        return AnswerTimeoutError(
            f'expected an answer within {self.limit_s:g} s, found none; ask fewer questions at '
            'once, or allow more time'
        )

    def _timed(self, answer: Answer) -> Answer:
        """Complete the times that the session knows; what is left of the total was waiting."""
        total_s, known = time.monotonic() - self.received_s, answer.timing
        timing = replace(
            known,
            image_age_s=self.image_age_s,
            encode_s=self.encode_s,
            queue_s=max(0.0, total_s - self.encode_s - known.prefill_s - known.decode_s),
            total_s=total_s,
        )
        return replace(answer, timing=timing, camera=self.camera)


class QuestionQueue:
    """Questions to one camera run together, the oldest first; cameras take turns.

    Attributes:
        changed: guards the queue; notified of new questions and of its closing.
        size: questions beyond these are refused.
        batch_size: how many may run together.
    """

    def __init__(self, size: int, batch_size: int) -> None:
        """Start closed.

        Args:
            size: questions beyond these are refused.
            batch_size: how many may run together.
        """
        self.changed = Condition()
        self.size, self.batch_size = size, batch_size
        self._turns = Turns()
        self._is_open = False
        self._waiting: list[Question] = []
        self._running: list[Question] = []

    def __len__(self) -> int:
        """Return how many questions wait."""
        return len(self._waiting)

    @property
    def is_open(self) -> bool:
        """Whether questions are accepted."""
        return self._is_open

    def open(self) -> None:
        """Accept questions."""
        self._is_open = True

    def close(self) -> None:
        """Refuse questions; end those that wait as cancelled, and those that run, soon."""
        with self.changed:
            self._is_open = False
            for question in self._running:
                question.is_cancelled = True
            waiting = list(self._waiting)
            self.changed.notify_all()
        for question in waiting:
            question.future.cancel()

    def put(self, question: Question, *asked_with: Question) -> None:
        """Let a question wait for its turn, and with it those that are asked with it.

        Those need no room of their own.

        Raises:
            BusyError: the queue is full or closed.
        """
        with self.changed:
            if not self._is_open:
                raise BusyError('expected to be active, found questions stopped; activate first')
            if sum(q.asked_with is None for q in self._waiting) >= self.size:
                raise BusyError(
                    f'expected at most {self.size} waiting questions, found that many before '
                    'this one; ask again later'
                )
            self._waiting += [question, *asked_with]
            self.changed.notify()

    def cancel(self, future: AnswerFuture) -> bool:
        """See ``AnswerFuture.cancel``."""
        with self.changed:
            found = [q for q in (*self._waiting, *self._running) if q.future is future]
            for question in found:
                question.is_cancelled = True
            ended = self._withdraw(lambda question: question in found)
        for question in ended:
            question.end(CancelledError())
        return bool(found)

    def end_overdue(self) -> None:
        """End those that wait and whose time is up."""
        with self.changed:
            ended = self._withdraw(lambda question: question.is_overdue)
        for question in ended:
            question.end(question.timeout())

    def take_batch(self) -> list[Question]:
        """Return the oldest questions to the camera whose turn it is; they run from now on.

        There are none if none waits. What ran before must be over.
        """
        with self.changed:
            waited_for = dict.fromkeys(question.query.camera for question in self._waiting)
            cameras = self._turns.order(waited_for)[:1]
            for camera in cameras:
                self._turns.serve(camera)
            batch = [q for q in self._waiting if q.query.camera in cameras][: self.batch_size]
            batch += [q for q in self._waiting if q.asked_with in batch and q not in batch]
            self._running = self._withdraw(lambda question: question in batch)
            return batch

    def end(self, question: Question, outcome: Outcome) -> None:
        """End one that runs."""
        with self.changed:
            self._running.remove(question)
        question.end(outcome)

    def end_running(self, error: SpatialLLMError) -> None:
        """End all that run."""
        for question in list(self._running):
            self.end(question, error)

    def _withdraw(self, chosen: Callable[[Question], bool]) -> list[Question]:
        """Take out of those that wait; the lock is held."""
        withdrawn = [question for question in self._waiting if chosen(question)]
        self._waiting = [question for question in self._waiting if question not in withdrawn]
        return withdrawn
