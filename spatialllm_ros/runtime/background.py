"""What the scheduler's worker does while nobody asks: encode ahead, answer standing questions."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from spatialllm_ros.errors import CancelledError, InputError, SpatialLLMError, StaleFrameError
from spatialllm_ros.runtime.answering import Outcome, Request
from spatialllm_ros.runtime.frame_store import FrameStore
from spatialllm_ros.runtime.prefixes import Prefixes
from spatialllm_ros.runtime.question_queue import QuestionQueue
from spatialllm_ros.runtime.session_base import EncodedFrame, Session, told
from spatialllm_ros.runtime.turns import Turns
from spatialllm_ros.runtime.watches import Watch, WatchRounds
from spatialllm_ros.schema import Answer, Frame, Query

_log = logging.getLogger(__name__)

OnWatch = Callable[[Watch, Outcome], None]
"""Hears each answer to a standing question, on the worker's thread; must return quickly."""

OnAnswer = Callable[[Frame, Query, Answer], None]
"""Takes an answer, what was asked and the frame that it speaks of; likewise."""


@dataclass(frozen=True)
class Rates:
    """How often images are encoded though nobody asks.

    Attributes:
        encode_ahead_hz: by camera; a camera that is not named is not encoded ahead.
        watch_hz: of a camera with standing questions, at least.
    """

    encode_ahead_hz: dict[str, float] = field(default_factory=dict)
    watch_hz: float = 2.0


class Background:
    """One small step at a time, so that a question never waits for long.

    Cameras take turns. An image that questions had encoded counts, too.

    Attributes:
        rates: how often; may be replaced at any time.
        rounds: the standing questions.
    """

    def __init__(
        self,
        session: Session,
        frames: FrameStore,
        prefixes: Prefixes,
        queue: QuestionQueue,
        on_watch: OnWatch,
        on_answer: OnAnswer,
    ) -> None:
        """Start with no new image and no standing question.

        Args:
            session: the worker's.
            frames: where images come from.
            prefixes: what is encoded.
            queue: goes first: a standing question ends in mid-answer when another one waits.
            on_watch: hears how each standing question ended.
            on_answer: hears the answers with their frames.
        """
        self.rates, self.rounds = Rates(), WatchRounds()
        self._session, self._frames, self._prefixes = session, frames, prefixes
        self._queue, self._on_watch, self._on_answer = queue, on_watch, on_answer
        self._turns = Turns()
        self._fresh: set[str] = set()  # cameras; guarded by the queue's condition
        self._running: list[Watch] = []
        self._failed_s: dict[str, float] = {}  # when an encoding began that failed, by camera
        self._image = 0
        frames.add_listener(self._on_frame)

    def _on_frame(self, camera: str) -> None:
        with self._queue.changed:
            self._fresh.add(camera)
            self._queue.changed.notify()

    # What follows runs on the worker's thread.

    def seconds_until_work(self) -> float:
        """Return how long there is nothing to do; the queue's lock is held."""
        return min(self._delay_s(camera) for camera in self._frames.camera_names)

    def step(self) -> None:
        """Encode one image, or answer as many standing questions on one as fit a batch."""
        with self._queue.changed:
            ready = [c for c in self._frames.camera_names if not self._delay_s(c)]
        for camera in self._turns.order(ready)[:1]:
            self._turns.serve(camera)
            watches = self._due(camera)
            if not watches:
                self._encode(camera)
            elif self._is_outdated(camera):
                self._renew(camera)
            else:
                self._answer(camera, watches[: self._queue.batch_size])

    def end_running(self, error: SpatialLLMError) -> None:
        """Let the standing questions that run hear of a failure; the next image is another try."""
        for watch in list(self._running):
            self._end(watch, error)

    def _due(self, camera: str) -> list[Watch]:
        return self.rounds.due(camera, self._prefixes.number(camera))

    def _delay_s(self, camera: str) -> float:
        if self._due(camera):
            return 0.0
        ahead_hz = self.rates.encode_ahead_hz.get(camera, 0.0)
        hz = max(ahead_hz, self.rates.watch_hz if self.rounds.on(camera) else 0.0)
        if camera not in self._fresh or not hz:
            return math.inf
        failed_s = time.monotonic() - self._failed_s.get(camera, -math.inf)
        return max(0.0, 1 / hz - min(self._prefixes.age_s(camera), failed_s))

    def _is_outdated(self, camera: str) -> bool:
        """Tell whether what is held of a camera is too old to ask about, and a newer one waits."""
        if camera not in self._fresh:
            return False
        try:
            self._frames.check_age(self._prefixes.encoded(camera).frame)
        except StaleFrameError:
            return True
        return False

    def _renew(self, camera: str) -> None:
        image = self._prefixes.number(camera)
        self._encode(camera)
        self.rounds.renew(camera, image, self._prefixes.number(camera))

    def _encode(self, camera: str) -> None:
        begun_s = time.monotonic()
        with self._queue.changed:
            self._fresh.discard(camera)
        try:
            self._prefixes.encode(self._frames.take(camera))
        except InputError:
            return  # too old: nobody may ask about it either
        except Exception as error:  # whatever it is, it is not tried anew before its time
            reason = told(error)
            _log.error('an image of %s could not be encoded: %s', camera, reason)
            self._failed_s[camera] = begun_s
            for watch in self.rounds.on(camera):
                self._say(watch, reason)

    def _answer(self, camera: str, watches: Sequence[Watch]) -> None:
        image, encoded = self._prefixes.number(camera), self._prefixes.encoded(camera)
        try:
            self._frames.check_age(encoded.frame)
        except StaleFrameError as error:
            for watch in watches:
                self.rounds.pass_over(watch, image)
                self._say(watch, error)
            return
        self._running, self._image = list(watches), image
        requests = [Request(watch.query, is_cancelled=self._must_yield) for watch in watches]
        for index, outcome in self._session.answer_each(encoded, requests):
            if isinstance(outcome, CancelledError):
                break  # they are asked anew after the questions
            timed = self._timed(outcome, encoded)
            self._end(watches[index], timed)
            if isinstance(timed, Answer):
                self._on_answer(encoded.frame, watches[index].query, timed)
        self._running = []

    def _must_yield(self) -> bool:
        return len(self._queue) > 0 or not self._queue.is_open

    def _end(self, watch: Watch, outcome: Outcome) -> None:
        self._running.remove(watch)
        self.rounds.mark(watch, self._image)
        self._say(watch, outcome)

    def _say(self, watch: Watch, outcome: Outcome) -> None:
        try:
            self._on_watch(watch, outcome)
        except Exception:  # the worker is not to suffer
            _log.exception('expected on_watch to return, found it raising')

    def _timed(self, outcome: Outcome, encoded: EncodedFrame) -> Outcome:
        if not isinstance(outcome, Answer):
            return outcome
        age_s = self._frames.age_s(encoded.frame)
        times = replace(outcome.timing, image_age_s=age_s, encode_s=encoded.encode_s)
        return replace(outcome, timing=times, camera=encoded.frame.camera)
