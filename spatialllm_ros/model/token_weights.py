"""Which weights of the backbones an image's tokens depend on.

Not all do: pooling heads, tokens that stand for masked patches and layers behind the one that is
taken are loaded with a pretrained backbone, and never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import torch

from spatialllm_ros.geometry import CAMERA_FEATURES
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration


def token_weights(config: SpatialLLMConfig) -> frozenset[str]:
    """Return the names of the parameters that image tokens depend on, ``vision_towers.…``.

    Found by a backward pass of a model without values. Parameters that transformers itself keeps
    fixed, such as MAE's positions, are none of them.
    """
    cells = config.image_rows * config.image_columns
    with torch.device('meta'), torch.enable_grad():
        model = SpatialLLMForConditionalGeneration(config).eval()
        pixels = torch.empty(1, 3, config.image_height, config.image_width)
        tokens = model.vision_features(pixels, torch.empty(1, cells, len(CAMERA_FEATURES)))
        towers = model.vision_towers.named_parameters(prefix='vision_towers')
        learnable = {name: weight for name, weight in towers if weight.requires_grad}
        return frozenset(compress(learnable, are_read(tokens, list(learnable.values()))))


def are_read(tokens: torch.Tensor, weights: Sequence[torch.Tensor]) -> list[bool]:
    """Tell of each weight whether tokens that were computed of them depend on it."""
    gradients = torch.autograd.grad(tokens, weights, torch.empty_like(tokens), allow_unused=True)
    return [gradient is not None for gradient in gradients]
