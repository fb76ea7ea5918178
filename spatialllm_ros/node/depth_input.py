"""One camera's depth images: kept as they come, in metres only where an answer is measured."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import Image

from spatialllm_ros.errors import DepthError
from spatialllm_ros.node.messages import nanoseconds
from spatialllm_ros.node.parameters import CameraParameters
from spatialllm_ros.node.quality_of_service import Describe, subscribe_newest
from spatialllm_ros.runtime.depth import DepthBuffer, DepthFrame, measured_range_m
from spatialllm_ros.runtime.depth_image import depth_samples, in_metres
from spatialllm_ros.runtime.image_conversion import UnfitImageError
from spatialllm_ros.schema import Answer

WARNING_PERIOD_S = 1.0


class DepthInput:
    """The depth topic of one camera, from ``open`` to ``close``.

    Attributes:
        received: how many depth images have come.
        rejected: how many of them could not be used.
    """

    def __init__(self, node: Node, camera: CameraParameters, max_side_px: int) -> None:
        """Prepare to read a camera's depth.

        Args:
            node: subscribes.
            camera: has a depth topic.
            max_side_px: of a depth image.
        """
        self.received = self.rejected = 0
        self._unfit = ''  # why the newest cannot be used
        self._logger = node.get_logger().get_child(camera.name)
        self._node, self._camera, self._max_side_px = node, camera, max_side_px
        self._topic = node.resolve_topic_name(camera.depth_topic)
        self._buffer = DepthBuffer(self._topic, camera.depth_images_kept, camera.depth_tolerance_s)
        self._subscription: Any = None
        self._mismatch: Describe | None = None

    def open(self) -> None:
        """Subscribe.

        Raises:
            ConfigError: the parameters ask for a quality of service that cannot be.
        """
        self._subscription = subscribe_newest(
            self._node, Image, self._camera.depth_topic, self._on_image, self._on_mismatch
        )

    def close(self) -> None:
        """End the subscription and forget the depth images; the count stays."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription, self._mismatch, self._unfit = None, None, ''
        self._buffer.clear()

    def problem(self) -> str:
        """Return what a person should know of the topic; empty where all is well."""
        if self._mismatch is not None:
            return self._mismatch()
        if not self.received:
            return f'no depth image has arrived on {self._topic}'
        return self._unfit

    def range_m(self, place: Answer) -> float:
        """Return how far from the camera the surface is where an answer locates an object.

        Raises:
            DepthError: says why that is not known.
        """
        assert place.pose is not None, 'only a place can be measured'
        assert place.camera is not None, 'the scheduler tells the camera'
        if self._unfit:
            raise DepthError(self._unfit)
        depth_m = in_metres(self._buffer.nearest(place.stamp_ns).samples)
        return measured_range_m(depth_m, place.camera, place.pose.centre_px)

    def _on_mismatch(self, mismatch: Describe) -> None:
        self._mismatch = mismatch

    def _on_image(self, message: Image) -> None:
        self._mismatch = None  # somebody else publishes, too
        self.received += 1
        try:
            samples = depth_samples(message, self._max_side_px)
        except UnfitImageError as error:
            self.rejected += 1
            self._unfit = f'depth image of {self._topic} dropped: {error}'
            self._logger.warning(self._unfit, throttle_duration_sec=WARNING_PERIOD_S)
            return
        self._unfit = ''
        self._buffer.put(DepthFrame(nanoseconds(message.header.stamp), samples))
