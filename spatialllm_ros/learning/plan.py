"""What a recipe will take, told without its weights: parameters, tokens, steps and memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.building import MARKS
from spatialllm_ros.learning.model_checks import check_model
from spatialllm_ros.learning.recipe import Recipe, StageConfig
from spatialllm_ros.learning.stage_modules import shardable_parts, stage_module
from spatialllm_ros.model.backbone_sizes import patch_px
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer

TOKENS_PER_QUESTION = 17
"""Mean length of a question with its answer in our words; a subword tokenizer makes some more."""
WEIGHT_BYTES, GRADIENT_BYTES, MOMENT_BYTES = 4, 4, 8
"""Per parameter: float32 weights, their gradients, and AdamW's two moments."""
GIB = 2**30
FOOTNOTE = 'Memory is that of each process; activations are estimated.'


@dataclass(frozen=True)
class StagePlan:
    """What one stage takes.

    Attributes:
        trained: parameters that learn.
        views_per_step: of all processes.
        state_gib: weights, gradients and moments that one process holds.
        activations_gib: what the backward pass needs on one process, an estimate.
    """

    name: str
    steps: int
    views_per_step: int
    tokens_per_view: int
    trained: int
    state_gib: float
    activations_gib: float


@dataclass(frozen=True)
class Plan:
    """What a recipe takes; ``parts`` are parameters."""

    name: str
    parts: dict[str, int]
    image_tokens: int
    stages: tuple[StagePlan, ...]

    def table(self) -> str:
        """Return the plan to print."""
        total = sum(self.parts.values())
        lines = [f'recipe {self.name}: {total / 1e6:,.1f} M parameters']
        lines += [f'  {name:28s} {count / 1e6:10,.2f} M' for name, count in self.parts.items()]
        lines += [f'  image tokens {self.image_tokens:27d}', '']
        lines += [
            f'{"stage":12s} {"steps":>7s} {"views/step":>10s} {"tokens/view":>11s} '
            f'{"trained":>10s} {"state":>10s} {"activations":>12s}'
        ]
        lines += [
            f'{s.name:12s} {s.steps:7d} {s.views_per_step:10d} {s.tokens_per_view:11d} '
            f'{s.trained / 1e6:8,.1f} M {s.state_gib:6,.1f} GiB {s.activations_gib:8,.1f} GiB'
            for s in self.stages
        ]
        return '\n'.join([*lines, '', FOOTNOTE])


def plan_recipe(recipe: Recipe, processes: int = 1) -> Plan:
    """Build the recipe's model without weights and count.

    Args:
        recipe: what would be trained.
        processes: how many would train it together.

    Raises:
        ConfigError: the recipe's sizes make no model, or there is no process.
    """
    if processes < 1:
        raise ConfigError(f'expected processes of at least 1, found {processes}')
    built = planned_config(recipe)
    check_model(built)
    with torch.device('meta'):
        model = SpatialLLMForConditionalGeneration(built)
        stages = tuple(
            _plan_stage(name, config, SpatialLLMForConditionalGeneration(built), processes)
            for name, config in recipe.stages.items()
        )
    return Plan(recipe.name, dict(_parts(model)), model.config.tokens_per_image, stages)


def planned_config(recipe: Recipe) -> SpatialLLMConfig:
    """Return the configuration of a recipe's model, for which no tokenizer is fetched."""
    plain: dict[str, Any] = dict(recipe.model)
    words = plain['text_config'].get('vocab_size') if recipe.pretrained.text else None
    size = build_tokenizer().get_vocab_size() if words is None else words + len(MARKS)
    plain['text_config'] = {**plain['text_config'], 'vocab_size': size}
    return SpatialLLMConfig(**plain)


def _parts(model: SpatialLLMForConditionalGeneration) -> Iterator[tuple[str, int]]:
    for part, tower in zip(model.config.vision_configs, model.vision_towers, strict=True):
        yield f'backbone {part.model_type}', _size(tower)
    yield 'projector', _size(model.projector) + _size(model.camera_projection)
    yield f'decoder {model.config.text_config.model_type}', _size(model.language_model)


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _plan_stage(
    name: str, config: StageConfig, model: SpatialLLMForConditionalGeneration, processes: int
) -> StagePlan:
    encodes = name == 'encoder'
    stage = stage_module(name, model, config)
    trained = sum(p.numel() for p in stage.parameters() if p.requires_grad)
    state: float = WEIGHT_BYTES * _size(stage) + (GRADIENT_BYTES + MOMENT_BYTES) * trained
    if config.loop.sharding == 'full' and processes > 1:
        state = state / processes + _gathered_bytes(stage, shardable_parts(model))
    tokens = model.config.tokens_per_image
    if not encodes:
        tokens += 1 + TOKENS_PER_QUESTION * config.questions_per_image
    per_view = _vision_bytes(model.config) if encodes or config.train_vision else 0.0
    if not encodes:
        per_view += _decoder_bytes(model.config.text_config, tokens, config.recompute)
    loop = config.loop
    return StagePlan(
        name, loop.steps, loop.batch * loop.accumulate * processes, tokens, trained,
        state / GIB, loop.batch * per_view / GIB,
    )  # fmt: skip


def _gathered_bytes(stage: nn.Module, parts: tuple[nn.Module, ...]) -> int:
    """Return the bytes of what is whole at a time: all outside the parts, and the largest part."""
    sizes = [_size(part) for part in parts]
    return (WEIGHT_BYTES + GRADIENT_BYTES) * (_size(stage) - sum(sizes) + max(sizes))


def _vision_bytes(config: Any) -> float:
    """Return what the backbones keep of one view for the backward pass."""
    layers = [
        part.num_hidden_layers
        * _layer_bytes(_patches(part, config), part.hidden_size, part.num_attention_heads)
        for part in config.vision_configs
    ]
    return float(sum(layers))


def _patches(part: Any, config: Any) -> int:
    """Return how many patches a backbone makes of what it sees, whatever the model's grid."""
    width, height = getattr(part, 'use', {}).get('size', config.image_size)
    side = patch_px(part)
    return int(width // side) * int(height // side)


def _decoder_bytes(text: Any, tokens: int, recompute: bool) -> float:
    """Return what the decoder keeps; layers computed again keep what enters them, save one."""
    whole = _layer_bytes(tokens, text.hidden_size, text.num_attention_heads)
    if not recompute:
        return float(text.num_hidden_layers * whole)
    return float(text.num_hidden_layers * 2 * tokens * text.hidden_size + whole)


def _layer_bytes(tokens: int, size: int, heads: int) -> float:
    """Return the bytes that a transformer layer keeps of one sequence, in 16 bits.

    Source: Korthikanti et al., Reducing Activation Recomputation, 2022, section 4.
    """
    return tokens * size * (34 + 5 * heads * tokens / size)
