"""The models of the GPU page: the shipped one, and random decoders of a robot's larger sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from spatialllm_ros.deploy.checkpoint import load_checkpoint
from spatialllm_ros.deploy.large_trial import TrialSizes
from spatialllm_ros.evaluation.gpu_clock import Device
from spatialllm_ros.evaluation.gpu_torch import Subject
from spatialllm_ros.geometry import CAMERA_FEATURES
from spatialllm_ros.learning.recipe import load_recipe

RECIPE = Path('training/recipes/8b.yaml')
TINY = {
    'hidden_size': 64, 'intermediate_size': 96, 'num_hidden_layers': 2, 'num_attention_heads': 4,
    'num_key_value_heads': 2, 'vocab_size': 200,
}  # fmt: skip
TINY_IMAGE_TOKENS = 20


def subjects(bundle: Path, device: Device) -> Mapping[str, Callable[[], Subject]]:
    """Return what makes each model, the largest first; on a CPU random weights are few."""
    recipe = load_recipe(RECIPE).model
    rows, columns = recipe['image_grid']
    sizes = TrialSizes()
    billion = {
        'hidden_size': sizes.hidden_size, 'intermediate_size': sizes.intermediate_size,
        'num_hidden_layers': sizes.layers, 'num_attention_heads': sizes.heads,
        'num_key_value_heads': sizes.key_heads,
    }  # fmt: skip
    plain = {key: value for key, value in recipe['text_config'].items() if key != 'model_type'}
    return {
        name: partial(_random, name, {**plain, **own}, 1 + rows * columns, device)
        for name, own in (('8b', {}), ('1b', billion))
    } | {'nano': partial(_shipped, bundle, device)}


def _shipped(bundle: Path, device: Device) -> Subject:
    model: Any = load_checkpoint(bundle)
    model.to(device.kind, device.dtype)
    config = model.config
    generator = torch.Generator().manual_seed(0)
    cells = config.image_rows * config.image_columns
    pixels = torch.randn(1, 3, config.image_height, config.image_width, generator=generator)
    camera = torch.randn(1, cells, len(CAMERA_FEATURES), generator=generator)
    inputs = {
        'pixel_values': pixels.to(device.kind, device.dtype),
        'camera_features': camera.to(device.kind, device.dtype),
    }
    ids = [config.text_config.bos_token_id] + [config.image_token_id] * config.tokens_per_image
    return Subject(
        'nano', model, model.language_model, inputs, torch.tensor(ids, device=device.kind),
        partial(model.encode_image, **inputs),
    )  # fmt: skip


def _random(name: str, sizes: dict[str, Any], prefix: int, device: Device) -> Subject:
    if not device.is_gpu:
        sizes, prefix = {**sizes, **TINY}, 1 + TINY_IMAGE_TOKENS
    config = LlamaConfig(**sizes, bos_token_id=0, eos_token_id=1, pad_token_id=0)
    with torch.device(device.kind):  # billions of random numbers take a CPU minutes
        model: Any = AutoModelForCausalLM.from_config(config, dtype=device.dtype).eval()
    ids = torch.arange(prefix, device=device.kind) % config.vocab_size
    return Subject(name, model, model, {}, ids, None)
