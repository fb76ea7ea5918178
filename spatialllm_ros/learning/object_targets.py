"""The 3D truth of objects as numbers to regress: what probing heads and mentions are taught.

Knows no tensor library. The gravity frame has its origin on the floor below the camera, x to the
camera's right, y the way it looks along the floor, z up.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.errors import SceneError
from spatialllm_ros.geometry import azimuth, horizontal, project, unit
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

Array = NDArray[np.float64]

OBJECT_TARGETS = (
    'column', 'row', 'right', 'forward', 'height', 'log_distance',
    'log_length', 'log_width', 'log_tall',
    'azimuth_sin', 'azimuth_cos', 'front_right', 'front_forward',
)  # fmt: skip
"""Order of the regression targets; all are scaled to about [-1, 1]."""
FLAT_TARGETS = slice(0, 2)
"""The targets that say where in the image an object is."""
FRONT_TARGETS = slice(9, 13)
"""The targets that exist only for objects with a front."""
MIRROR_SIGNS = np.array([-1, 1, -1, 1, 1, 1, 1, 1, 1, -1, 1, -1, 1], np.float32)
"""What a left-right flip of the image does to each target."""

RIGHT_SCALE_M, FORWARD_CENTRE_M, FORWARD_SCALE_M = 2.0, 3.5, 2.0
LOG_DISTANCE_CENTRE = math.log(3.3)


def gravity_from_optical(camera: CameraModel) -> Array:
    """Return the rotation (3, 3) from the optical to the gravity frame.

    Raises:
        SceneError: the camera's direction of gravity is unknown.
    """
    if camera.up_optical is None:
        raise SceneError('expected a camera with known gravity, found none: set up_optical')
    up = unit(camera.up_optical)
    forward = horizontal([0.0, 0.0, 1.0], up)
    return np.stack([np.cross(forward, up), forward, up])


def object_targets(item: SceneObject, scene: Scene) -> NDArray[np.float32]:
    """Return the (13,) targets of an object; those of a missing front are zero."""
    camera = scene.camera
    to_gravity = gravity_from_optical(camera)
    centre = np.array(item.centre_optical_m)
    column, row = project(camera, centre)
    right, forward, up = to_gravity @ centre
    values = [
        (column + 0.5) / camera.width_px * 2 - 1,
        (row + 0.5) / camera.height_px * 2 - 1,
        right / RIGHT_SCALE_M,
        (forward - FORWARD_CENTRE_M) / FORWARD_SCALE_M,
        up + (camera.height_m or 0.0) - 0.5,
        math.log(float(np.linalg.norm(centre))) - LOG_DISTANCE_CENTRE,
        *(math.log(size) for size in item.size_m),
    ]
    if not item.has_front:
        return np.array([*values, 0, 0, 0, 0], np.float32)
    front = np.array(item.rotation_optical)[:, 0]
    heading = azimuth(front, centre, to_gravity[2])
    front_right, front_forward, _ = to_gravity @ front
    return np.array(
        [*values, math.sin(heading), math.cos(heading), front_right, front_forward], np.float32
    )


def distance_m(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return distances to the camera (...,) of targets (..., 13)."""
    return np.exp(targets[..., 5] + LOG_DISTANCE_CENTRE)


def heading_rad(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return azimuths (...,) in (-pi, pi] of targets (..., 13)."""
    return np.arctan2(targets[..., 9], targets[..., 10])
