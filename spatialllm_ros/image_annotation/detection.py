"""The step that finds objects of the wanted categories: zero-shot detection.

Any model of ``AutoModelForZeroShotObjectDetection`` will do: Grounding DINO, OWLv2 and their kin.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.image_annotation.photos import Rgb
from spatialllm_ros.image_annotation.steps import Arrays, Found, Step
from spatialllm_ros.image_annotation.weights import Weights

DETECTION = 'detection'
MAX_WORDS = 4
"""Phrases of more words are never drawn; see ``questions.referring``."""
MAX_OVERLAP = 0.5
"""Of two boxes that share more (intersection over union), the surer stays."""
MAX_OBJECTS = 30


def detection_step(weights: Weights, categories: Sequence[str], threshold: float) -> Step:
    """Return the step; its outcome is ``boxes_xyxy_px`` (N, 4), ``scores`` and ``categories``.

    Raises:
        ConfigError: a category cannot be asked for.
    """
    wanted = [' '.join(name.lower().split()) for name in categories]
    unfit = [name for name in wanted if not 1 <= len(name.split()) <= MAX_WORDS or '.' in name]
    if unfit or not wanted:
        raise ConfigError(
            f'expected categories of 1 to {MAX_WORDS} words without a full stop, found {unfit}'
        )
    options = {'categories': wanted, 'threshold': threshold, **weights.identity}
    return Step(DETECTION, (), options, lambda: _Detector(weights, wanted, threshold))


class _Detector:
    def __init__(self, weights: Weights, categories: list[str], threshold: float) -> None:
        self._processor = weights.processor(AutoProcessor)
        self._model = weights.model(AutoModelForZeroShotObjectDetection)
        self._device, self._categories, self._threshold = weights.device, categories, threshold

    @torch.inference_mode()
    def __call__(self, rgb: Rgb, _: Found) -> Arrays:
        inputs = self._processor(images=rgb, text=[self._categories], return_tensors='pt')
        outputs = self._model(**inputs.to(self._device))
        (found,) = self._processor.post_process_grounded_object_detection(
            outputs,
            threshold=self._threshold,
            target_sizes=[rgb.shape[:2]],
            text_labels=[self._categories],
        )
        names = [category_of(label, self._categories) for label in found['text_labels']]
        # Detectors count from the image's corner, we from the middle of its first pixel.
        edges = np.tile(rgb.shape[1::-1], 2)
        boxes = found['boxes'].cpu().numpy().astype(np.float64).reshape(-1, 4).clip(0, edges) - 0.5
        scores = found['scores'].cpu().numpy().astype(np.float64)
        known = np.flatnonzero([name != '' for name in names])
        kept = known[separate_boxes(boxes[known], scores[known])]
        return {
            'boxes_xyxy_px': boxes[kept],
            'scores': scores[kept],
            'categories': np.array([names[i] for i in kept], np.str_),
        }


def category_of(label: str, categories: Sequence[str]) -> str:
    """Return the category that a detector's words mean; empty where they fit none or several.

    Detectors that read the categories as one text answer with a part of it: of ``potted plant``
    perhaps the last word, or words of two categories at once.
    """
    if label in categories:
        return label
    known = {word for name in categories for word in name.split()}
    words = known.intersection(label.split())  # less full stops and marks of the tokenizer
    fitting = [name for name in categories if words and words <= set(name.split())]
    return fitting[0] if len(fitting) == 1 else ''


def separate_boxes(boxes_xyxy_px: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the indices of boxes (N, 4) that are no double of a surer one, surest first."""
    sizes = boxes_xyxy_px[:, 2:] - boxes_xyxy_px[:, :2]
    xywh = np.concatenate([boxes_xyxy_px[:, :2], sizes], axis=1)
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.0, MAX_OVERLAP)
    return np.asarray(kept, np.int64).reshape(-1)[:MAX_OBJECTS]
