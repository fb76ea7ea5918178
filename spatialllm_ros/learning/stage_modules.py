"""The module that each stage trains."""

from __future__ import annotations

from torch import nn

from spatialllm_ros.learning.encoder_stage import EncoderStage
from spatialllm_ros.learning.grounding import POINTER_LAYER
from spatialllm_ros.learning.lora import add_adapters
from spatialllm_ros.learning.question_stage import QuestionStage
from spatialllm_ros.learning.recipe import StageConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration


def stage_module(
    name: str, model: SpatialLLMForConditionalGeneration, config: StageConfig
) -> EncoderStage | QuestionStage:
    """Return the module of a stage around a model, which it trains in place.

    Raises:
        ConfigError: the decoder is not made for what the stage teaches.
    """
    if name == 'encoder':
        return EncoderStage(model, config.probing)
    stage = QuestionStage(model, config)
    if name == 'heads':
        stage.teach_heads_alone()
    if config.lora is not None:
        add_adapters(model.language_model, config.lora)
    if config.recompute:
        model.language_model.activation_checkpointing_enable({'use_reentrant': False})
    if config.compile:
        stage.compile_layers()
    return stage


def shardable_parts(model: SpatialLLMForConditionalGeneration) -> tuple[nn.Module, ...]:
    """Return the parts of a model that are only ever called as a whole.

    The pointing layer is not: its projections are asked by themselves.
    """
    layers = model.language_model.model.layers
    return (*model.vision_towers, *(e for i, e in enumerate(layers) if i != POINTER_LAYER))
