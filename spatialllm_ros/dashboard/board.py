"""What all browser tabs show: questions and how they ended, standing questions, the node's state.

Written by the ROS thread, read by the web server's. Knows neither ROS nor the web.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from itertools import count
from threading import Lock

from spatialllm_ros.errors import BusyError

MOST_EXCHANGES, MOST_OPEN = 100, 8
"""How many questions are remembered, and how many may wait for their answers."""
OK = 'OK'
ACTIVE = 'active'


@dataclass
class Exchange:
    """A question and what came back so far.

    Attributes:
        number: grows from one question to the next.
        camera: whose answer it is; until then as asked, empty for the node's default one.
        options: the closed answers; empty for an open question.
        asked_s: when, on the clock of ``time.monotonic``.
        partial: the words so far, by camera.
        status: a name of ``Status.msg``, or why there is none; empty while the answer is awaited.
        text: the answer, or why there is none.
        latency_s: from the question to its end, as the dashboard sees it.
        parts_s: what the node says that it spent, by part.
        depth_m: what the camera's depth image says of the answer; NaN where nothing.
        is_cancelled: whether somebody no longer wants the answer.
    """

    number: int
    question: str
    camera: str = ''
    options: tuple[str, ...] = ()
    asked_s: float = field(default_factory=time.monotonic)
    partial: dict[str, str] = field(default_factory=dict)
    status: str = ''
    text: str = ''
    confidence: float = 0.0
    latency_s: float = 0.0
    parts_s: dict[str, float] = field(default_factory=dict)
    depth_m: float = math.nan
    is_cancelled: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the answer is on its way."""
        return not self.status

    @property
    def words(self) -> str:
        """The answer, or as much of it as there is."""
        if not self.is_open:
            return self.text
        said = list(self.partial.items())  # at once: the ROS thread adds to it
        if len(said) < 2:
            return ''.join(text for _, text in said)
        return '; '.join(f'{camera}: {text}' for camera, text in said)

    def end(self, status: str, text: str) -> None:
        """Note how the question ended; only the first end counts."""
        if self.is_open:
            self.latency_s = time.monotonic() - self.asked_s
            self.text = text
            self.status = status  # last: it is what readers look at


@dataclass(frozen=True)
class WatchAnswer:
    """The last answer to a standing question.

    Attributes:
        heard_s: when, on the clock of ``time.monotonic``.
    """

    name: str
    question: str
    camera: str
    text: str
    confidence: float
    heard_s: float


class Board:
    """Everything that is shown.

    Attributes:
        is_present: whether the node can be asked.
        state: of the node, in words.
        cameras: names that a question may give.
        watches: standing questions by name.
    """

    def __init__(self) -> None:
        """Start with nothing to show."""
        self.is_present = False
        self.state = 'looking for the node'
        self.cameras: tuple[str, ...] = ()
        self.watches: dict[str, WatchAnswer] = {}
        self._exchanges: list[Exchange] = []
        self._numbers, self._lock = count(1), Lock()

    @property
    def is_well(self) -> bool:
        """Whether questions are answered now."""
        return self.is_present and self.state == ACTIVE

    def open(self, question: str, camera: str = '', options: tuple[str, ...] = ()) -> Exchange:
        """Note a question that is being asked, and forget the oldest that has ended.

        Raises:
            BusyError: too many wait for their answers.
        """
        with self._lock:
            if sum(exchange.is_open for exchange in self._exchanges) >= MOST_OPEN:
                raise BusyError(
                    f'expected fewer than {MOST_OPEN} questions without an answer, found as many; '
                    'wait for one, or cancel it'
                )
            exchange = Exchange(next(self._numbers), question, camera, options)
            self._exchanges.append(exchange)
            if len(self._exchanges) > MOST_EXCHANGES:
                self._exchanges.remove(next(one for one in self._exchanges if not one.is_open))
            return exchange

    def exchanges(self) -> list[Exchange]:
        """Return the last questions, the newest one last."""
        with self._lock:
            return list(self._exchanges)
