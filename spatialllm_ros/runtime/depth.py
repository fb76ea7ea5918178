"""How far something is by a depth image that is registered to the camera's image.

A camera measures the surface it sees, the model says how far the middle of an object is: about
half the object's depth farther away.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from spatialllm_ros.errors import DepthError
from spatialllm_ros.geometry import pixel_rays
from spatialllm_ros.runtime.depth_image import Depth, Samples
from spatialllm_ros.schema import CameraModel

WINDOW_SHARE = 0.02
"""Width of the square that is looked at, as a share of the image's: twice the error of places."""
LEAST_SHARE = 0.25
"""Of the square's pixels that must hold a distance."""
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class DepthFrame:
    """A depth image, which is converted when it is needed."""

    stamp_ns: int
    samples: Samples


class DepthBuffer:
    """The newest depth images of a camera, to be found by the stamp of its image."""

    def __init__(self, topic: str, size: int, tolerance_s: float) -> None:
        """Start empty.

        Args:
            topic: where they come from, in words to people.
            size: how many are kept.
            tolerance_s: how far stamps may be apart.
        """
        self._topic, self._tolerance_s = topic, tolerance_s
        self._frames: deque[DepthFrame] = deque(maxlen=size)

    def put(self, frame: DepthFrame) -> None:
        """Keep a depth image; the one that came first may go for it."""
        self._frames.append(frame)

    def clear(self) -> None:
        """Forget all of them."""
        self._frames.clear()

    def nearest(self, stamp_ns: int) -> DepthFrame:
        """Return the depth image whose stamp is nearest to that of an image.

        Raises:
            DepthError: it is farther away than the tolerance, or there is none.
        """
        if not self._frames:
            raise DepthError(f'no depth image has arrived on {self._topic}')
        nearest = min(self._frames, key=lambda frame: abs(frame.stamp_ns - stamp_ns))
        apart_s = (nearest.stamp_ns - stamp_ns) / NANOSECONDS
        if abs(apart_s) > self._tolerance_s:
            raise DepthError(
                f'expected a depth image within {self._tolerance_s:g} s of the image, found the '
                f'nearest of {len(self._frames)} on {self._topic} to be '
                f'{abs(apart_s):.3f} s {"later" if apart_s > 0 else "earlier"}'
            )
        return nearest


def measured_range_m(depth_m: Depth, camera: CameraModel, point_px: tuple[float, float]) -> float:
    """Return how far from the optical centre the surface is that an image shows at a point.

    It is the median of the distances in a small square, stretched from the optical axis to the
    ray through the point: a depth image holds z, the model's distances are Euclidean.

    Args:
        depth_m: (H, W), of the image's aspect and field of view, in any size.
        camera: of the image.
        point_px: column and row in the image.

    Raises:
        DepthError: the depth image is of another shape, or tells nothing there.
    """
    square = _square(depth_m, _depth_pixel(depth_m, camera, point_px))
    valid = square[np.isfinite(square) & (square > 0)]
    if valid.size < LEAST_SHARE * square.size or not valid.size:
        raise DepthError(
            f'expected a distance in a quarter of the {square.size} depth pixels at column '
            f'{point_px[0]:.0f} row {point_px[1]:.0f}, found {valid.size} with one, '
            f'{np.isneginf(square).sum()} too near and {np.isposinf(square).sum()} beyond range'
        )
    return float(np.median(valid) / pixel_rays(camera, point_px)[2])


def _depth_pixel(
    depth_m: Depth, camera: CameraModel, point_px: tuple[float, float]
) -> tuple[int, int]:
    """Return the column and row of the depth image where a point of the image lies."""
    height, width = depth_m.shape
    if abs(width * camera.height_px / camera.width_px - height) >= 1:
        raise DepthError(
            f'expected a depth image of the aspect of {camera.width_px}x{camera.height_px} '
            f'pixels, found {width}x{height}; register it to the image'
        )
    column = round((point_px[0] + 0.5) * width / camera.width_px - 0.5)
    row = round((point_px[1] + 0.5) * height / camera.height_px - 0.5)
    if not (0 <= column < width and 0 <= row < height):
        raise DepthError(
            f'expected a place in the image, found column {point_px[0]:.0f} row '
            f'{point_px[1]:.0f} beside it'
        )
    return column, row


def _square(depth_m: Depth, centre: tuple[int, int]) -> Depth:
    """Return the pixels around one, fewer at the edges."""
    column, row = centre
    reach = max(1, round(depth_m.shape[1] * WINDOW_SHARE / 2))
    return depth_m[
        max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1
    ]
