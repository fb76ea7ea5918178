"""The optional step that tells which way objects face: an image classifier of azimuths.

Its labels are azimuths in degrees as this project has them: 0 for an object that faces the camera,
90 for one that shows its left side. No such classifier is published in transformers' format, so
there is no default; one can be trained on the crops of ImageNet3D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoImageProcessor, AutoModelForImageClassification

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.image_annotation.detection import DETECTION
from spatialllm_ros.image_annotation.photos import Rgb
from spatialllm_ros.image_annotation.steps import Arrays, Found, Step
from spatialllm_ros.image_annotation.weights import Weights

ORIENTATION = 'orientation'
MIN_AGREEMENT = 0.8
"""Length of the mean direction below which a front is not to be relied on."""
MARGIN_SHARE = 0.1


def orientation_step(weights: Weights) -> Step:
    """Return the step; its outcome is ``azimuths_rad`` (N,) and ``agreements`` (N,), 0 to 1."""
    return Step(ORIENTATION, (DETECTION,), weights.identity, lambda: _Classifier(weights))


def mean_direction(
    probabilities: NDArray[np.float64], azimuths_rad: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean azimuth (N,) of probabilities (N, K) over azimuths (K,), and its length.

    The length is 1 where all the probability is on one azimuth, 0 where it cancels out.
    """
    mean = probabilities @ np.exp(1j * azimuths_rad)
    return np.angle(mean) % math.tau, np.abs(mean)


class _Classifier:
    def __init__(self, weights: Weights) -> None:
        self._processor = weights.processor(AutoImageProcessor)
        self._model = weights.model(AutoModelForImageClassification)
        self._device = weights.device
        labels = self._model.config.id2label
        self._azimuths_rad = azimuths([labels[i] for i in range(len(labels))])

    @torch.inference_mode()
    def __call__(self, rgb: Rgb, found: Found) -> Arrays:
        boxes = found[DETECTION]['boxes_xyxy_px']
        if not len(boxes):
            return {'azimuths_rad': np.zeros(0), 'agreements': np.zeros(0)}
        crops = [cropped(rgb, box) for box in boxes]
        inputs = self._processor(images=crops, return_tensors='pt')
        logits = self._model(**inputs.to(self._device)).logits.double().cpu()
        mean, agreements = mean_direction(logits.softmax(-1).numpy(), self._azimuths_rad)
        return {'azimuths_rad': mean, 'agreements': agreements}


def azimuths(labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the azimuths, radians, that a classifier's labels say in degrees.

    Raises:
        ConfigError: a label is no number.
    """
    try:
        return np.radians([float(label) for label in labels])
    except ValueError as error:
        raise ConfigError(
            f'expected labels that are azimuths in degrees, found {list(labels)[:4]}: set '
            'id2label in the config.json of the orientation model'
        ) from error


def cropped(rgb: Rgb, box_xyxy_px: NDArray[np.float64]) -> Rgb:
    """Return the pixels of a box and of a margin around it."""
    left, top, right, bottom = box_xyxy_px
    margin_px = MARGIN_SHARE * max(right - left, bottom - top)
    low = np.floor([left - margin_px, top - margin_px]).astype(int)
    high = np.ceil([right + margin_px, bottom + margin_px]).astype(int) + 1
    height_px, width_px = rgb.shape[:2]
    x0, y0 = np.clip(low, 0, [width_px - 1, height_px - 1])
    x1, y1 = np.maximum(np.clip(high, 0, [width_px, height_px]), [x0 + 1, y0 + 1])
    return rgb[y0:y1, x0:x1]
