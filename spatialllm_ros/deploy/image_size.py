"""Another image size than the checkpoint's: the canvas, the grid of tokens and every backbone.

An image token keeps the size in pixels that it was trained with, so a larger image has more of
them. Backbones of fixed position embeddings have those interpolated, as transformers does it.
"""

from __future__ import annotations

import math
import re
from typing import Any

import torch

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import CAMERA_FEATURES
from spatialllm_ros.model.backbone_sizes import ANY_SIZE, OPTION, patch_px, takes_any_size

Size = tuple[int, int]
"""Width and height in pixels."""


def parse_image_size(text: str) -> Size:
    """Return the size that ``256x192`` says.

    Raises:
        ConfigError: it says none.
    """
    match = re.fullmatch(r'([1-9]\d{0,4})x([1-9]\d{0,4})', text, re.ASCII)
    if match is None:
        raise ConfigError(
            f'expected an image size as WIDTHxHEIGHT in pixels, like 256x192, found {text!r}'
        )
    return int(match[1]), int(match[2])


def check_image_size(model: Any, size: Size) -> None:
    """Refuse a size that a model cannot take.

    Raises:
        ConfigError: tokens or patches would be cut, or a backbone takes its own size only.
    """
    step = _step(model.config)
    if any(found % least for found, least in zip(size, step, strict=True)):
        near = [
            max(1, round(found / least)) * least for found, least in zip(size, step, strict=True)
        ]
        raise ConfigError(
            f'expected an image size in steps of {step[0]}x{step[1]} pixels, which keep the image '
            f'tokens and the patches of the backbones whole, found {size[0]}x{size[1]}; the '
            f'nearest is {near[0]}x{near[1]}'
        )
    fixed = [t.config.model_type for t in model.vision_towers if not takes_any_size(t)]
    if fixed:
        raise ConfigError(
            f'expected backbones that take images of another size: {", ".join(ANY_SIZE)}, and '
            f'those of transformers with {OPTION} (CLIP, SigLIP, ViT); found {fixed}, whose '
            f'positions are made for one size; keep '
            f'{model.config.image_width}x{model.config.image_height}'
        )


def set_image_size(model: Any, size: Size) -> None:
    """Let a model take images of another size; its weights stay as they are.

    A backbone that sees the canvas in a size of its own gets that scaled alike, to whole patches.

    Raises:
        ConfigError: see ``check_image_size``.
    """
    check_image_size(model, size)
    config = model.config
    old = (config.image_width, config.image_height)
    rows = config.image_rows * size[1] // old[1]
    columns = config.image_columns * size[0] // old[0]
    for tower, part in zip(model.vision_towers, config.vision_configs, strict=True):
        if 'size' in getattr(part, 'use', {}):
            part.use = tower.config.use = {**part.use, 'size': _scaled(part, old, size)}
    config.set_image(size, (rows, columns))


def _step(config: Any) -> Size:
    """Return what width and height have to be multiples of."""
    patches = [patch_px(part) for part in config.vision_configs if _sees_canvas(part)]
    width, height = (
        math.lcm(length // math.gcd(length, cells), *patches)
        for length, cells in (
            (config.image_width, config.image_columns), (config.image_height, config.image_rows),
        )
    )  # fmt: skip
    return width, height


def _sees_canvas(part: Any) -> bool:
    return 'size' not in getattr(part, 'use', {})


def _scaled(part: Any, old: Size, new: Size) -> list[int]:
    """Return a backbone's own size, scaled as the canvas is and rounded to whole patches."""
    patch = patch_px(part)
    return [
        max(1, round(own * after / before / patch)) * patch
        for own, before, after in zip(part.use['size'], old, new, strict=True)
    ]


@torch.no_grad()
def check_encodes(model: Any) -> None:
    """Encode an empty image once: kinds of backbones differ in what they make of another size.

    Raises:
        ConfigError: a backbone fails on the size that was set.
    """
    config = model.config
    weight = next(model.vision_towers.parameters())
    cells = config.image_rows * config.image_columns
    pixels = weight.new_zeros(1, 3, config.image_height, config.image_width)
    try:
        tokens = model.encode_image(pixels, weight.new_zeros(1, cells, len(CAMERA_FEATURES)))
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f'expected backbones that encode {config.image_width}x{config.image_height} pixels, '
            f'found: {error}; export with the size that the model was trained with'
        ) from error
    assert tokens.shape[1] == config.tokens_per_image, 'a grid of other tokens than it has'
