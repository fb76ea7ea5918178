"""The 3D truth of objects as numbers to regress: what probing heads and mentions are taught.

Knows no tensor library. The gravity frame has its origin on the floor below the camera, x to the
camera's right, y the way it looks along the floor, z up.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.geometry import azimuth, horizontal, project, unit
from spatialllm_ros.schema import Scene, SceneObject, Vec3

Array = NDArray[np.float64]

OBJECT_TARGETS = (
    'column', 'row', 'right', 'forward', 'height', 'log_distance',
    'log_length', 'log_width', 'log_tall',
    'azimuth_sin', 'azimuth_cos', 'front_right', 'front_forward',
)  # fmt: skip
"""Order of the regression targets; all are scaled to about [-1, 1]."""
FLAT_TARGETS = slice(0, 2)
"""The targets that say where in the image an object is."""
PLACE_TARGETS = slice(2, 5)
"""The targets in the gravity frame."""
LENGTH_TARGETS = slice(5, 9)
"""The targets that are logarithms of metres."""
FRONT_TARGETS = slice(9, 13)
"""The targets that exist only for objects with a front."""
MIRROR_SIGNS = np.array([-1, 1, -1, 1, 1, 1, 1, 1, 1, -1, 1, -1, 1], np.float32)
"""What a left-right flip of the image does to each target."""

RIGHT_SCALE_M, FORWARD_CENTRE_M, FORWARD_SCALE_M = 2.0, 3.5, 2.0
LOG_DISTANCE_CENTRE = math.log(3.3)


def gravity_from_optical(up_optical: Vec3) -> Array:
    """Return the rotation (3, 3) from the optical to the gravity frame."""
    up = unit(up_optical)
    forward = horizontal([0.0, 0.0, 1.0], up)
    return np.stack([np.cross(forward, up), forward, up])


def object_targets(item: SceneObject, scene: Scene) -> NDArray[np.float32]:
    """Return the (13,) targets of an object.

    Those of a missing front are zero. NaN is what the truth does not tell: places and lengths of
    an uncalibrated camera, and what needs gravity or the floor where they are unknown.
    """
    camera = scene.camera
    centre = np.array(item.centre_optical_m)
    column, row = project(camera, centre)
    values = np.full(len(OBJECT_TARGETS), np.nan)
    values[FLAT_TARGETS] = (
        (column + 0.5) / camera.width_px * 2 - 1,
        (row + 0.5) / camera.height_px * 2 - 1,
    )
    if camera.calibrated:
        values[LENGTH_TARGETS] = (
            math.log(float(np.linalg.norm(centre))) - LOG_DISTANCE_CENTRE,
            *(math.log(size) for size in item.size_m),
        )
    if camera.up_optical is not None:
        to_gravity = gravity_from_optical(camera.up_optical)
        if camera.calibrated:
            values[PLACE_TARGETS] = _place(to_gravity @ centre, camera.height_m)
        if item.has_front:
            values[FRONT_TARGETS] = _front(item, to_gravity, camera.calibrated)
    if not item.has_front:
        values[FRONT_TARGETS] = 0
    return values.astype(np.float32)


def _place(centre_gravity_m: Array, height_m: float | None) -> tuple[float, float, float]:
    right, forward, up = centre_gravity_m
    return (
        right / RIGHT_SCALE_M,
        (forward - FORWARD_CENTRE_M) / FORWARD_SCALE_M,
        up + (math.nan if height_m is None else height_m) - 0.5,
    )


def _front(item: SceneObject, to_gravity: Array, is_calibrated: bool) -> tuple[float, ...]:
    """Return the heading, and the front as the camera sees it if its rays are known."""
    front = np.array(item.rotation_optical)[:, 0]
    heading = azimuth(front, item.centre_optical_m, to_gravity[2])
    right, forward, _ = to_gravity @ front if is_calibrated else (math.nan,) * 3
    return math.sin(heading), math.cos(heading), right, forward


def distance_m(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return distances to the camera (...,) of targets (..., 13)."""
    return np.exp(targets[..., 5] + LOG_DISTANCE_CENTRE)


def heading_rad(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return azimuths (...,) in (-pi, pi] of targets (..., 13)."""
    return np.arctan2(targets[..., 9], targets[..., 10])
