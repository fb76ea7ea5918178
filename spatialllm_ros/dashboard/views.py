"""Camera images for browsers: the newest of each topic, bounded in size and rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from spatialllm_ros.errors import ImageError, NoFrameError
from spatialllm_ros.node.annotation_drawing import jpeg_file
from spatialllm_ros.node.quality_of_service import newest_only
from spatialllm_ros.runtime.depth_image import KINDS as DEPTH_KINDS
from spatialllm_ros.runtime.depth_image import depth_samples, in_metres
from spatialllm_ros.runtime.image_conversion import Rgb, rgb_from_compressed, rgb_from_image

KINDS = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CompressedImage': CompressedImage}

GREATEST_SIDE_PX, JPEG_QUALITY = 960, 75
DECODED_SIDE_PX = 8192
"""Images with a longer side are not decoded."""
FARTHEST_M = 10.0
"""What is so far away is black in the picture of a depth image, and so is what has no distance."""
LEAST_PERIOD_S = 0.1
"""Between two images of a topic that are made for browsers, however many look."""
WANTED_S = 3.0
"""How long a topic stays subscribed to after the last tab looked."""


class View:
    """One topic's newest image; nothing is decoded until a browser fetches it.

    Attributes:
        problem: why the last one cannot be shown; empty where it can.
    """

    def __init__(self, kind: type) -> None:
        """Start without an image of a message type."""
        self.kind, self.problem = kind, ''
        self._message: Any = None
        self._taken = 0
        self._wanted_s = -WANTED_S
        self._lock, self._shown, self._jpeg, self._made_s = Lock(), 0, b'', -LEAST_PERIOD_S

    @property
    def is_wanted(self) -> bool:
        """Whether somebody looked lately."""
        return time.monotonic() - self._wanted_s < WANTED_S

    @property
    def number(self) -> int:
        """Of the image that ``jpeg`` gives now; 0 before the first."""
        return self._taken if self._is_due else self._shown

    @property
    def _is_due(self) -> bool:
        return time.monotonic() - self._made_s >= LEAST_PERIOD_S

    def want(self) -> None:
        """Note that somebody looks."""
        self._wanted_s = time.monotonic()

    def take(self, message: Any) -> None:
        """Make a message the newest."""
        self._message = message
        self._taken += 1

    def jpeg(self) -> bytes:
        """Return the newest image as a JPEG file, made once for all who look.

        Raises:
            NoFrameError: no image has arrived.
            ImageError: the newest one cannot be shown.
        """
        with self._lock:
            if self._shown != self._taken and self._is_due:
                self._shown, self._made_s = self._taken, time.monotonic()
                self._make()
            if self.problem:
                raise ImageError(self.problem)
            if not self._jpeg:
                raise NoFrameError('expected an image, but none has arrived')
            return self._jpeg

    def _make(self) -> None:
        message = self._message
        convert: Callable[[Any, int], Rgb] = rgb_from_compressed
        if self.kind is Image:
            convert = rgb_of_depth if message.encoding in DEPTH_KINDS else rgb_from_image
        try:
            rgb = convert(message, DECODED_SIDE_PX)
        except ImageError as error:
            self.problem = str(error)
        else:
            self._jpeg, self.problem = jpeg_file(bounded(rgb), JPEG_QUALITY), ''


def rgb_of_depth(message: Any, max_side_px: int) -> Rgb:
    """Return a depth image in shades of grey, the nearer the brighter.

    Raises:
        UnfitImageError: see ``depth_samples``.
    """
    depth_m = in_metres(depth_samples(message, max_side_px))
    nearness = np.where(depth_m > 0, 1 - depth_m / FARTHEST_M, 0.0).clip(0, 1)
    return np.asarray(cv2.cvtColor((255 * nearness).astype(np.uint8), cv2.COLOR_GRAY2RGB))


def by_interest(topics: Iterable[str]) -> list[str]:
    """Return topics in the order to offer them: colour images, depth, what the node draws."""
    return sorted(topics, key=lambda topic: ('annotated' in topic, 'depth' in topic, topic))


def bounded(rgb: Rgb) -> Rgb:
    """Return an image of at most ``GREATEST_SIDE_PX`` on each side."""
    height_px, width_px = rgb.shape[:2]
    scale = GREATEST_SIDE_PX / max(height_px, width_px)
    if scale >= 1:
        return rgb
    size = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


class Views:
    """The image topics that can be looked at; only those that somebody looks at are subscribed to.

    Attributes:
        by_topic: may be read from any thread; ``update`` belongs to the ROS thread.
    """

    def __init__(self, node: Node) -> None:
        """Start without topics."""
        self._node = node
        self._subscriptions: dict[str, Any] = {}
        self.by_topic: dict[str, View] = {}

    def jpeg(self, topic: str) -> bytes:
        """Return a topic's newest image as a JPEG file; from any thread.

        Raises:
            NoFrameError: no image has arrived, or the topic is not offered.
            ImageError: the newest one cannot be shown.
        """
        view = self.by_topic.get(topic)
        if view is None:
            raise NoFrameError(f'expected a topic of images, found {topic[:100]!r}')
        return view.jpeg()

    def update(self, topics: dict[str, str]) -> None:
        """Offer these topics, type by name, and subscribe to what is looked at.

        A topic that is offered no longer, say while the node restarts, goes once nobody looks.
        """
        offered = {topic: View(KINDS[kind]) for topic, kind in topics.items()} | self.by_topic
        self.by_topic = {
            topic: view for topic, view in offered.items() if topic in topics or view.is_wanted
        }
        wanted = {topic for topic, view in self.by_topic.items() if view.is_wanted}
        for topic in wanted - self._subscriptions.keys():
            view = self.by_topic[topic]
            self._subscriptions[topic] = self._node.create_subscription(
                view.kind, topic, view.take, newest_only()
            )
        for topic in self._subscriptions.keys() - wanted:
            self._node.destroy_subscription(self._subscriptions.pop(topic))
