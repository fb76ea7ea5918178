"""Markers through a camera and from above, side by side, as RViz shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from visualization_msgs.msg import Marker

from spatialllm_ros.demo.marker_shapes import MarkerError, body_of, position_of, size_of, type_name
from spatialllm_ros.demo.marker_views import (
    BACKGROUND,
    Above,
    Rgb,
    View,
    above_all,
    through_camera,
)
from spatialllm_ros.geometry import Array, pixel_rays
from spatialllm_ros.schema import CameraModel

Colour = tuple[float, float, float]

FONT, LINE_PX, WORDS_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 22, 0.5
LETTER_PX = cv2.getTextSize('A', FONT, 1.0, 1)[0][1]
"""Height of capital letters in scale 1."""
GRID, SIGHT, WHITE, BLACK = (90, 90, 90), (150, 190, 230), (255, 255, 255), (0, 0, 0)
X_RED, Z_BLUE = (255, 60, 60), (80, 120, 255)
FARTHEST_M, AXIS_M = 100, 0.4
FARTHEST_PX, FRACTION_BITS = 30_000, 4
"""OpenCV's lines end on sixteenths of a pixel."""


def draw_picture(image: Rgb, frame_id: str, camera: CameraModel, markers: Sequence[Any]) -> Rgb:
    """Return an image with its markers, their view from above, and a line about each.

    Args:
        image: (H, W, 3) uint8, red first.
        frame_id: of the image.
        camera: of the image.
        markers: ``visualization_msgs/Marker``.

    Raises:
        MarkerError: a marker is of an unknown type, nowhere, or in another frame than the image.
        SceneError: an orientation is no unit quaternion.
    """
    for marker in markers:
        if marker.header.frame_id != frame_id:
            raise MarkerError(
                f'expected markers in the frame of the image, {frame_id!r}, found '
                f'{marker.header.frame_id!r} in the namespace {marker.ns!r}'
            )
        if not np.isfinite([*position_of(marker), *size_of(marker)]).all():
            raise MarkerError(
                f'expected finite numbers as position and scale in the namespace {marker.ns!r}, '
                f'found {position_of(marker)} and {size_of(marker)}'
            )
    through, above = through_camera(image, camera), from_above(camera, markers)
    for view in (through, above):
        draw_markers(view, markers)
    _write(through.image, f'~/markers through the camera, {frame_id}', (8, LINE_PX), WHITE)
    _write(above.image, 'from above, grid of 1 m', (8, LINE_PX), WHITE)
    both = np.hstack([through.image, above.image])
    return np.vstack([both, _lines(markers, both.shape[1])])


def from_above(camera: CameraModel, markers: Sequence[Any]) -> Above:
    """Return the view from above with its grid, the camera's axes and its edges of sight."""
    view = above_all(np.array([position_of(marker) for marker in markers]).reshape(-1, 3))
    reach = np.arange(-FARTHEST_M, FARTHEST_M + 1)
    for metre in reach:
        for ends in (
            [(metre, 0, reach[0]), (metre, 0, reach[-1])],
            [(reach[0], 0, metre), (reach[-1], 0, metre)],
        ):
            _line(view, np.array(ends, float), GRID, 1)
    edges_px = [(-0.5, camera.cy_px), (camera.width_px - 0.5, camera.cy_px)]
    for ray in pixel_rays(camera, edges_px):
        _line(view, np.stack([np.zeros(3), FARTHEST_M * ray]), SIGHT, 1)
    for axis, colour in (((AXIS_M, 0, 0), X_RED), ((0, 0, AXIS_M), Z_BLUE)):
        _line(view, np.array([(0, 0, 0), axis], float), colour, 3)
    return view


def draw_markers(view: View, markers: Sequence[Any]) -> None:
    """Draw the bodies of markers, the farthest first, and their words on top.

    Raises:
        MarkerError: a marker is of an unknown type.
    """
    bare = view.image.copy()
    far_first = sorted(markers, key=lambda one: -view.farness(position_of(one)))
    for marker in far_first:
        _draw_body(view, marker)
    for marker in far_first:
        if marker.type == Marker.TEXT_VIEW_FACING:
            _draw_text(view, bare, marker)


def _draw_body(view: View, marker: Any) -> None:
    body, before, colour = body_of(marker), view.image.copy(), _colour(marker)
    for solid in sorted(body.solids, key=lambda one: -view.farness(one.mean(axis=0))):
        seen = view.pixels(solid)
        if len(seen):
            hull = cv2.convexHull(_fixed_point(seen))
            cv2.fillConvexPoly(view.image, hull, colour, cv2.LINE_AA, FRACTION_BITS)
            cv2.polylines(view.image, [hull], True, BLACK, 1, cv2.LINE_AA, FRACTION_BITS)
    for edge in body.edges:
        _line(view, edge, colour, 2)
    cv2.addWeighted(view.image, marker.color.a, before, 1 - marker.color.a, 0, view.image)


def _draw_text(view: View, bare: Rgb, marker: Any) -> None:
    """Write words in the middle of where they are, or where the view would rather have them."""
    seen = view.pixels(position_of(marker)[None])
    if not len(seen):
        return
    scale = marker.scale.z * view.px_per_m(position_of(marker)) / LETTER_PX
    (width_px, height_px), _ = cv2.getTextSize(marker.text, FONT, scale, 1)

    def hidden_px(middle: Array) -> int:
        left, top = (middle - (width_px / 2, height_px / 2)).round().clip(0).astype(int)
        box = np.s_[top : top + height_px, left : left + width_px]
        return int(np.count_nonzero(view.image[box] != bare[box]))

    middle = min((seen[0] + shift for shift in view.words_px), key=hidden_px)
    left, base = (middle + np.array([-width_px / 2, height_px / 2])).round().astype(int).tolist()
    _write(view.image, marker.text, (left, base), _colour(marker), scale)


def _line(view: View, ends: Array, colour: Colour, thickness: int) -> None:
    """Draw between two points (2, 3)."""
    seen = view.pixels(ends)
    if len(seen):
        lines = [_fixed_point(seen[:2])]
        cv2.polylines(view.image, lines, False, colour, thickness, cv2.LINE_AA, FRACTION_BITS)


def _fixed_point(pixels: Array) -> NDArray[np.int32]:
    near: Array = pixels.clip(-FARTHEST_PX, FARTHEST_PX)
    return np.asarray(np.round(near * 2**FRACTION_BITS), np.int32)


def _write(
    image: Rgb, words: str, at: tuple[int, int], colour: Colour, scale: float = WORDS_SCALE
) -> None:
    """Write with a dark rim, for the words to be legible on anything."""
    left, base = at
    for right, down in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        cv2.putText(image, words, (left + right, base + down), FONT, scale, BLACK, 1, cv2.LINE_AA)
    cv2.putText(image, words, at, FONT, scale, colour, 1, cv2.LINE_AA)


def _lines(markers: Sequence[Any], width_px: int) -> Rgb:
    """Return a line about each marker, as its message has it."""
    image = np.full((LINE_PX * len(markers) + 10, width_px, 3), BACKGROUND, np.uint8)
    for row, marker in enumerate(markers, start=1):
        x, y, z = position_of(marker)
        words = (
            f'{type_name(marker.type)} {marker.ns} {marker.id} at ({x:.2f}, {y:.2f}, {z:.2f}) m'
        )
        words += f': {marker.text}' if marker.text else ''
        _write(image, words, (8, LINE_PX * row), _colour(marker))
    return image


def _colour(marker: Any) -> Colour:
    colour = marker.color
    return (255 * colour.r, 255 * colour.g, 255 * colour.b)
