"""Where points are seen: through a camera, over its image, and from above."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.geometry import Array, fit_letterbox, letterboxed_camera, project
from spatialllm_ros.schema import CameraModel

Rgb = NDArray[np.uint8]
Shifts = tuple[tuple[float, float], ...]

HEIGHT_PX = 600
BACKGROUND = (48, 48, 48)
NEAREST_M, LEAST_SPAN_M = 0.05, 4.0


class View(Protocol):
    """A picture that points are drawn into."""

    image: Rgb
    words_px: Shifts
    """How far words may be moved, right and down; where they hide least is taken."""

    def pixels(self, points: Array) -> Array:
        """Return where points (N, 3) of a convex body are seen, (M, 2); none if they are not."""

    def px_per_m(self, point: Array) -> float:
        """Return how large things are at a point (3,)."""

    def farness(self, point: Array) -> float:
        """Return what orders points (3,) from near to far."""


@dataclass
class Through:
    """The view through a camera, over its own image."""

    image: Rgb
    camera: CameraModel
    words_px: Shifts = ((0.0, 0.0),)

    def pixels(self, points: Array) -> Array:
        """Project; what reaches behind the camera is cut off just in front of it."""
        ahead = _ahead(points)
        return project(self.camera, ahead) if len(ahead) else np.empty((0, 2))

    def px_per_m(self, point: Array) -> float:
        """Return how large things are at a point."""
        return self.camera.fy_px / max(NEAREST_M, float(point[2]))

    def farness(self, point: Array) -> float:
        """Return the distance along the optical axis."""
        return float(point[2])


def _ahead(points: Array) -> Array:
    """Return what spans the part of a convex body that is in front of the camera."""
    is_ahead = points[:, 2] >= NEAREST_M
    front, behind = points[is_ahead][:, None], points[~is_ahead][None]
    shares: Array = (NEAREST_M - front[..., 2:]) / (behind[..., 2:] - front[..., 2:])
    cuts: Array = front + shares * (behind - front)
    return np.vstack([points[is_ahead], cuts.reshape(-1, 3)])


@dataclass
class Above:
    """The view against the optical frame's y axis, x to the right and z up: a level camera's map.

    Attributes:
        scale: pixels per metre; ``origin_px`` is where the camera is.
        words_px: words above an object would hide it, and so stand beside it.
    """

    image: Rgb
    scale: float
    origin_px: tuple[float, float]
    words_px: Shifts = ((0.0, -18.0), (0.0, 18.0))

    def pixels(self, points: Array) -> Array:
        """Look down on points."""
        return np.asarray(self.origin_px + points[:, (0, 2)] * (self.scale, -self.scale))

    def px_per_m(self, _: Array) -> float:
        """Return how large everything is."""
        return self.scale

    def farness(self, point: Array) -> float:
        """Return how far below a point is: y points down."""
        return float(point[1])


def through_camera(image: Rgb, camera: CameraModel) -> Through:
    """Return the view through a camera over a copy of its image, in the picture's height."""
    width_px = round(camera.width_px * HEIGHT_PX / camera.height_px)
    box = fit_letterbox(camera.width_px, camera.height_px, width_px, HEIGHT_PX)
    resized = np.asarray(cv2.resize(image, (width_px, HEIGHT_PX)), np.uint8)
    return Through(resized, letterboxed_camera(camera, box))


def above_all(places: Array) -> Above:
    """Return an empty view from above with room for the camera and for points (N, 3)."""
    wide_m = 2 * float(np.abs(places[:, 0]).max(initial=0)) + 2
    behind_m = 1 - float(places[:, 2].min(initial=0))
    span_m = max(LEAST_SPAN_M, wide_m, float(places[:, 2].max(initial=0)) + 1 + behind_m)
    scale = HEIGHT_PX / math.ceil(span_m)
    origin = (HEIGHT_PX / 2, HEIGHT_PX - behind_m * scale)
    return Above(np.full((HEIGHT_PX, HEIGHT_PX, 3), BACKGROUND, np.uint8), scale, origin)
