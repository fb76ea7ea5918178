"""The step that tells an object's pixels from those around it: a mask for each detected box."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import SamModel, SamProcessor

from spatialllm_ros.image_annotation.detection import DETECTION
from spatialllm_ros.image_annotation.photos import Rgb
from spatialllm_ros.image_annotation.steps import Arrays, Found, Step
from spatialllm_ros.image_annotation.weights import Weights

MASKS = 'masks'


def masking_step(weights: Weights) -> Step:
    """Return the step; its outcome holds packed bits, see ``unpacked_masks``."""
    return Step(MASKS, (DETECTION,), weights.identity, lambda: _Masker(weights))


def unpacked_masks(outcome: Arrays) -> NDArray[np.bool_]:
    """Return the masks (N, H, W), one for each detected box, in their order."""
    count, height_px, width_px = outcome['shape'].tolist()
    bits = np.unpackbits(outcome['packed'], count=count * height_px * width_px)
    return bits.reshape(count, height_px, width_px).astype(np.bool_)


class _Masker:
    def __init__(self, weights: Weights) -> None:
        self._processor = weights.processor(SamProcessor)
        self._model = weights.model(SamModel)
        self._device = weights.device

    @torch.inference_mode()
    def __call__(self, rgb: Rgb, found: Found) -> Arrays:
        boxes = found[DETECTION]['boxes_xyxy_px']
        masks = self._masks(rgb, boxes) if len(boxes) else np.zeros((0, *rgb.shape[:2]), np.bool_)
        # What spills far over the box is not the object that was detected.
        inside = masks & boxes_as_masks(boxes, *rgb.shape[:2])
        return {'packed': np.packbits(inside), 'shape': np.array(inside.shape)}

    def _masks(self, rgb: Rgb, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        inputs = self._processor(images=rgb, input_boxes=[boxes.tolist()], return_tensors='pt')
        sizes = inputs.pop('original_sizes'), inputs.pop('reshaped_input_sizes')
        inputs['input_boxes'] = inputs['input_boxes'].float()
        outputs = self._model(**inputs.to(self._device), multimask_output=False)
        (masks,) = self._processor.post_process_masks(outputs.pred_masks.cpu(), *sizes)
        return np.asarray(masks[:, 0].numpy(), np.bool_)


def boxes_as_masks(
    boxes_xyxy_px: NDArray[np.float64], height_px: int, width_px: int
) -> NDArray[np.bool_]:
    """Return the pixels (N, H, W) whose centres are in each box, or at most a pixel beside it."""
    left, top, right, bottom = boxes_xyxy_px.T[..., None]
    u, v = np.arange(width_px), np.arange(height_px)
    columns = (u >= left - 1) & (u <= right + 1)
    rows = (v >= top - 1) & (v <= bottom + 1)
    return np.asarray(rows[:, :, None] & columns[:, None, :])
