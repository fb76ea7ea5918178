"""One camera's topics: takes the newest image, checks and converts it, hands it on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.node.gravity import UpSource
from spatialllm_ros.node.image_converter import image_converter
from spatialllm_ros.node.messages import nanoseconds
from spatialllm_ros.node.parameters import CameraParameters, NodeParameters
from spatialllm_ros.node.quality_of_service import (
    Describe,
    is_latched,
    subscribe_latched,
    subscribe_newest,
)
from spatialllm_ros.node.transforms import TransformError
from spatialllm_ros.runtime.camera_info import CameraReading, read_camera
from spatialllm_ros.runtime.frame_store import FrameStore
from spatialllm_ros.runtime.image_conversion import (
    GREY,
    Rgb,
    UnfitImageError,
    is_grey,
    rgb_from_compressed,
)
from spatialllm_ros.schema import CameraModel, Frame, Vec3

WARNING_PERIOD_S = 1.0
SILENCE_S = 5.0
"""After this long without a first image the log says so."""


Converter = Callable[[Any], Rgb]
"""Turns a camera's messages into pixels; raises UnfitImageError."""


def converter(camera: CameraParameters, parameters: NodeParameters) -> Converter:
    """Return the way in which a camera's messages become pixels.

    Raises:
        ConfigError: it is cv_bridge, which is not installed.
    """
    convert: Callable[[Any, int], Rgb] = rgb_from_compressed
    if camera.transport == 'raw':
        convert = image_converter(parameters.use_cv_bridge)
    return lambda message: convert(message, parameters.max_image_side_px)


def image_topic(camera: CameraParameters) -> str:
    """Return the topic that a camera's images are read from."""
    return camera.image_topic + ('/compressed' if camera.transport == 'compressed' else '')


def info_topic(camera: CameraParameters) -> str:
    """Return the topic of a camera's intrinsics: by default beside its images."""
    return camera.info_topic or str(PurePosixPath(camera.image_topic).with_name('camera_info'))


