"""SpatialLLM: vision backbones, a projector and a causal decoder that reads image tokens.

Knows tensors and token ids; it knows neither words nor files of images.

Notation: B images, Q questions, T image tokens, S positions, D decoder size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoModel, AutoModelForCausalLM, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from spatialllm_ros.geometry import CAMERA_FEATURES
from spatialllm_ros.model import vision as _vision  # noqa: F401  (registers the nano backbone)
from spatialllm_ros.model.backbone_sizes import size_options
from spatialllm_ros.model.configuration import SpatialLLMConfig


class Projector(nn.Module):
    """Two linear layers with GELU between, from fused vision features to the decoder's size."""

    def __init__(self, size_in: int, size_out: int) -> None:
        """Build the layers."""
        super().__init__()
        self.norm = nn.LayerNorm(size_in)
        self.fc1 = nn.Linear(size_in, size_out)
        self.fc2 = nn.Linear(size_out, size_out)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (..., D) for features (..., size_in)."""
        out: torch.Tensor = self.fc2(F.gelu(self.fc1(self.norm(features))))
        return out


class SpatialLLMForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """The whole model; ``save_pretrained`` and ``from_pretrained`` as every transformers model."""

    config_class = SpatialLLMConfig
    main_input_name = 'input_ids'
    _tied_weights_keys = {  # noqa: RUF012  (transformers' own declaration)
        'language_model.lm_head.weight': 'language_model.model.embed_tokens.weight'
    }

    def __init__(self, config: SpatialLLMConfig) -> None:
        """Build every part with random weights."""
        super().__init__(config)
        self.vision_towers = nn.ModuleList(
            AutoModel.from_config(part) for part in config.vision_configs
        )
        widths = [part.hidden_size for part in config.vision_configs]
        fused = sum(widths) if config.fusion == 'channel' else widths[0]
        size = config.text_config.hidden_size
        self.projector = Projector(fused, size)
        self.camera_projection = nn.Linear(len(CAMERA_FEATURES), size)
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        self.post_init()
        nn.init.zeros_(self.camera_projection.weight)
        nn.init.zeros_(self.camera_projection.bias)

    def get_input_embeddings(self) -> nn.Module:
        """Return the table of token embeddings."""
        return self.language_model.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        """Return the layer that scores the vocabulary."""
        return self.language_model.get_output_embeddings()

    def vision_features(
        self, pixel_values: torch.Tensor, camera_features: torch.Tensor
    ) -> torch.Tensor:
        """Return the fused backbone features (B, T, F) of images (B, 3, H, W)."""
        streams = [
            self._tower_features(tower, pixel_values, camera_features)
            for tower in self.vision_towers
        ]
        if self.config.fusion == 'channel':
            return torch.cat(streams, dim=-1)
        return torch.stack(streams, dim=2).flatten(1, 2)

    def project(self, features: torch.Tensor, camera_features: torch.Tensor) -> torch.Tensor:
        """Return image embeddings (B, T, D) of fused features (B, T, F)."""
        repeats = features.shape[1] // camera_features.shape[1]
        camera = self.camera_projection(camera_features).repeat_interleave(repeats, dim=1)
        embeddings: torch.Tensor = self.projector(features) + camera
        return embeddings

    def encode_image(
        self, pixel_values: torch.Tensor, camera_features: torch.Tensor
    ) -> torch.Tensor:
        """Return embeddings (B, T, D) of images (B, 3, H, W) and camera features (B, T, 11)."""
        return self.project(self.vision_features(pixel_values, camera_features), camera_features)

    def _tower_features(
        self, tower: Any, pixel_values: torch.Tensor, camera_features: torch.Tensor
    ) -> torch.Tensor:
        if getattr(tower, 'supports_camera_features', False):
            return tower(pixel_values, camera_features=camera_features).last_hidden_state
        use = getattr(tower.config, 'use', {})
        pixels = self._as_backbone_sees(pixel_values, use)
        patch = tower.config.patch_size
        seen = (pixels.shape[2] // patch, pixels.shape[3] // patch)
        options = {**size_options(tower, *pixels.shape[2:]), **_order(tower, pixels, seen)}
        out = tower(pixels, output_hidden_states='layer' in use, **options)
        hidden = out.hidden_states[use['layer']] if 'layer' in use else out.last_hidden_state
        return _on_grid(hidden, seen, (self.config.image_rows, self.config.image_columns))

    def _as_backbone_sees(self, pixel_values: torch.Tensor, use: dict[str, Any]) -> torch.Tensor:
        """Return the canvas in a backbone's own size and normalisation."""
        pixels = pixel_values
        if 'size' in use:
            width, height = use['size']
            pixels = F.interpolate(pixels, (height, width), mode='bilinear', align_corners=False)
        if 'mean' in use or 'std' in use:
            config = self.config
            mean = pixels.new_tensor(use.get('mean', [config.image_mean] * 3))
            std = pixels.new_tensor(use.get('std', [config.image_std] * 3))
            plain = pixels * config.image_std + config.image_mean
            pixels = (plain - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
        return pixels

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        camera_features: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Score the next token at each position.

        Args:
            input_ids: (B, S); where it holds the image token id the image's embeddings stand.
            pixel_values: (B, 3, H, W) normalised images, needed when image tokens are present.
            camera_features: (B, T, 11), see ``geometry.camera_token_features``.
            inputs_embeds: (B, S, D) instead of ``input_ids``.
            attention_mask: (B, S) or as the decoder takes it, zero where padding stands.
            kwargs: what the decoder takes besides (positions, cache, labels).
        """
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
            if pixel_values is not None and camera_features is not None:
                image = self.encode_image(pixel_values, camera_features)
                holes = (input_ids == self.config.image_token_id).unsqueeze(-1)
                inputs_embeds = inputs_embeds.masked_scatter(holes, image.to(inputs_embeds.dtype))
        return self.language_model(
            inputs_embeds=inputs_embeds, attention_mask=attention_mask, **kwargs
        )

    def prepare_inputs_for_generation(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Give the image to the first step only; later steps find it in the cache."""
        images = {name: kwargs.pop(name, None) for name in ('pixel_values', 'camera_features')}
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(*args, **kwargs)  # type: ignore[misc]
        ids = inputs.get('input_ids')
        if ids is not None and bool((ids == self.config.image_token_id).any()):
            inputs.update(images)
        return inputs


def _order(tower: Any, pixels: torch.Tensor, seen: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Return the noise by which MAE sorts its patches: what rises leaves them in their places."""
    if tower.config.model_type != 'vit_mae':
        return {}
    rising = torch.arange(seen[0] * seen[1], device=pixels.device)
    # Not len(): an exporter would take it for a constant.
    return {'noise': rising.expand(pixels.shape[0], -1)}


def _on_grid(hidden: torch.Tensor, seen: tuple[int, int], grid: tuple[int, int]) -> torch.Tensor:
    """Return the patch tokens (B, T, F) of a backbone, resampled from its grid to the model's.

    Tokens that stand for no patch (classes, registers) come first and are left out.
    """
    patches = hidden[:, hidden.shape[1] - seen[0] * seen[1] :].transpose(1, 2).unflatten(2, seen)
    if seen != grid:
        patches = F.interpolate(patches, grid, mode='bilinear', align_corners=False)
    return patches.flatten(2).transpose(1, 2)


AutoModelForCausalLM.register(SpatialLLMConfig, SpatialLLMForConditionalGeneration)
