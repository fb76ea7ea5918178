"""Which image sizes a backbone takes: its own, or others by interpolating its positions."""

from __future__ import annotations

import inspect
from typing import Any

ANY_SIZE = ('spatialllm_vision', 'dinov2', 'dinov2_with_registers', 'dinov3_vit')
"""Kinds that take every size of whole patches without being told to interpolate."""
NANO_STRIDE_PX = 16
OPTION = 'interpolate_pos_encoding'


def patch_px(config: Any) -> int:
    """Return the width and height of the pixels behind one token of a backbone."""
    return NANO_STRIDE_PX if config.model_type == ANY_SIZE[0] else int(config.patch_size)


def takes_option(tower: Any) -> bool:
    """Whether transformers can interpolate the backbone's positions when it is asked to."""
    return OPTION in inspect.signature(tower.forward).parameters


def takes_any_size(tower: Any) -> bool:
    """Whether a backbone sees images of another size than it was trained with."""
    return tower.config.model_type in ANY_SIZE or takes_option(tower)


def size_options(tower: Any, height_px: int, width_px: int) -> dict[str, bool]:
    """Return what a backbone has to be told to take images of this size."""
    native = getattr(tower.config, 'image_size', None)
    own = (native, native) if isinstance(native, int) else tuple(native or ())
    is_resized = own not in ((), (height_px, width_px))
    return {OPTION: True} if is_resized and takes_option(tower) else {}
