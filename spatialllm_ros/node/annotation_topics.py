"""All topics that show answers: images, and what needs messages that may not be installed."""

from __future__ import annotations

from rclpy.node import Node

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.annotation import AnnotatedImages, left_out_if_it_fails
from spatialllm_ros.node.detections import Detections
from spatialllm_ros.node.markers import Markers
from spatialllm_ros.schema import Answer, Frame, Query

OPTIONAL = (Markers, Detections)


class Pictures:
    """The topics that show answers."""

    def __init__(self, node: Node) -> None:
        """Offer them; one sentence each in the log says what is not installed."""
        self._node = node
        self._topics: list[AnnotatedImages | Markers | Detections] = [AnnotatedImages(node)]
        for kind in OPTIONAL:
            try:
                self._topics.append(kind(node))
            except ConfigError as absent:
                node.get_logger().info(str(absent))

    def show(self, frame: Frame, query: Query, answer: Answer) -> None:
        """Show an answer to those who look; returns at once, from any thread."""
        for topic in self._topics:
            with left_out_if_it_fails(self._node):
                topic.show(frame, query, answer)

    def close(self) -> None:
        """Withdraw them; nothing may be shown any more."""
        for topic in self._topics:
            topic.close()
