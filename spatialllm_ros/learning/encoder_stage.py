"""Stage 0: teach the vision backbone, token by token, where objects are and how they face."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from spatialllm_ros.geometry import token_centres_px
from spatialllm_ros.learning.loading import Batch
from spatialllm_ros.learning.loop import Stage
from spatialllm_ros.learning.probing import (
    DenseProbe,
    DenseTruth,
    dense_truth,
    patch_features,
    probing_loss,
    probing_values,
)
from spatialllm_ros.learning.recipe import PROBING, StageConfig
from spatialllm_ros.learning.scene_arrays import SceneArrays
from spatialllm_ros.learning.score_values import summarised
from spatialllm_ros.learning.views import scene_views, training_views
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.model.token_weights import token_weights

EVALUATION_BATCH = 64


class EncoderStage(nn.Module):
    """The model's vision part with the probing heads on top."""

    def __init__(
        self, model: SpatialLLMForConditionalGeneration, probing: str = PROBING[0]
    ) -> None:
        """Wrap a model, whose towers are trained in place and whose other parts rest."""
        super().__init__()
        self.probing = probing
        config = model.config
        self.model = model
        self.positions: torch.Tensor
        model.requires_grad_(False)
        teach_backbones(model)
        self.probe = DenseProbe(sum(part.hidden_size for part in config.vision_configs))
        positions = token_positions(config.image_rows, config.image_columns)
        self.register_buffer('positions', positions, persistent=False)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Return the probing loss of a batch of views."""
        outputs, truth = self.probed(batch)
        return {'total': probing_loss(outputs, truth, self.probing)}

    def probed(self, batch: Batch) -> tuple[tuple[torch.Tensor, ...], DenseTruth]:
        """Return what the heads read and what they should have read."""
        tokens = self.model.vision_features(batch['pixels'], batch['camera'])
        truth = dense_truth(batch['shares'], batch['labels'], batch['targets'], self.positions)
        return self.probe(patch_features(tokens, len(self.positions))), truth


def teach_backbones(model: SpatialLLMForConditionalGeneration) -> None:
    """Have the backbones learn, save what no image token depends on.

    Several processes would wait in vain for the gradient of that.
    """
    read = token_weights(model.config)  # type: ignore[arg-type]
    for name, parameter in model.vision_towers.named_parameters(prefix='vision_towers'):
        parameter.requires_grad = name in read


def encoder_stage(
    model: SpatialLLMForConditionalGeneration, train: SceneArrays, validation: SceneArrays,
    config: StageConfig,
) -> Stage:  # fmt: skip
    """Return stage 0 for a model and its worlds."""
    grid = (model.config.image_rows, model.config.image_columns)

    def make_batch(rng: np.random.Generator) -> Batch:
        indices = rng.integers(len(train), size=config.loop.batch)
        return training_views(train, indices, rng.random(len(indices)) < 0.5, grid, rng)

    def evaluate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, EncoderStage)
        return validation_scores(module, validation, grid)

    return Stage('encoder', EncoderStage(model, config.probing), make_batch, evaluate)


def token_positions(rows: int, columns: int) -> torch.Tensor:
    """Return the column and row (T, 2), -1 to 1, of the centres of image tokens."""
    return torch.tensor(token_centres_px(2, 2, rows, columns) + 0.5 - 1).float()


@torch.no_grad()
def validation_scores(
    module: EncoderStage, arrays: SceneArrays, grid: tuple[int, int]
) -> dict[str, float]:
    """Return what the heads read right of these scenes, and their median errors."""
    device = next(module.parameters()).device
    measured = []
    for start in range(0, len(arrays), EVALUATION_BATCH):
        indices = np.arange(start, min(start + EVALUATION_BATCH, len(arrays)))
        views = scene_views(arrays, indices, np.zeros(len(indices), bool), grid)
        moved = {key: value.to(device) for key, value in views.items()}
        measured.append(probing_values(*module.probed(moved)))
    return summarised(measured)
