"""How late the executor's one thread is: a timer tells, for all else that is due waits as long."""

from __future__ import annotations

from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from spatialllm_ros.node.messages import NANOSECONDS

PERIOD_S = 0.02
"""Whatever keeps the thread for longer than this is seen, less at most this."""


class Punctuality:
    """Measures from ``start`` to ``stop``."""

    def __init__(self, node: Node) -> None:
        """Measure the executor of a node."""
        self._node = node
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer: Any = None
        self._due_ns = self._latest_ns = 0

    def start(self) -> None:
        """Begin; does nothing while it measures."""
        if self._timer is None:
            self._latest_ns = 0
            self._timer = self._node.create_timer(PERIOD_S, self._tick, clock=self._clock)
            self._expect_next()

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def take_latest_s(self) -> float:
        """Return by how much the executor was late at most since this was last asked."""
        latest_ns, self._latest_ns = self._latest_ns, 0
        return latest_ns / NANOSECONDS

    def _tick(self) -> None:
        late_ns = self._clock.now().nanoseconds - self._due_ns
        self._latest_ns = max(self._latest_ns, late_ns)
        self._expect_next()

    def _expect_next(self) -> None:
        self._due_ns = self._clock.now().nanoseconds + self._timer.time_until_next_call()
