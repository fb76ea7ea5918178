"""What training does to views so that the model stands other cameras than the simulated one."""

from __future__ import annotations

import numpy as np
import torch

CALIBRATION_DROPOUT, GRAVITY_DROPOUT = 0.1, 0.2
"""Shares of training views whose calibration, or direction of gravity alone, is hidden: the model
must do without, as few drivers tell either."""
GAIN, TINT = 0.2, 0.08
"""How far contrast and brightness, and white balance, vary."""


def hide_camera(camera: torch.Tensor, rng: np.random.Generator) -> None:
    """Hide calibration or gravity of some views in their camera features (B, T, 11), in place."""
    chance = torch.from_numpy(rng.random(len(camera)))
    camera[chance < CALIBRATION_DROPOUT, :, 2:] = 0
    camera[chance > 1 - GRAVITY_DROPOUT, :, 5:10] = 0


def jittered(pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Vary contrast, brightness and white balance (B, 3, H, W) a little, image by image."""
    count = len(pixels)
    gain = 1 + torch.from_numpy(rng.uniform(-GAIN, GAIN, (count, 1, 1, 1))).float()
    tint = torch.from_numpy(rng.uniform(-TINT, TINT, (count, 3, 1, 1))).float()
    return (pixels * gain + tint).clamp_(-1, 1)
