"""Where a camera's direction of gravity comes from: a table of ways, by parameter value."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from std_msgs.msg import Header

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.messages import NANOSECONDS, nanoseconds
from spatialllm_ros.node.parameters import CameraParameters
from spatialllm_ros.node.transforms import TransformError, Transforms
from spatialllm_ros.runtime.camera_info import up_from_angles, up_from_quaternion
from spatialllm_ros.schema import Vec3

UpSource = Callable[[Header], Vec3 | None]
"""Tells the unit vector against gravity in an image's frame; None where nothing tells it.

Raises TransformError where TF should, but does not.
"""

APART_S = 1.0
"""How far an image and the newest transform may be apart where TF does not reach the image yet."""


def up_source(camera: CameraParameters, transforms: Transforms | None) -> UpSource:
    """Return the camera's way of knowing gravity.

    Raises:
        ConfigError: it is TF, which is not installed.
    """
    if camera.gravity_from == 'angles':
        up = up_from_angles(math.radians(camera.pitch_deg), math.radians(camera.roll_deg))
        return lambda _: up
    if camera.gravity_from == 'tf':
        if transforms is None:
            raise ConfigError(
                f'{camera.name}.gravity_from: expected tf2_ros, found none; install '
                'ros-<distribution>-tf2-ros, or give angles'
            )
        return partial(_up_from_tf, camera.gravity_frame, transforms)
    return lambda _: None


def _up_from_tf(gravity_frame: str, transforms: Transforms, header: Header) -> Vec3:
    q = _transform(gravity_frame, transforms, header).rotation
    return up_from_quaternion((q.x, q.y, q.z, q.w))


def _transform(gravity_frame: str, transforms: Transforms, header: Header) -> Any:
    """Return the transform at an image's time, or the newest, for images are faster than TF."""
    try:
        return transforms.lookup(gravity_frame, header.frame_id, header.stamp)
    except TransformError:
        newest = transforms.newest(gravity_frame, header.frame_id)
        apart_s = (nanoseconds(header.stamp) - nanoseconds(newest.header.stamp)) / NANOSECONDS
        if abs(apart_s) > APART_S:
            raise
        return newest.transform
