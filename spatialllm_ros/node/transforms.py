"""Transforms from TF, where tf2_ros is installed."""

from __future__ import annotations

import time
from typing import Any

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.task import Future
from rclpy.time import Time as RclpyTime

from spatialllm_ros.errors import ConfigError, InputError

NEWEST = Time()
"""What tf2 takes for the newest time that it knows of."""

JUMP_BACK = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-1))
"""What makes transforms of before worthless, as tf2 has it; beside it, another clock."""

LOOK_AGAIN_S = 0.02
"""How often a transform is looked for that has not come yet."""

Xyzw = tuple[float, float, float, float]


class TransformError(InputError):
    """TF does not connect two frames at the asked time."""


class Transforms:
    """Listens to TF while it lives; forgets it when time jumps back."""

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
        self._node = node
        self._refusal = tf2_ros.TransformException
        # Given the node, it would offer a service; without, it does not hear of the node's clock.
        self._buffer = tf2_ros.Buffer()
        self._jumps = node.get_clock().create_jump_callback(
            JUMP_BACK, post_callback=lambda _: self._buffer.clear()
        )
        self._listener = tf2_ros.TransformListener(self._buffer, node, spin_thread=False)

    def lookup(self, target_frame: str, source_frame: str, stamp: Time) -> Any:
        """Return the ``geometry_msgs/Transform`` that takes source vectors to the target frame.

        Raises:
            TransformError: the frames are not connected at that time.
        """
        return self._found(target_frame, source_frame, stamp).transform

    async def lookup_until(
        self, end_s: float, target_frame: str, source_frame: str, stamp: Time
    ) -> Any:
        """Return the same, waited for where TF connects the frames but has not come so far yet.

        TF is often slower than the model: who tells it may be one period behind the image.

        Args:
            end_s: until when, by ``time.monotonic``.
            target_frame: see ``lookup``, likewise what follows.
            source_frame: of the vectors.
            stamp: when.

        Raises:
            TransformError: see ``lookup``.
        """
        while True:
            try:
                return self.lookup(target_frame, source_frame, stamp)
            except TransformError:
                is_late = self._is_late(target_frame, source_frame, stamp)
                if not is_late or time.monotonic() >= end_s:
                    raise
            await pause(self._node, LOOK_AGAIN_S)

    def _is_late(self, target_frame: str, source_frame: str, stamp: Time) -> bool:
        try:
            newest = self.newest(target_frame, source_frame).header.stamp
        except TransformError:
            return False
        return (newest.sec, newest.nanosec) < (stamp.sec, stamp.nanosec)

    def newest(self, target_frame: str, source_frame: str) -> Any:
        """Return the newest of those, as a ``geometry_msgs/TransformStamped``.

        Raises:
            TransformError: the frames are not connected.
        """
        return self._found(target_frame, source_frame, NEWEST)

    def _found(self, target_frame: str, source_frame: str, stamp: Time) -> Any:
        try:
            return self._buffer.lookup_transform(
                target_frame, source_frame, RclpyTime.from_msg(stamp)
            )
        except (self._refusal, ValueError) as error:  # the latter: a time before the epoch
            when = f' at {stamp.sec}.{stamp.nanosec:09d} s' if stamp != NEWEST else ''
            raise TransformError(
                f'expected a transform from {source_frame!r} to {target_frame!r}{when}, found '
                f'none: {error}'
            ) from error

    def close(self) -> None:
        """Stop to listen."""
        self._listener.unregister()
        self._jumps.unregister()


def pause(node: Node, duration_s: float) -> Future:
    """Return what a coroutine of a node's executor awaits to go on after so long."""
    over = Future(executor=node.executor)

    def end() -> None:
        node.destroy_timer(timer)
        over.set_result(None)

    steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still
    timer = node.create_timer(duration_s, end, clock=steady)
    return over


def transformed_pose(transform: Any, pose: Pose) -> Pose:
    """Return a pose of the source frame in the target frame of a ``geometry_msgs/Transform``."""
    q, t = transform.rotation, transform.translation
    p, o = pose.position, pose.orientation
    turned = hamilton(
        hamilton((q.x, q.y, q.z, q.w), (p.x, p.y, p.z, 0.0)), (-q.x, -q.y, -q.z, q.w)
    )
    x, y, z, w = hamilton((q.x, q.y, q.z, q.w), (o.x, o.y, o.z, o.w))
    return Pose(
        position=Point(x=turned[0] + t.x, y=turned[1] + t.y, z=turned[2] + t.z),
        orientation=Quaternion(x=x, y=y, z=z, w=w),
    )


def hamilton(a: Xyzw, b: Xyzw) -> Xyzw:
    """Return the product of two quaternions: first ``b`` turns, then ``a``."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )
