"""The answers to standing questions, on topics that come and go."""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node

from spatialllm_msgs.msg import SpatialAnswer
from spatialllm_ros.dashboard.board import Board, WatchAnswer
from spatialllm_ros.node.quality_of_service import LATCHED

TYPE = 'spatialllm_msgs/msg/SpatialAnswer'


class WatchTopics:
    """Subscriptions to every ``watch/<name>`` that a node publishes; for the ROS thread."""

    def __init__(self, node: Node, target: str, board: Board) -> None:
        """Start without topics; answers of the node of this full name go to the board."""
        self._node, self._board, self._prefix = node, board, f'{target}/watch/'
        self._subscriptions: dict[str, Any] = {}

    def update(self) -> None:
        """Subscribe to topics that have appeared, and forget those that have gone."""
        published = self._published()
        for topic in published - self._subscriptions.keys():
            self._subscriptions[topic] = self._subscribe(topic)
        for topic in self._subscriptions.keys() - published:
            self._node.destroy_subscription(self._subscriptions.pop(topic))
            self._board.watches.pop(topic.removeprefix(self._prefix), None)

    def _published(self) -> set[str]:
        return {
            topic
            for topic, kinds in self._node.get_topic_names_and_types()
            if topic.startswith(self._prefix) and TYPE in kinds
            # A topic that somebody only listens to is named, too.
            if self._node.count_publishers(topic)
        }

    def _subscribe(self, topic: str) -> Any:
        name = topic.removeprefix(self._prefix)

        def take(answer: Any) -> None:
            self._board.watches[name] = WatchAnswer(
                name,
                answer.question,
                answer.camera,
                answer.text,
                answer.confidence,
                heard_s=time.monotonic(),
            )

        return self._node.create_subscription(SpatialAnswer, topic, take, LATCHED)
