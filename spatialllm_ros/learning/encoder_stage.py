"""Stage 0: teach the vision backbone, token by token, where objects are and how they face."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from spatialllm_ros.geometry import token_centres_px
from spatialllm_ros.learning.loop import Batch, Stage
from spatialllm_ros.learning.object_targets import MIRROR_SIGNS
from spatialllm_ros.learning.probing import (
    DenseProbe,
    DenseTruth,
    dense_truth,
    probing_loss,
    probing_scores,
)
from spatialllm_ros.learning.scene_arrays import SceneArrays
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration

CAMERA_MIRROR_SIGNS = np.array([-1, 1, -1, 1, 1, 1, -1, 1, 1, 1, 1], np.float32)
"""What a left-right flip does to the camera features of a token (besides moving the token)."""
DROPOUT_CALIBRATION = 0.1
"""Share of training views whose calibration is hidden, so that the model can do without."""
EVALUATION_BATCH = 64


class EncoderStage(nn.Module):
    """The model's vision part with the probing heads on top."""

    def __init__(self, model: SpatialLLMForConditionalGeneration) -> None:
        """Wrap a model, whose towers are trained in place and whose other parts rest."""
        super().__init__()
        config = model.config
        self.model = model
        self.positions: torch.Tensor
        for name, parameter in model.named_parameters():
            parameter.requires_grad = name.startswith('vision_towers.')
        self.probe = DenseProbe(sum(part.hidden_size for part in config.vision_configs))
        rows, columns = config.image_rows, config.image_columns
        centres = token_centres_px(2, 2, rows, columns)
        self.register_buffer(
            'positions', torch.tensor(centres + 0.5 - 1).float(), persistent=False
        )

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Return the probing loss of a batch of views."""
        outputs, truth = self.probed(batch)
        return {'total': probing_loss(outputs, truth)}

    def probed(self, batch: Batch) -> tuple[tuple[torch.Tensor, ...], DenseTruth]:
        """Return what the heads read and what they should have read."""
        tokens = self.model.vision_features(batch['pixels'], batch['camera'])
        truth = dense_truth(batch['shares'], batch['labels'], batch['targets'], self.positions)
        return self.probe(tokens), truth


def encoder_stage(
    model: SpatialLLMForConditionalGeneration, train: SceneArrays, validation: SceneArrays,
    batch: int,
) -> Stage:  # fmt: skip
    """Return stage 0 for a model and its worlds."""
    grid = (model.config.image_rows, model.config.image_columns)

    def make_batch(rng: np.random.Generator) -> Batch:
        indices = rng.integers(len(train), size=batch)
        views = scene_views(train, indices, rng.random(batch) < 0.5, grid)
        hidden = rng.random(batch) < DROPOUT_CALIBRATION
        views['camera'][torch.from_numpy(hidden), :, 2:] = 0
        views['pixels'] = jittered(views['pixels'], rng)
        return views

    def evaluate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, EncoderStage)
        return _evaluate(module, validation, grid)

    return Stage('encoder', EncoderStage(model), make_batch, evaluate)


def token_positions(rows: int, columns: int) -> torch.Tensor:
    """Return the column and row (T, 2), -1 to 1, of the centres of image tokens."""
    return torch.tensor(token_centres_px(2, 2, rows, columns) + 0.5 - 1).float()


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


def normalised(pixels: np.ndarray) -> torch.Tensor:
    """Return (B, 3, H, W) values in [-1, 1] of images (B, H, W, 3)."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def jittered(pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Vary contrast, brightness and white balance a little, image by image."""
    count = len(pixels)
    gain = 1 + torch.from_numpy(rng.uniform(-0.2, 0.2, (count, 1, 1, 1))).float()
    tint = torch.from_numpy(rng.uniform(-0.08, 0.08, (count, 3, 1, 1))).float()
    return (pixels * gain + tint).clamp_(-1, 1)


def _flip_tokens(values: np.ndarray, grid: tuple[int, int], axis: int) -> np.ndarray:
    """Mirror the token axis of an array, row by row."""
    shape = values.shape
    rows = values.reshape(*shape[:axis], *grid, *shape[axis + 1 :])
    return np.flip(rows, axis=axis + 1).reshape(shape)


@torch.no_grad()
def _evaluate(
    module: EncoderStage, arrays: SceneArrays, grid: tuple[int, int]
) -> dict[str, float]:
    totals: dict[str, list[float]] = {}
    device = next(module.parameters()).device
    for start in range(0, len(arrays), EVALUATION_BATCH):
        indices = np.arange(start, min(start + EVALUATION_BATCH, len(arrays)))
        views = scene_views(arrays, indices, np.zeros(len(indices), bool), grid)
        moved = {key: value.to(device) for key, value in views.items()}
        for name, score in probing_scores(*module.probed(moved)).items():
            totals.setdefault(name, []).append(score)
    return {name: float(np.mean(scores)) for name, scores in totals.items()}
