"""From an object's pixels and their points to a box with upright axes.

What is measured is the surface that the camera sees: nothing is made up behind it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialllm_ros.geometry import horizontal, rotation_from_front, unit

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MIN_PIXELS = 100
MAX_BORDER_SHARE = 0.15
"""An object cut off along more of its outline than this has no size that could be measured."""
MIN_VALID_SHARE = 0.5
MAX_JUMP_SHARE = 0.1
"""Where depth varies by more of it among a pixel and its neighbours, one surface ends."""
TRIMMED_PERCENT = 1.0
"""Of the points, at either end of each axis."""
THINNEST_M = 0.01
TURNS, MAX_FITTED_POINTS, NEAR_SIDE_SHARE = 90, 2000, 0.03
NEIGHBOURS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Box:
    """A box in the optical frame; ``rotation_optical`` (3, 3) takes its axes there, z being up."""

    centre_optical_m: Array
    size_m: Array
    rotation_optical: Array


def flaw_of(mask: Mask, points_optical: Array) -> str | None:
    """Return why an object cannot be measured; None where it can.

    Args:
        mask: (H, W) its pixels.
        points_optical: (H, W, 3) the points of all pixels, NaN where depth is invalid.
    """
    if mask.sum() < MIN_PIXELS:
        return 'too small objects'
    if border_share(mask) > MAX_BORDER_SHARE:
        return 'objects cut off by the border'
    if np.isfinite(points_optical[mask][:, 2]).mean() < MIN_VALID_SHARE:
        return 'objects without valid depth'
    if continuous_part(mask, points_optical[..., 2]).sum() < MIN_PIXELS:
        return 'objects in pieces'
    return None


def border_share(mask: Mask) -> float:
    """Return the share of a mask's outline that lies on the border of the image."""
    inner = cv2.erode(
        mask.astype(np.uint8), NEIGHBOURS, borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    outline = mask & (inner == 0)
    frame = np.ones_like(mask)
    frame[1:-1, 1:-1] = False
    return float((outline & frame).sum() / outline.sum())


def continuous_part(mask: Mask, depth_m: Array) -> Mask:
    """Return the largest part of a mask (H, W) over which the depth map makes no jump."""
    depth = np.nan_to_num(depth_m, nan=0.0).astype(np.float32)
    jump = cv2.dilate(depth, NEIGHBOURS) - cv2.erode(depth, NEIGHBOURS)
    is_smooth = mask & (depth > 0) & (jump <= MAX_JUMP_SHARE * depth)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(is_smooth.astype(np.uint8))
    if count == 1:
        return np.zeros_like(mask)
    core = labels == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
    # The outermost pixels have neighbours beyond the surface, but are part of it.
    nearby = cv2.dilate(np.where(core, depth, 0).astype(np.float32), NEIGHBOURS)
    return np.asarray(mask & (depth > 0) & (np.abs(depth - nearby) <= MAX_JUMP_SHARE * depth))


def upright_box(
    points_optical: Array, up_optical: ArrayLike, front_optical: ArrayLike | None = None
) -> Box:
    """Return the box around points (N, 3), less the outermost of them.

    Its third axis is up. Its first is the front, if given; else it lies along a side of the points
    as seen from above.
    """
    up = unit(up_optical)
    front = _side(points_optical, up) if front_optical is None else front_optical
    rotation = np.array(rotation_from_front(front, up))
    low, high = np.percentile(
        points_optical @ rotation, (TRIMMED_PERCENT, 100 - TRIMMED_PERCENT), axis=0
    )
    return Box(rotation @ (low + high) / 2, np.maximum(high - low, THINNEST_M), rotation)


def _side(points: Array, up: Array) -> Array:
    """Return the horizontal direction along which most points lie on a side of their rectangle.

    The rectangle of the smallest area will not do: of two sides seen from a corner, the one along
    the diagonal is as small as the true one.

    Source: Zhang et al., Efficient L-Shape Fitting for Vehicle Detection Using Laser Scanners,
    IV 2017, the closeness criterion.
    """
    right = horizontal([1.0, 0.0, 0.0], up)
    ahead = np.cross(up, right)
    few = points[:: len(points) // MAX_FITTED_POINTS + 1]
    seen_from_above = few @ np.stack([right, ahead], axis=1)
    turns = np.linspace(0, math.pi / 2, TURNS, endpoint=False)
    along = np.stack([np.cos(turns), np.sin(turns)])
    across = np.stack([-np.sin(turns), np.cos(turns)])
    to_side = np.minimum(*(_inward(seen_from_above @ axis) for axis in (along, across)))
    floor_m = NEAR_SIDE_SHARE * float(np.ptp(seen_from_above, axis=0).max()) + 1e-6
    best = int((1 / np.maximum(to_side, floor_m)).sum(axis=0).argmax())
    return np.asarray(math.cos(turns[best]) * right + math.sin(turns[best]) * ahead)


def _inward(coordinates: Array) -> Array:
    """Return how far each (N, T) is from the nearer end of its column, less the outermost."""
    low, high = np.percentile(coordinates, (TRIMMED_PERCENT, 100 - TRIMMED_PERCENT), axis=0)
    return np.maximum(np.minimum(coordinates - low, high - coordinates), 0.0)
