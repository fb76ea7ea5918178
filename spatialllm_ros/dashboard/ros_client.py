"""The dashboard's ROS side: asks by the action, listens, and sees when the node comes and goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import NodeNameNonExistentError
from rclpy.signals import SignalHandlerOptions

from spatialllm_msgs.action import AskSpatial
from spatialllm_ros.dashboard.board import OK, Board, Exchange
from spatialllm_ros.dashboard.plots import PARTS
from spatialllm_ros.dashboard.views import KINDS, Views
from spatialllm_ros.dashboard.watch_topics import WatchTopics
from spatialllm_ros.errors import ReplyError
from spatialllm_ros.node.diagnostics import PERIOD, told_name
from spatialllm_ros.node.messages import StatusCode, status_code
from spatialllm_ros.node.node_names import full_name
from spatialllm_ros.node.spinning import spin_once

LOOK_PERIOD_S = 0.5
REPLY_TIMEOUT_S = 60.0
LATE_S = 3.0
"""A node says how often it tells of itself; so long after that it may be gone."""
FIRST_WORD_S = 60.0
"""How seldom a node may tell of itself, and so how long its first word may take."""
UNHEARD = 'found; it has told nothing of itself yet'
ABSENT, UNSENT, UNREAD = 'NO_NODE', 'NOT_SENT', 'UNKNOWN_STATUS'


class RosClient:
    """A ROS node with a thread of its own; ``ask`` and ``cancel`` may be called from any thread.

    Attributes:
        target: full name of the node that is asked.
        board: what is learnt of it.
        views: the camera images.
    """

    def __init__(self, target: str, arguments: Sequence[str] | None = None) -> None:
        """Join the ROS graph and look for a node, given by its name."""
        # Signals stay with the web server, which ends the program.
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node('spatialllm_dashboard')
        self.board, self.target = Board(), full_name(target, self._node)
        self.views = Views(self._node)
        self._watches = WatchTopics(self._node, self.target, self.board)
        self._action = ActionClient(self._node, AskSpatial, f'{self.target}/ask')
        self._goals: dict[int, Any] = {}
        self._heard_s = time.monotonic()
        self._period_s: float | None = None  # until the node has told it
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._node.create_timer(LOOK_PERIOD_S, self._look)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._is_closing = False
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the ROS graph."""
        self._is_closing = True
        self._executor.shutdown()
        self._thread.join()
        self._action.destroy()
        self._node.destroy_node()
        rclpy.shutdown()

    @property
    def is_listening(self) -> bool:
        """Whether what is shown is kept up to date."""
        return self._thread.is_alive()

    def ask(self, question: str, camera: str = '', options: tuple[str, ...] = ()) -> Exchange:
        """Send a question; what comes back is found in the exchange.

        Raises:
            BusyError: too many questions wait for their answers.
        """
        exchange = self.board.open(question, camera, options)
        if not self._action.server_is_ready():
            exchange.end(ABSENT, self._absence)
            return exchange

        # A response that the executor takes before rclpy has noted its request is dropped, so all
        # are sent on the executor's thread.
        self._executor.create_task(self._send, exchange)
        return exchange

    def cancel(self, exchange: Exchange) -> None:
        """Ask the node to end an answer early."""
        exchange.is_cancelled = True
        self._executor.create_task(self._cancel, exchange)

    # What follows runs on the ROS thread.

    def _spin(self) -> None:
        while not self._is_closing and self._node.context.ok():
            spin_once(self._executor, self._node)

    @property
    def _absence(self) -> str:
        return (
            f'expected the node {self.target}, found none; is it running, and in the same '
            'ROS_DOMAIN_ID?'
        )

    def _send(self, exchange: Exchange) -> None:
        def on_feedback(message: Any) -> None:
            exchange.partial[message.feedback.camera] = message.feedback.partial_text

        goal = AskSpatial.Goal(
            question=exchange.question, camera=exchange.camera, options=list(exchange.options)
        )
        try:
            sent = self._action.send_goal_async(goal, on_feedback)
        except Exception as error:  # whatever it is, the thread has to live on
            exchange.end(UNSENT, f'expected to send the question, found {error!r}')
        else:
            sent.add_done_callback(lambda future: self._on_goal(exchange, future.result()))

    def _cancel(self, exchange: Exchange) -> None:
        if goal := self._goals.get(exchange.number):
            goal.cancel_goal_async()

    def _on_goal(self, exchange: Exchange, goal: Any) -> None:
        if not goal.accepted:
            exchange.end(StatusCode.BUSY.name, 'the node refused the question')
            return
        self._goals[exchange.number] = goal
        goal.get_result_async().add_done_callback(
            lambda future: self._on_result(exchange, future.result().result)
        )
        if exchange.is_cancelled or not exchange.is_open:  # before the node had accepted it
            goal.cancel_goal_async()

    def _on_result(self, exchange: Exchange, result: Any) -> None:
        self._goals.pop(exchange.number, None)
        if not exchange.is_open:  # given up meanwhile
            return
        try:
            status, answer = status_code(result.status), result.answer
        except ReplyError as error:
            exchange.end(UNREAD, '; '.join(filter(None, [str(error), result.message])))
            return
        if status != StatusCode.OK:
            exchange.end(status.name, result.message)
            return
        exchange.camera, exchange.confidence = answer.camera, answer.confidence
        exchange.depth_m = answer.depth_m
        exchange.parts_s = {part: getattr(answer.timing, f'{part}_s') for part in PARTS.values()}
        exchange.end(OK, answer.text)

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        name = told_name(self.target)
        for status in array.status:
            if status.name == f'{name}: model':
                self._heard_s, self.board.state = time.monotonic(), status.message
                told = {pair.key: pair.value for pair in status.values}
                self._period_s = float(told.get(PERIOD, FIRST_WORD_S))
        cameras = [
            status.hardware_id
            for status in array.status
            if status.name.startswith(f'{name}: camera ')
        ]
        if cameras:
            self.board.cameras = tuple(cameras)

    def _look(self) -> None:
        """See whether the node is there, and what it offers."""
        self.board.is_present = self._action.server_is_ready()
        now_s = time.monotonic()
        if not self.board.is_present:
            self.board.state, self._heard_s, self._period_s = self._absence, now_s, None
        elif now_s - self._heard_s > (self._period_s or FIRST_WORD_S) + LATE_S:
            self.board.state = 'found, but it says nothing of itself: it may be gone, or busy'
        elif self._period_s is None:
            self.board.state = UNHEARD
        self._end_lost()
        self._watches.update()
        self.views.update(self._image_topics())

    def _end_lost(self) -> None:
        for exchange in self.board.exchanges():
            if not exchange.is_open:
                continue
            if not self.board.is_present:
                exchange.end(ABSENT, 'the node left before it answered')
                self._goals.pop(exchange.number, None)
            elif time.monotonic() - exchange.asked_s > REPLY_TIMEOUT_S:
                exchange.end(ABSENT, f'the node did not reply within {REPLY_TIMEOUT_S:g} s')
                self._cancel(exchange)

    def _image_topics(self) -> dict[str, str]:
        """Return the images that the node reads, under whatever name, and those it publishes."""
        namespace, _, name = self.target.rpartition('/')
        own = (name, namespace or '/')
        try:
            read = self._node.get_subscriber_names_and_types_by_node(*own)
            written = self._node.get_publisher_names_and_types_by_node(*own)
        except NodeNameNonExistentError:
            return {}
        return {topic: kinds[0] for topic, kinds in [*read, *written] if kinds[0] in KINDS}
