"""Transforms from TF, where tf2_ros is installed."""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.time import Time as RclpyTime

from spatialllm_ros.errors import ConfigError, InputError


class TransformError(InputError):
    """TF does not connect two frames at the asked time."""


class Transforms:
    """Listens to TF while it lives."""

    def __init__(self, node: Node) -> None:
        """Start to listen.

        Raises:
            ConfigError: tf2_ros is not installed.
        """
        try:
            import tf2_ros  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError(
                'expected tf2_ros, found none: transforms are off; install '
                'ros-<distribution>-tf2-ros to have them'
            ) from error
        self._refusal = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node, spin_thread=False)

    def lookup(self, target_frame: str, source_frame: str, stamp: Time) -> Any:
        """Return the ``geometry_msgs/Transform`` that takes source vectors to the target frame.

        Raises:
            TransformError: the frames are not connected at that time.
        """
        try:
            found = self._buffer.lookup_transform(
                target_frame, source_frame, RclpyTime.from_msg(stamp)
            )
        except self._refusal as error:
            raise TransformError(
                f'expected a transform from {source_frame!r} to {target_frame!r} at '
                f'{stamp.sec}.{stamp.nanosec:09d} s, found none: {error}'
            ) from error
        return found.transform

    def close(self) -> None:
        """Stop to listen."""
        self._listener.unregister()
