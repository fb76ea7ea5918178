"""Where a camera's direction of gravity comes from: a table of ways, by parameter value."""

from __future__ import annotations

import math
from collections.abc import Callable

from std_msgs.msg import Header

from spatialllm_ros.node.parameters import CameraParameters
from spatialllm_ros.node.transforms import TransformError, Transforms
from spatialllm_ros.runtime.camera_info import up_from_angles, up_from_quaternion
from spatialllm_ros.schema import Vec3

UpSource = Callable[[Header], Vec3 | None]
"""Tells the unit vector against gravity in an image's frame; None where it is not known."""


def up_source(camera: CameraParameters, transforms: Transforms | None) -> UpSource:
    """Return the camera's way of knowing gravity; without TF, what would need it knows nothing."""
    if camera.gravity_from == 'angles':
        up = up_from_angles(math.radians(camera.pitch_deg), math.radians(camera.roll_deg))
        return lambda _: up
    if camera.gravity_from == 'tf' and transforms is not None:
        return _up_from_tf(camera.gravity_frame, transforms)
    return lambda _: None


def _up_from_tf(gravity_frame: str, transforms: Transforms) -> UpSource:
    def up(header: Header) -> Vec3 | None:
        try:
            transform = transforms.lookup(gravity_frame, header.frame_id, header.stamp)
        except TransformError:
            return None
        q = transform.rotation
        return up_from_quaternion((q.x, q.y, q.z, q.w))

    return up