class CameraInput:
    """The subscriptions of one camera, from ``open`` to ``close``.

    Attributes:
        remark: what a person should know of the camera's intrinsics; empty where all is well.
        topic: of the images, in full.
    """

    def __init__(
        self,
        node: Node,
        camera: CameraParameters,
        convert: Converter,
        up: UpSource,
        frames: FrameStore,
    ) -> None:
        """Prepare to read one camera.

        Args:
            node: subscribes.
            camera: its topics, and what is known of it.
            convert: turns its messages into pixels.
            up: tells gravity in an image's frame.
            frames: takes the good ones and counts the others.
        """
        self.remark = self._no_gravity = ''
        self._mismatches: dict[str, Describe] = {}  # by topic
        self._told = ''
        self._is_first = True
        self._node, self._camera, self._up, self._frames = node, camera, up, frames
        # A logger of its own, so that each camera has its own second between warnings.
        self._logger = node.get_logger().get_child(camera.name)
        self._info: CameraInfo | None = None
        self._subscriptions: list[Any] = []
        self._latched: Any = None  # beside the others, while somebody keeps intrinsics
        self._convert = convert
        self._kind = Image if camera.transport == 'raw' else CompressedImage
        self.topic = node.resolve_topic_name(image_topic(camera))
        self._info_topic = node.resolve_topic_name(info_topic(camera))
        self._to_calibrate = (
            f'publish on {self._info_topic} the CameraInfo of its images; field_of_view_deg only '
            'guesses'
        )

    def open(self) -> None:
        """Subscribe to images and intrinsics.

        Raises:
            ConfigError: the parameters ask for a quality of service that cannot be.
        """
        info = info_topic(self._camera)
        self._subscribe(CameraInfo, info, self._on_info, lambda _: self._look_for_latched())
        self._subscribe(self._kind, image_topic(self._camera), self._on_image)

    def problem(self) -> str:
        """Return what a person should know of the camera; empty where all is well."""
        self._look_for_latched()  # a match may be told before what the publisher offers is
        mismatch = '; '.join(describe() for describe in self._mismatches.values())
        if mismatch not in {'', self._told}:
            self._told = mismatch
            self._logger.warning(mismatch)
        if self._frames.counts(self._camera.name).received:
            return '; '.join(filter(None, (mismatch, self.remark, self._no_gravity)))
        return mismatch or self._silence()

    def _silence(self) -> str:
        """Say that no image came, and to the log, too, once that is no matter of starting up."""
        silence = f'no image has arrived on {self.topic} (publishers: {self._publishers()})'
        if self._subscriptions:
            self._logger.warning(
                silence, throttle_duration_sec=SILENCE_S, skip_first=True, once=True
            )
        return silence

    def _publishers(self) -> str:
        """Say how many publish on the image topic, and of what kind if nobody could read it."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        wanted = f'sensor_msgs/msg/{self._kind.__name__}'
        others = sorted({publisher.topic_type for publisher in publishers} - {wanted, ''})
        if not others:
            return str(len(publishers))
        return (
            f'{len(publishers)}, of {", ".join(others)}; expected {wanted}: see the parameters '
            'image_topic and transport'
        )

    def close(self) -> None:
        """End the subscriptions; the intrinsics are forgotten, the counts are not."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self._look_for_latched()
        self._info = None
        self._mismatches.clear()

    def _subscribe(
        self,
        kind: Any,
        topic: str,
        take: Callable[[Any], None],
        on_match: Callable[[Any], None] | None = None,
    ) -> None:
        def heard(message: Any) -> None:
            self._mismatches.pop(topic, None)  # somebody else publishes, too
            take(message)

        on_mismatch = partial(self._mismatches.__setitem__, topic)
        self._subscriptions.append(
            subscribe_newest(self._node, kind, topic, heard, on_mismatch, on_match)
        )

    def _look_for_latched(self) -> None:
        """Hear intrinsics that were published once, before the node came, while they are kept.

        Only then: publishers that keep nothing would warn of a subscription that asks for it.
        """
        is_kept = bool(self._subscriptions) and is_latched(self._node, self._info_topic)
        if is_kept and self._latched is None:
            self._latched = subscribe_latched(
                self._node, CameraInfo, self._info_topic, self._on_info
            )
        elif self._latched is not None and not is_kept:
            self._node.destroy_subscription(self._latched)
            self._latched = None

    def _on_info(self, info: CameraInfo) -> None:
        self._info = info

    def _on_image(self, message: Image | CompressedImage) -> None:
        try:
            rgb = self._convert(message)
        except UnfitImageError as error:
            self._frames.reject(self._camera.name, error.reason)
            self._logger.warning(f'image dropped: {error}', throttle_duration_sec=WARNING_PERIOD_S)
            return
        if self._is_first and is_grey(rgb):
            self._logger.warning(GREY)
        self._is_first = False
        self._frames.put(
            Frame(
                rgb=rgb,
                camera=replace(self._model(rgb), up_optical=self._up_optical(message.header)),
                stamp_ns=nanoseconds(message.header.stamp),
                frame_id=message.header.frame_id,
                camera_name=self._camera.name,
                to_calibrate=self._to_calibrate,
            )
        )

    def _up_optical(self, header: Header) -> Vec3 | None:
        self._no_gravity = ''
        try:
            return self._up(header)
        except TransformError as error:
            self._no_gravity = f'gravity is not known: {error}'
            self._logger.warning(self._no_gravity, throttle_duration_sec=WARNING_PERIOD_S)
            return None

    def _model(self, rgb: Rgb) -> CameraModel:
        height_px, width_px = rgb.shape[:2]
        fov_rad = math.radians(self._camera.field_of_view_deg)
        if self._info is None:
            reading = CameraReading(
                guessed_camera(width_px, height_px, fov_rad),
                f'no CameraInfo has arrived on {self._info_topic}: metric questions are refused',
            )
        else:
            is_rectified = self._camera.is_rectified
            reading = read_camera(self._info, width_px, height_px, fov_rad, is_rectified)
        if reading.remark not in {'', self.remark}:
            self._logger.warning(reading.remark, throttle_duration_sec=WARNING_PERIOD_S)
        self.remark = reading.remark
        return reading.camera
