"""Markers, images and intrinsics as they come over the ROS graph, put together by their stamps."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from visualization_msgs.msg import Marker, MarkerArray

from spatialllm_ros.demo.camera_node import seconds
from spatialllm_ros.demo.truth import Stamp

KEPT = 60
"""Images that are remembered, some four seconds of them."""
QUALITY = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


@dataclass(frozen=True)
class Marked:
    """An image message, its ``CameraInfo`` and the markers of the image's stamp."""

    image: Any
    info: Any
    markers: tuple[Any, ...]


class Listener:
    """Puts markers, images and intrinsics of one stamp together; filled by the node's thread."""

    def __init__(self, node: Any, markers: str, image: str) -> None:
        """Subscribe; intrinsics are expected beside the images."""
        self._changed = threading.Condition()
        self._images: OrderedDict[Stamp, Any] = OrderedDict()
        self._infos: OrderedDict[Stamp, Any] = OrderedDict()
        self._markers: dict[tuple[str, int], Any] = {}
        self._topics = (markers, image, info_topic(image))
        kind = CompressedImage if is_compressed(image) else Image
        node.create_subscription(MarkerArray, markers, self._take_markers, 10)
        for one, topic, held in (
            (kind, image, self._images),
            (CameraInfo, info_topic(image), self._infos),
        ):
            node.create_subscription(one, topic, partial(self._take, held), QUALITY)

    def marked(self, objects: int, timeout_s: float) -> Marked | None:
        """Return the newest image with markers of so many objects; None if none comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest(objects), timeout_s)
            return self._newest(objects)

    def heard(self) -> str:
        """Say how much is held from each topic."""
        with self._changed:
            counts = (len(self._markers), len(self._images), len(self._infos))
        return ', '.join(
            f'{count} from {topic}' for count, topic in zip(counts, self._topics, strict=True)
        )

    def _take(self, held: OrderedDict[Stamp, Any], message: Any) -> None:
        with self._changed:
            held[seconds(message.header.stamp)] = message
            if len(held) > KEPT:
                held.popitem(last=False)
            self._changed.notify_all()

    def _take_markers(self, array: Any) -> None:
        with self._changed:
            for marker in array.markers:
                if marker.action == Marker.DELETEALL:
                    self._markers.clear()
                elif marker.action == Marker.DELETE:
                    self._markers.pop((marker.ns, marker.id), None)
                else:
                    self._markers[marker.ns, marker.id] = marker
            self._changed.notify_all()

    def _newest(self, objects: int) -> Marked | None:
        for stamp in sorted(self._images.keys() & self._infos.keys(), reverse=True):
            markers = [m for m in self._markers.values() if seconds(m.header.stamp) == stamp]
            if len({marker.id for marker in markers}) >= objects:
                return Marked(self._images[stamp], self._infos[stamp], tuple(markers))
        return None


def is_compressed(topic: str) -> bool:
    """Tell a topic of compressed images by its name."""
    return PurePosixPath(topic).name == 'compressed'


def info_topic(image: str) -> str:
    """Return the topic of the intrinsics beside the images."""
    raw = PurePosixPath(image).parent if is_compressed(image) else PurePosixPath(image)
    return str(raw.with_name('camera_info'))
