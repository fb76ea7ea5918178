"""What training varies in views: what it hides, what it must leave alone."""

import numpy as np
import torch

from spatialllm_ros.geometry import CAMERA_FEATURES
from spatialllm_ros.learning.augmentation import (
    CALIBRATION_DROPOUT,
    GAIN,
    GRAVITY_DROPOUT,
    TINT,
    hide_camera,
    jittered,
)

FEATURE = {name: index for index, name in enumerate(CAMERA_FEATURES)}
VIEWS, TOKENS = 4000, 3


def hidden_cameras() -> torch.Tensor:
    camera = torch.rand(VIEWS, TOKENS, len(CAMERA_FEATURES)) + 0.1
    camera[..., FEATURE['has_gravity']] = camera[..., FEATURE['is_calibrated']] = 1
    hide_camera(camera, np.random.default_rng(0))
    return camera


def test_cameras_are_whole_or_without_gravity_or_uncalibrated():
    camera = hidden_cameras()
    gravity = [FEATURE[n] for n in ('elevation', 'up_x', 'up_y', 'up_z', 'has_gravity')]
    rays = [FEATURE[n] for n in ('ray_x', 'ray_y', 'ray_z', 'is_calibrated')]
    place = [FEATURE[n] for n in ('column', 'row')]
    has = {
        name: (camera[..., columns] != 0).all(-1).all(-1)
        for name, columns in (('gravity', gravity), ('rays', rays), ('place', place))
    }
    gone = {
        name: (camera[..., columns] == 0).all(-1).all(-1)
        for name, columns in (('gravity', gravity), ('rays', rays))
    }
    assert has['place'].all()
    assert (has['gravity'] | gone['gravity']).all()
    assert (has['rays'] | gone['rays']).all()
    assert not (gone['rays'] & has['gravity']).any()
    assert abs(float(gone['rays'].float().mean()) - CALIBRATION_DROPOUT) < 0.02
    only_gravity = gone['gravity'] & has['rays']
    assert abs(float(only_gravity.float().mean()) - GRAVITY_DROPOUT) < 0.02


def test_jitter_stays_in_range_and_within_its_bounds():
    grey = torch.full((200, 3, 2, 2), 0.5)
    varied = jittered(grey.clone(), np.random.default_rng(0))
    low, high = 0.5 * (1 - GAIN) - TINT, 0.5 * (1 + GAIN) + TINT
    assert low <= float(varied.min()) < 0.45 < 0.55 < float(varied.max()) <= high
    assert torch.equal(varied[:, :, :1, :1].expand_as(varied), varied)  # one change per image
    assert float(jittered(torch.ones(50, 3, 1, 1), np.random.default_rng(1)).max()) <= 1
