"""From a depth map to points, with the lens that took the image."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.errors import SceneError
from spatialllm_ros.geometry import horizontal_fov_rad
from spatialllm_ros.image_annotation.photos import Photo
from spatialllm_ros.scenes.annotation import NEAREST_M
from spatialllm_ros.schema import CameraModel

Array = NDArray[np.float64]

FARTHEST_M = 200.0
"""What a depth model says beyond this is sky."""


def photographed_camera(
    photo: Photo, hfov_rad: float | None, estimated_focal_px: float | None
) -> CameraModel:
    """Return the camera of a photo: the field of view as told, else EXIF's, else the estimate.

    Raises:
        SceneError: none of the three is known.
    """
    width_px, height_px = photo.width_px, photo.height_px
    if hfov_rad is None and photo.focal_35mm is not None:
        hfov_rad = horizontal_fov_rad(photo.focal_35mm, width_px, height_px)
    if hfov_rad is not None:
        focal_px = width_px / 2 / math.tan(hfov_rad / 2)
    elif estimated_focal_px is not None:
        focal_px = estimated_focal_px
    else:
        raise SceneError(
            'expected a lens that is known, found no focal length in EXIF and none from the depth '
            'model: give --hfov-deg'
        )
    centre_px = (width_px - 1) / 2, (height_px - 1) / 2
    return CameraModel(width_px, height_px, focal_px, focal_px, *centre_px)


def depth_points(camera: CameraModel, depth_m: Array) -> Array:
    """Return the point (H, W, 3), optical frame, of each pixel; NaN where depth is invalid.

    Args:
        camera: of the depth map's size.
        depth_m: (H, W) z coordinates, not distances.
    """
    with np.errstate(invalid='ignore'):
        is_valid = (depth_m >= NEAREST_M) & (depth_m <= FARTHEST_M)
    z = np.where(is_valid, depth_m, np.nan)
    v, u = np.mgrid[0 : camera.height_px, 0 : camera.width_px]
    x = (u - camera.cx_px) / camera.fx_px
    y = (v - camera.cy_px) / camera.fy_px
    return np.stack([x * z, y * z, z], axis=-1)
