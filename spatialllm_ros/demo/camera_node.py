"""A camera for the demo: publishes images, intrinsics and, where it is known, what is true.

ros2 run spatialllm_ros demo_camera --ros-args -r __ns:=/camera -p source:=tour

It begins when somebody subscribes to its images.
"""

from __future__ import annotations

import array
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import islice

import rclpy
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header, String

from spatialllm_ros.demo.declaring import declared
from spatialllm_ros.demo.recording import FRAME_ID
from spatialllm_ros.demo.shots import Rgb, Shot, jpeg_file
from spatialllm_ros.demo.sources import open_source
from spatialllm_ros.errors import SpatialLLMError

QUALITY = QoSProfile(depth=2)
"""Reliable, so that every kind of subscriber fits."""
LOOK_AGAIN_S = 0.1

PARAMETERS = {
    'source': ('tour', 'tour (a recording), sim (rendered live), a video device or a bag'),
    'topic': ('', 'of the images, if a bag has several'),
    'images': (0, 'how many to publish before falling silent; 0 for no end'),
}


class CameraNode(Node):
    """Publishes what a source shows, at the source's own rate."""

    def __init__(self) -> None:
        """Open the source and offer the topics.

        Raises:
            ConfigError, SceneError: a parameter cannot be used, or the source cannot be opened.
        """
        super().__init__('demo_camera')
        source, topic, images = declared(self, PARAMETERS)
        self._shots: Iterable[Shot] = islice(open_source(source, topic), images or None)
        self._raw = self.create_publisher(Image, 'image', QUALITY)
        self._compressed = self.create_publisher(CompressedImage, 'image/compressed', QUALITY)
        self._info = self.create_publisher(CameraInfo, 'camera_info', QUALITY)
        self._truth = self.create_publisher(String, 'truth', QUALITY)
        self._is_stopping = False

    def stop(self) -> None:
        """End ``play`` soon."""
        self._is_stopping = True

    def play(self) -> None:
        """Publish until ``stop``.

        Raises:
            SpatialLLMError: the source fails.
        """
        while not (self._is_watched or self._is_stopping):
            rclpy.spin_once(self, timeout_sec=LOOK_AGAIN_S)
        due_s = time.monotonic()
        shown_s = 0.0
        for shot in self._shots:
            # A source that falls behind does not hurry afterwards.
            due_s = max(time.monotonic(), due_s + shot.at_s - shown_s)
            shown_s = shot.at_s
            self._wait_until(due_s)
            if self._is_stopping:
                return
            self._publish(shot)
        while not self._is_stopping:
            rclpy.spin_once(self, timeout_sec=LOOK_AGAIN_S)

    @property
    def _is_watched(self) -> bool:
        return any(
            publisher.get_subscription_count() for publisher in (self._raw, self._compressed)
        )

    def _wait_until(self, due_s: float) -> None:
        while (left_s := due_s - time.monotonic()) > 0 and not self._is_stopping:
            # Within a longer one no signal is heeded.
            rclpy.spin_once(self, timeout_sec=min(left_s, LOOK_AGAIN_S))

    def _publish(self, shot: Shot) -> None:
        """Publish one image; forms that nobody subscribed to are not made."""
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)
        if shot.info:
            self._info.publish(CameraInfo(header=header, **shot.info))
        if shot.truth is not None:
            self._truth.publish(String(data=shot.truth.to_json(seconds(header.stamp))))
        if self._raw.get_subscription_count():
            self._raw.publish(raw_message(header, shot.rgb))
        if self._compressed.get_subscription_count():
            file = array.array('B', jpeg_file(shot.rgb))  # others are checked byte by byte
            self._compressed.publish(CompressedImage(header=header, format='jpeg', data=file))


def seconds(stamp: Time) -> tuple[int, int]:
    """Return a time message as seconds and nanoseconds."""
    return stamp.sec, stamp.nanosec


def raw_message(header: Header, rgb: Rgb) -> Image:
    """Return an image (H, W, 3) as a message."""
    height_px, width_px, channels = rgb.shape
    message = Image(
        header=header, height=height_px, width=width_px, encoding='rgb8', step=width_px * channels
    )
    message.data.frombytes(rgb.tobytes())
    return message


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the camera until SIGINT or SIGTERM, and return the exit status."""
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = CameraNode()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: node.stop())
        node.play()
    except SpatialLLMError as error:
        print(f'demo_camera: {error}', file=sys.stderr)
        return 2
    else:
        return 0
    finally:
        rclpy.shutdown()


if __name__ == '__main__':
    sys.exit(main())
