"""What a recipe says under ``model``: keys that there are, and parts that fit together."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from transformers import CONFIG_MAPPING

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import CAMERA_FEATURES
from spatialllm_ros.learning.recipe_checks import unknown_keys
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration

MARKS_IDS = {'image_token_id', 'answer_token_id'}
"""What the tokenizer says, and no recipe."""
OLDER_KEYS = {'rope_theta', 'rope_scaling', 'torch_dtype'}
"""What older config.json files write, and transformers still reads."""
TRAINED_ON = [0.5, 0.5]
"""The mean and deviation by which ``views.normalised`` makes pixels."""
OWN_KEYS = set(inspect.signature(SpatialLLMConfig.__init__).parameters) - {
    'self', 'kwargs', *MARKS_IDS,
}  # fmt: skip


def model_problems(model: dict[str, Any], sources: Any) -> Iterator[str]:
    """Yield what is unknown, missing or of another kind under ``model``.

    Args:
        model: what the recipe says there.
        sources: what it says under ``pretrained.vision``.
    """
    yield from unknown_keys(model, OWN_KEYS, 'model')
    parts = model.get('vision_configs')
    if not isinstance(parts, list) or not parts:
        yield f"expected a list of backbones at vision_configs under 'model', found {parts!r}"
        parts = []
    for index, part in enumerate(parts):
        yield from _part_problems(part, f'model.vision_configs[{index}]')
    yield from _part_problems(model.get('text_config'), 'model.text_config')
    yield from _normalisation_problems(model.get('image_normalisation', TRAINED_ON))
    for index, source in enumerate(sources if isinstance(sources, list) else ()):
        if not isinstance(source, str | None) or index >= len(parts):
            yield (
                f'expected a folder, a name or null for each of {len(parts)} backbones at vision '
                f"under 'pretrained', found {source!r} as number {index + 1}"
            )


def check_model(config: SpatialLLMConfig) -> None:
    """Encode an image by a model without values.

    Raises:
        ConfigError: its parts cannot be built, or do not turn an image into tokens.
    """
    cells, tokens = config.image_rows * config.image_columns, config.tokens_per_image
    try:
        with torch.device('meta'), torch.no_grad():
            model = SpatialLLMForConditionalGeneration(config).eval()
            pixels = torch.empty(1, 3, config.image_height, config.image_width)
            image = model.encode_image(pixels, torch.empty(1, cells, len(CAMERA_FEATURES)))
    except Exception as error:  # those of transformers have no common base
        found = ' '.join(str(error).split())
    else:
        found = '' if image.shape[1] == tokens else f'{image.shape[1]} tokens'
    if found:
        raise ConfigError(
            f'expected backbones that make {tokens} tokens of an image of {config.image_width}x'
            f'{config.image_height} pixels, found: {found}; compare image_size, image_grid and '
            'vision_configs under model'
        )


def _normalisation_problems(found: Any) -> Iterator[str]:
    if found != TRAINED_ON:
        yield (
            f'expected {TRAINED_ON} as image_normalisation, found {found!r}: training makes '
            'pixels so, and another would hold at run time alone; what a backbone wants stands '
            'under its use'
        )


def _part_problems(part: Any, where: str) -> Iterator[str]:
    if not isinstance(part, dict):
        yield f'expected a mapping under {where!r}, found {part!r}'
        return
    kind = part.get('model_type')
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        yield f'expected a model_type of transformers under {where!r}, found {kind!r}'
    else:
        known = CONFIG_MAPPING[kind]().to_dict()
        yield from unknown_keys(part, {*known, *OLDER_KEYS, 'use'}, where)
