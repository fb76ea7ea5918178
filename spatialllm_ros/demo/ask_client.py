"""Asks a running node by its action, one question at a time, from a program that is no node."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import rclpy
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from spatialllm_msgs.action import AskSpatial
from spatialllm_ros.errors import AnswerTimeoutError
from spatialllm_ros.node.messages import StatusCode, status_code
from spatialllm_ros.node.node_names import NODE_NAME, full_name

ANSWER_TIMEOUT_S = 30.0
OnText = Callable[[str], None]


@dataclass(frozen=True)
class Reply:
    """How a question ended.

    Attributes:
        answer: a ``SpatialAnswer``; meaningful where the status is OK.
        message: why there is no answer.
        latency_s: from asking to the reply, as the asker sees it.
    """

    status: StatusCode
    message: str
    answer: Any
    latency_s: float


def end_by_exception() -> None:
    """Let SIGTERM end the program as Ctrl-C does, so that it leaves nothing in shared memory."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


class AskClient:
    """A client with a thread of its own for what arrives; close it, or use it with ``with``.

    Attributes:
        node: for parameters and subscriptions of the program's own.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str] | None = None,
        domain: int | None = None,
        target: str = NODE_NAME,
    ) -> None:
        """Join the ROS graph as a node.

        Args:
            name: of this node.
            arguments: ROS's own; by default those of the command line.
            domain: by default that of the environment.
            target: name of the node to ask, in this one's namespace unless it is a full one.
        """
        # Signals stay with the program: rclpy would end the context while an answer is on its way.
        rclpy.init(
            args=arguments, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO
        )
        self.node = rclpy.create_node(name)
        self._target = full_name(target, self.node)
        self._action = ActionClient(self.node, AskSpatial, f'{self._target}/ask')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def __enter__(self) -> AskClient:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the ROS graph."""
        self.close()

    def close(self) -> None:
        """Leave the ROS graph."""
        self._executor.shutdown()
        self._thread.join()
        self._action.destroy()
        self.node.destroy_node()
        rclpy.shutdown()

    def wait_for_node(self, timeout_s: float) -> None:
        """Wait until the node can be asked.

        Raises:
            AnswerTimeoutError: it cannot after this long.
        """
        if not self._action.wait_for_server(timeout_s):
            raise AnswerTimeoutError(
                f'expected the action {self._target}/ask within {timeout_s:g} s, found none; is '
                'the node running, and in the same ROS_DOMAIN_ID?'
            )

    def ask(
        self, question: str, options: Sequence[str] = (), camera: str = '',
        on_text: OnText | None = None,
    ) -> Reply:  # fmt: skip
        """Ask and wait for the reply.

        Args:
            question: about what a camera sees now.
            options: the closed answers; empty for an open question.
            camera: empty for the node's default one.
            on_text: receives the answer's words so far, on another thread.

        Raises:
            AnswerTimeoutError: the node does not reply.
            ReplyError: its status is none that is known here.
        """
        goal = AskSpatial.Goal(question=question, options=list(options), camera=camera)
        started_s = time.perf_counter()
        handle = self._request(lambda: self._action.send_goal_async(goal, _feedback(on_text)))
        result = self._request(handle.get_result_async).result
        latency_s = time.perf_counter() - started_s
        return Reply(status_code(result.status), result.message, result.answer, latency_s)

    def _request(self, send: Callable[[], Any]) -> Any:
        """Send on the executor's thread, and return the response.

        A response that the executor takes before the sender has noted its request is dropped.
        """
        return self._result(self._result(self._executor.create_task(send)))

    def _result(self, future: Any) -> Any:
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(ANSWER_TIMEOUT_S):
            raise AnswerTimeoutError(
                f'expected a reply from {self._target} within {ANSWER_TIMEOUT_S:g} s, found none; '
                'has the node ended?'
            )
        return future.result()


def _feedback(on_text: OnText | None) -> Callable[[Any], None] | None:
    return on_text and (lambda message: on_text(message.feedback.partial_text))
