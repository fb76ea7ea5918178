"""A depth model that estimates the lens, where torchvision is there to prepare its images."""

import math

import numpy as np
import pytest
import torch
from transformers import DepthProConfig, DepthProForDepthEstimation, Dinov2Config

from spatialllm_ros.image_annotation.depth import depth_step, scaled_depth_m
from spatialllm_ros.image_annotation.weights import Weights

pytest.importorskip('torchvision', reason='DepthPro prepares images with torchvision')

SIZE = 64


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    from transformers import DepthProImageProcessor  # noqa: PLC0415  (it needs torchvision)

    folder = tmp_path_factory.mktemp('depth_pro')
    part = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=32,
        patch_size=4,
    )  # fmt: skip
    config = DepthProConfig(
        patch_size=32, fusion_hidden_size=16, num_fov_head_layers=0, use_fov_model=True,
        intermediate_hook_ids=[1, 0], intermediate_feature_dims=[16, 8],
        scaled_images_ratios=[0.5, 1.0], scaled_images_overlap_ratios=[0.0, 0.2],
        scaled_images_feature_dims=[16, 8], image_model_config=part, patch_model_config=part,
        fov_model_config=part,
    )  # fmt: skip
    torch.manual_seed(0)
    model = DepthProForDepthEstimation(config)
    with torch.no_grad():
        # An untrained head says nothing like an angle; its inverse depth is made 0.5.
        model.fov_model.head.layers[-1].bias.fill_(60.0)
        model.head.layers[-2].weight.zero_()
        model.head.layers[-2].bias.fill_(0.5)
    model.save_pretrained(folder)
    DepthProImageProcessor(size={'height': SIZE, 'width': SIZE}).save_pretrained(folder)
    return folder


def test_the_estimated_lens_scales_the_depth(folder):
    rgb = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    found = depth_step(Weights(str(folder), 'MIT')).load()(rgb, {})
    pixels = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1
    resized = torch.nn.functional.interpolate(pixels, (SIZE, SIZE), mode='bilinear')
    with torch.no_grad():
        model = DepthProForDepthEstimation.from_pretrained(folder).eval()
        outputs = model(pixel_values=resized)
    fov = math.radians(float(outputs.field_of_view))
    focal_px = float(found['focal_px'])
    assert focal_px == pytest.approx(60 / math.tan(fov / 2), rel=1e-2)
    # Canonical inverse depth c, here 0.5, means a depth of f / (width c).
    expected = np.full((90, 120), focal_px / (120 * 0.5))
    assert found['depth_m'] == pytest.approx(expected, rel=1e-3)
    doubled = scaled_depth_m(found, 2 * focal_px)
    assert doubled == pytest.approx(2.0 * found['depth_m'].astype(float))
