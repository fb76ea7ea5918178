"""The step that measures: metric depth of each pixel and, from some models, the focal length."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoImageProcessor, AutoModelForDepthEstimation

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.image_annotation.photos import Rgb
from spatialllm_ros.image_annotation.steps import Arrays, Found, Step
from spatialllm_ros.image_annotation.weights import Weights

DEPTH = 'depth'
METRIC_MODELS = ('depth_anything', 'depth_pro', 'zoedepth')


def depth_step(weights: Weights) -> Step:
    """Return the step; its outcome is ``depth_m`` (H, W) and ``focal_px``, NaN if unknown."""
    return Step(DEPTH, (), weights.identity, lambda: _DepthModel(weights))


def scaled_depth_m(outcome: Arrays, focal_px: float) -> NDArray[np.float64]:
    """Return depth (H, W) for the lens that took the image.

    A model that estimates the lens says depths in proportion to its focal length. Others were
    trained for one lens and are taken at their word.
    """
    depth_m = outcome['depth_m'].astype(np.float64)
    estimated_px = float(outcome['focal_px'])
    return depth_m if np.isnan(estimated_px) else depth_m * (focal_px / estimated_px)


class _DepthModel:
    def __init__(self, weights: Weights) -> None:
        _require_metres(weights.config(), weights.source)
        self._processor = weights.processor(AutoImageProcessor)
        self._model = weights.model(AutoModelForDepthEstimation)
        self._device = weights.device

    @torch.inference_mode()
    def __call__(self, rgb: Rgb, _: Found) -> Arrays:
        inputs = self._processor(images=rgb, return_tensors='pt')
        outputs = self._model(**inputs.to(self._device))
        # By position: ZoeDepth calls this the size of the source, the others that of the target.
        (found,) = self._processor.post_process_depth_estimation(outputs, [rgb.shape[:2]])
        focal_px = found.get('focal_length')
        return {
            # Half precision is a two-thousandth of the depth, and half the cache.
            'depth_m': found['predicted_depth'].cpu().numpy().astype(np.float16),
            'focal_px': np.array(np.nan if focal_px is None else float(focal_px)),
        }


def _require_metres(config: Any, source: str) -> None:
    kind = getattr(config, 'depth_estimation_type', 'metric')
    if config.model_type not in METRIC_MODELS or kind != 'metric':
        raise ConfigError(
            f'expected a metric depth model ({", ".join(METRIC_MODELS)}), found a {kind} '
            f'{config.model_type} at {source}'
        )
