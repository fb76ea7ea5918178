"""One image as a demo camera gives it, whatever it comes from. Knows no ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.demo.truth import Truth
from spatialllm_ros.schema import CameraModel

Rgb = NDArray[np.uint8]

RATE_HZ = 15.0
"""Of the demo's own cameras."""
JPEG_QUALITY = 60
"""Keeps the tour small; the model sees images averaged down to a third of this size."""


@dataclass(frozen=True)
class Shot:
    """An image with what is known of it.

    Attributes:
        rgb: (H, W, 3) uint8, red first.
        at_s: when it is due, from the start of its source.
        info: the fields of ``sensor_msgs/CameraInfo`` without its header; empty for a camera
            whose intrinsics are unknown.
        truth: None where it is not known.
    """

    rgb: Rgb
    at_s: float
    info: Mapping[str, Any]
    truth: Truth | None = None


def jpeg_file(rgb: Rgb) -> bytes:
    """Return an image (H, W, 3) as a JPEG file."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, file = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done, 'OpenCV writes every 8-bit image as JPEG'
    return file.tobytes()


def info_fields(camera: CameraModel) -> dict[str, Any]:
    """Return a camera without distortion as the fields of ``sensor_msgs/CameraInfo``."""
    fx, fy, cx, cy = camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px
    return {
        'height': camera.height_px,
        'width': camera.width_px,
        'distortion_model': 'plumb_bob',
        'd': [0.0] * 5,
        'k': [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        'r': [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        'p': [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    }
