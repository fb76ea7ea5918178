"""What a camera's ``CameraInfo`` and mounting say, as the runtime's camera model.

Imports no ROS: any object with the message's fields will do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.schema import CameraModel, Vec3

EXTREME_SIZES = 1000.0
"""A focal length, or a distance from the image to its principal point, of more or fewer (1/1000)
image sides is no camera's; the rays that it gives may not even be finite."""


class CameraInfoMessage(Protocol):
    """The fields of ``sensor_msgs/CameraInfo`` that describe the projection."""

    width: int
    height: int
    d: Sequence[float]
    k: Any
    p: Any
    binning_x: int
    binning_y: int
    roi: Any


@dataclass(frozen=True)
class CameraReading:
    """A camera model, and what a person should know about where it comes from.

    Attributes:
        remark: one sentence; empty where all is well.
    """

    camera: CameraModel
    remark: str = ''


def read_camera(
    info: CameraInfoMessage, width_px: int, height_px: int, fov_rad: float, is_rectified: bool
) -> CameraReading:
    """Return the pinhole camera of an image of the given size.

    Binning and region of interest are applied. Where the message cannot belong to the image, the
    camera is an uncalibrated guess with the horizontal field of view ``fov_rad``.

    Args:
        info: the newest ``CameraInfo`` of the camera.
        width_px: of the image.
        height_px: of the image.
        fov_rad: horizontal field of view of the guess.
        is_rectified: whether the image is, and so P describes it instead of K.

    Source: field comments of sensor_msgs/msg/CameraInfo.
    """
    guess = guessed_camera(width_px, height_px, fov_rad)
    matrix, row = (info.p, 4) if is_rectified else (info.k, 3)
    fx, cx, fy, cy = (float(matrix[i]) for i in (0, 2, row + 1, row + 2))
    if not (all(map(math.isfinite, (fx, cx, fy, cy))) and fx > 0 and fy > 0):
        return CameraReading(guess, f'{"P" if is_rectified else "K"} of CameraInfo is not set')
    bin_x, bin_y = max(1, info.binning_x), max(1, info.binning_y)
    described = (
        (info.roi.width or info.width) // bin_x,
        (info.roi.height or info.height) // bin_y,
    )
    if described != (width_px, height_px):
        return CameraReading(
            guess,
            f'CameraInfo describes an image of {described[0]}x{described[1]} pixels, '
            f'the image has {width_px}x{height_px}',
        )
    camera = CameraModel(
        width_px=width_px,
        height_px=height_px,
        fx_px=fx / bin_x,
        fy_px=fy / bin_y,
        cx_px=(cx - info.roi.x_offset + 0.5) / bin_x - 0.5,
        cy_px=(cy - info.roi.y_offset + 0.5) / bin_y - 0.5,
    )
    if not _is_plausible(camera):
        return CameraReading(
            guess,
            f'CameraInfo describes no camera: focal lengths {fx:.3g} and {fy:.3g}, '
            f'principal point {cx:.3g}, {cy:.3g} pixels',
        )
    return CameraReading(camera, '' if is_rectified else _distortion_remark(info))


def _is_plausible(camera: CameraModel) -> bool:
    side_px = max(camera.width_px, camera.height_px)
    focal_lengths, centres = (camera.fx_px, camera.fy_px), (camera.cx_px, camera.cy_px)
    return all(
        side_px / EXTREME_SIZES <= focal_px <= side_px * EXTREME_SIZES
        for focal_px in focal_lengths
    ) and all(abs(centre_px) <= side_px * EXTREME_SIZES for centre_px in centres)


def _distortion_remark(info: CameraInfoMessage) -> str:
    if not any(info.d):
        return ''
    return (
        'the lens distorts, which is not corrected: answers are best in the middle of the image; '
        'for a rectified topic set is_rectified'
    )


def up_from_angles(pitch_rad: float, roll_rad: float) -> Vec3:
    """Return the unit vector against gravity, optical frame, of a camera so mounted.

    Args:
        pitch_rad: how far the camera looks below the horizon.
        roll_rad: how far it is turned clockwise about its viewing direction, seen from behind.
    """
    level = math.cos(pitch_rad)
    return (-math.sin(roll_rad) * level, -math.cos(roll_rad) * level, -math.sin(pitch_rad))


def up_from_quaternion(xyzw: tuple[float, float, float, float]) -> Vec3:
    """Return the z axis of the frame in which the optical frame has this orientation.

    Args:
        xyzw: unit quaternion that takes optical vectors to the frame whose z axis points up.
    """
    x, y, z, w = xyzw
    return (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y))
