"""Standing questions over ROS: a latched topic for the answers to each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from rclpy.node import Node

from spatialllm_msgs.msg import SpatialAnswer
from spatialllm_ros.errors import GeometryError, SpatialLLMError
from spatialllm_ros.node.messages import answer_message
from spatialllm_ros.node.parameters import NodeParameters
from spatialllm_ros.node.quality_of_service import LATCHED
from spatialllm_ros.runtime.answering import Outcome
from spatialllm_ros.runtime.answers import percent
from spatialllm_ros.runtime.steadiness import SteadinessSettings, SteadyAnswer
from spatialllm_ros.runtime.watches import Watch
from spatialllm_ros.schema import Answer

WARNING_PERIOD_S = 10.0


@dataclass
class Standing:
    """One standing question and what came of it.

    Attributes:
        problem: why the newest image has no answer; empty where it has one.
        answers, failures: how many images ended so.
    """

    watch: Watch
    publisher: Any
    steady: SteadyAnswer = field(default_factory=SteadyAnswer)
    problem: str = ''
    answers: int = 0
    failures: int = 0


def steadiness(parameters: NodeParameters) -> SteadinessSettings:
    """Return what the parameters say of answers to standing questions."""
    return SteadinessSettings(
        hold_frames=parameters.watch_hold_frames,
        min_confidence=parameters.watch_min_confidence,
        refresh_s=parameters.watch_refresh_s,
    )


class Watches:
    """The topics ``~/watch/<name>``.

    Answers come on the scheduler's thread, everything else on the executor's.

    Attributes:
        settings: when an answer is published; may be replaced at any time.
    """

    def __init__(
        self,
        node: Node,
        ask: Callable[[Sequence[Watch]], Sequence[Watch]],
        settings: SteadinessSettings,
    ) -> None:
        """Start without standing questions.

        Args:
            node: publishes.
            ask: replaces the standing questions, or refuses all of them by an exception.
            settings: when an answer is published.
        """
        self.settings = settings
        self._node, self._ask = node, ask
        self._standing: dict[str, Standing] = {}
        self._lock = Lock()
        self._logger = node.get_logger().get_child('watch')

    def set(self, watches: Sequence[Watch]) -> list[str]:
        """Replace all standing questions and return their topics; one that stays goes on.

        Raises:
            QuestionError, UnknownCameraError: see ``Scheduler.watch``; nothing has changed then.
        """
        with self._lock:
            asked = self._ask(watches)
            old = self._standing
            kept = [watch.name for watch in asked if _watch_of(old, watch.name) == watch]
            for name in old.keys() - set(kept):
                self._node.destroy_publisher(old[name].publisher)
            self._standing = {
                watch.name: old[watch.name] if watch.name in kept else self._new(watch)
                for watch in asked
            }
            return [standing.publisher.topic_name for standing in self._standing.values()]

    def hear(self, watch: Watch, outcome: Outcome) -> None:
        """Take what became of a standing question on a new image; for ``Scheduler``."""
        with self._lock:
            if _watch_of(self._standing, watch.name) != watch:
                return  # it has been replaced meanwhile
            standing = self._standing[watch.name]
            try:
                self._take(standing, outcome)
            except GeometryError as error:
                self._fail(standing, error)

    def values(self) -> dict[str, tuple[str, str]]:
        """Return in words what came of each standing question, and its problem, by name."""
        with self._lock:
            return {name: (_summary(one), one.problem) for name, one in self._standing.items()}

    def close(self) -> None:
        """End all of them and withdraw the topics."""
        self.set([])

    def _new(self, watch: Watch) -> Standing:
        topic = f'~/watch/{watch.name}'
        return Standing(watch, self._node.create_publisher(SpatialAnswer, topic, LATCHED))

    def _take(self, standing: Standing, outcome: Outcome) -> None:
        if isinstance(outcome, SpatialLLMError):
            self._fail(standing, outcome)
            return
        message = answer_message(outcome, standing.watch.query.question)
        standing.answers, standing.problem = standing.answers + 1, ''
        if standing.steady.take(outcome, time.monotonic(), self.settings):
            standing.publisher.publish(message)

    def _fail(self, standing: Standing, error: SpatialLLMError) -> None:
        standing.failures, standing.problem = standing.failures + 1, str(error)
        self._logger.warning(
            f'{standing.watch.name}: {error}', throttle_duration_sec=WARNING_PERIOD_S
        )


def _watch_of(standing: Mapping[str, Standing], name: str) -> Watch | None:
    return standing[name].watch if name in standing else None


def _summary(standing: Standing) -> str:
    published: Answer | None = standing.steady.published
    said = f'{published.text} ({percent(published.confidence)})' if published else 'no answer yet'
    return (
        f'{said}, {standing.answers} images answered, {standing.failures} not, '
        f'{standing.steady.changes} changes'
    )
