"""Gravity from the ground: the plane that most of the lower half of a depth map lies on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.geometry import as_vec3
from spatialllm_ros.schema import Vec3

Array = NDArray[np.float64]

ASSUMED_UP = np.array([0.0, -1.0, 0.0])
MIN_UP_COSINE = 0.5
"""A plane tilted more than 60 degrees to the image's own up is a wall."""
MIN_HEIGHT_M = 0.05
TOLERANCE_M, TOLERANCE_SHARE = 0.02, 0.02
"""How far from the plane its points may be: so much, and so much of their depth."""
MIN_GROUND_SHARE = 0.3
MAX_BELOW_SHARE, BELOW_TOLERANCES = 0.02, 3.0
ROUNDS, MAX_POINTS, REFINEMENTS = 300, 4000, 3


@dataclass(frozen=True)
class GroundPlane:
    """A plane below the camera.

    Attributes:
        up_optical: its unit normal, towards the camera.
        height_m: of the camera above it.
        is_lowest: whether next to nothing lies below it, as under a floor; not so for a desk.
    """

    up_optical: Vec3
    height_m: float
    is_lowest: bool


def find_ground(points_optical: Array, is_object: NDArray[np.bool_]) -> GroundPlane | None:
    """Return the plane that holds the lower half of an image; None where there is none.

    Args:
        points_optical: (H, W, 3) of each pixel, NaN where unknown.
        is_object: (H, W) the pixels that are no ground.
    """
    is_candidate = ~is_object & np.isfinite(points_optical[..., 2])
    is_candidate[: len(points_optical) // 2] = False
    candidates = _spread(points_optical[is_candidate])
    if len(candidates) < 3:
        return None
    normal, height_m = _most_supported(candidates)
    for _ in range(REFINEMENTS):
        inliers = candidates[_is_near(candidates, normal, height_m)]
        if len(inliers) < max(3, MIN_GROUND_SHARE * len(candidates)):
            return None
        normal, height_m = _fitted(inliers)
    if not _is_plausible(normal, height_m):
        return None
    everything = _spread(points_optical[np.isfinite(points_optical[..., 2])])
    below = -(everything @ normal + height_m) > BELOW_TOLERANCES * _tolerance_m(everything)
    return GroundPlane(as_vec3(normal), float(height_m), bool(below.mean() <= MAX_BELOW_SHARE))


def _spread(points: Array) -> Array:
    """Return at most so many points (N, 3), evenly taken."""
    return points[:: len(points) // MAX_POINTS + 1]


def _most_supported(points: Array) -> tuple[Array, float]:
    """Return normal and height of the plausible plane through three points that most lie near.

    Any plane is returned where none is plausible: it has no support.
    """
    rng = np.random.default_rng(0)
    a, b, c = points[rng.integers(len(points), size=(ROUNDS, 3))].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1)
    kept = lengths > 1e-9
    normals, a = normals[kept] / lengths[kept, None], a[kept]
    heights_m = -(normals * a).sum(axis=1)
    signs = np.where(heights_m < 0, -1.0, 1.0)
    normals, heights_m = normals * signs[:, None], heights_m * signs
    plausible = (normals @ ASSUMED_UP >= MIN_UP_COSINE) & (heights_m >= MIN_HEIGHT_M)
    if not plausible.any():
        return ASSUMED_UP, np.inf
    normals, heights_m = normals[plausible], heights_m[plausible]
    near = np.abs(points @ normals.T + heights_m) <= _tolerance_m(points)[:, None]
    best = int(near.sum(axis=0).argmax())
    return normals[best], float(heights_m[best])


def _fitted(points: Array) -> tuple[Array, float]:
    """Return normal and height of the plane with the least squared distances, camera above."""
    middle = points.mean(axis=0)
    normal = np.linalg.svd(points - middle, full_matrices=False)[2][2]
    height_m = -float(normal @ middle)
    return (normal, height_m) if height_m >= 0 else (-normal, -height_m)


def _is_plausible(normal: Array, height_m: float) -> bool:
    return bool(normal @ ASSUMED_UP >= MIN_UP_COSINE) and height_m >= MIN_HEIGHT_M


def _is_near(points: Array, normal: Array, height_m: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(points @ normal + height_m) <= _tolerance_m(points))


def _tolerance_m(points: Array) -> Array:
    return np.asarray(TOLERANCE_M + TOLERANCE_SHARE * points[:, 2])
