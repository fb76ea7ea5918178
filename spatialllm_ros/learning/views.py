"""Scenes as batches of tensors: as they are, and as training varies them.

Notation: B views, T image tokens.
"""

from __future__ import annotations

import numpy as np
import torch

from spatialllm_ros.learning.augmentation import hide_camera, jittered
from spatialllm_ros.learning.loading import Batch
from spatialllm_ros.learning.object_targets import MIRROR_SIGNS
from spatialllm_ros.learning.scene_arrays import SceneArrays

CAMERA_MIRROR_SIGNS = np.array([-1, 1, -1, 1, 1, 1, -1, 1, 1, 1, 1], np.float32)
"""What a left-right flip does to the camera features of a token (besides moving the token)."""


def scene_views(
    arrays: SceneArrays, indices: np.ndarray, mirrored: np.ndarray, grid: tuple[int, int]
) -> Batch:
    """Return scenes as tensors, those in ``mirrored`` flipped left to right with their truth."""
    pixels = arrays.pixels(indices)
    pixels[mirrored] = pixels[mirrored, :, ::-1]
    camera = arrays.camera_features[indices].astype(np.float32)
    shares = arrays.shares[indices]
    targets = arrays.targets[indices]
    camera[mirrored] = _flip_tokens(camera[mirrored], grid, 1) * CAMERA_MIRROR_SIGNS
    shares[mirrored] = _flip_tokens(shares[mirrored], grid, 2)
    targets[mirrored] *= MIRROR_SIGNS
    return {
        'pixels': normalised(pixels),
        'camera': torch.from_numpy(camera),
        'shares': torch.from_numpy(shares),
        'targets': torch.from_numpy(targets),
        'labels': torch.from_numpy(arrays.labels[indices]),
    }


def training_views(
    arrays: SceneArrays, indices: np.ndarray, mirrored: np.ndarray, grid: tuple[int, int],
    rng: np.random.Generator,
) -> Batch:  # fmt: skip
    """Return what ``scene_views`` does, with images varied and some cameras partly unknown."""
    views = scene_views(arrays, indices, mirrored, grid)
    views['pixels'] = jittered(views['pixels'], rng)
    hide_camera(views['camera'], rng)
    return views


def normalised(pixels: np.ndarray) -> torch.Tensor:
    """Return (B, 3, H, W) values in [-1, 1] of images (B, H, W, 3)."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def _flip_tokens(values: np.ndarray, grid: tuple[int, int], axis: int) -> np.ndarray:
    """Mirror the token axis of an array, row by row."""
    shape = values.shape
    rows = values.reshape(*shape[:axis], *grid, *shape[axis + 1 :])
    return np.flip(rows, axis=axis + 1).reshape(shape)
