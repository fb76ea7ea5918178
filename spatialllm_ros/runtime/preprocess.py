"""A camera frame into what the vision graph takes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.errors import ImageError
from spatialllm_ros.geometry import (
    Letterbox,
    camera_token_features,
    fit_letterbox,
    letterboxed_camera,
)
from spatialllm_ros.runtime.bundle import ImageSpec
from spatialllm_ros.schema import Frame

PAD_GREY = 128

Floats = NDArray[np.float32]
Rgb = NDArray[np.uint8]


def vision_inputs(frame: Frame, spec: ImageSpec) -> tuple[Floats, Floats]:
    """Return ``pixel_values`` (1, 3, H, W) and ``camera_features`` (1, rows * columns, 11).

    Raises:
        ImageError: the pixels are no (H, W, 3) uint8 array or not of the camera's size.
    """
    check_pixels(frame)
    camera = frame.camera
    box = fit_letterbox(camera.width_px, camera.height_px, spec.width_px, spec.height_px)
    canvas = letterbox(frame.rgb, box)
    scaled = (canvas.astype(np.float32) / 255 - spec.mean) / spec.std
    pixel_values = np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], np.float32)
    seen_by = letterboxed_camera(camera, box)
    return pixel_values, camera_token_features(seen_by, spec.rows, spec.columns)[None]


def letterbox(rgb: Rgb, box: Letterbox) -> Rgb:
    """Scale an image (H, W, 3) into the grey canvas that ``box`` describes."""
    inner = (box.inner_width_px, box.inner_height_px)
    if rgb.shape[1::-1] != inner:
        method = cv2.INTER_AREA if box.scale_x < 1 else cv2.INTER_LINEAR
        rgb = np.asarray(cv2.resize(rgb, inner, interpolation=method), np.uint8)
    canvas = np.full((box.canvas_height_px, box.canvas_width_px, 3), PAD_GREY, np.uint8)
    rows = slice(box.pad_top_px, box.pad_top_px + box.inner_height_px)
    columns = slice(box.pad_left_px, box.pad_left_px + box.inner_width_px)
    canvas[rows, columns] = rgb
    return canvas


def check_pixels(frame: Frame) -> None:
    """Refuse pixels that do not fit the frame's camera.

    Raises:
        ImageError: names what was expected and found.
    """
    expected = (frame.camera.height_px, frame.camera.width_px, 3)
    if frame.rgb.dtype != np.uint8 or frame.rgb.shape != expected or 0 in expected:
        raise ImageError(
            f'expected uint8 pixels of shape {expected} from camera {frame.camera_name!r}, found '
            f'{frame.rgb.dtype} {frame.rgb.shape}; give the camera model of this very image'
        )
