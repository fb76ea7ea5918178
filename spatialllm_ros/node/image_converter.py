"""Raw camera images into RGB arrays, by the way that a parameter names."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.image_conversion import (
    ImageMessage,
    Rgb,
    UnfitImageError,
    check_size,
    rgb_from_image,
)

ImageConverter = Callable[[ImageMessage, int], Rgb]


def image_converter(use_cv_bridge: bool) -> ImageConverter:
    """Return the function that converts raw images.

    Raises:
        ConfigError: cv_bridge is asked for but cannot be imported.
    """
    return _cv_bridge_converter() if use_cv_bridge else rgb_from_image


def _cv_bridge_converter() -> ImageConverter:
    try:
        from cv_bridge import CvBridge, CvBridgeError  # noqa: PLC0415
    except (ImportError, AttributeError) as error:  # the latter: built for another NumPy
        raise ConfigError(
            f'expected an importable cv_bridge because use_cv_bridge is set, found: {error}; '
            f'install ros-<distribution>-cv-bridge for {sys.executable} or unset use_cv_bridge'
        ) from error
    bridge = CvBridge()

    def convert(message: ImageMessage, max_side_px: int) -> Rgb:
        check_size(message.width, message.height, max_side_px)
        try:
            return np.asarray(bridge.imgmsg_to_cv2(message, 'rgb8'), np.uint8)
        except (CvBridgeError, TypeError) as error:
            raise UnfitImageError(
                'layout', f'expected an image that cv_bridge can read: {error}'
            ) from error

    return convert
