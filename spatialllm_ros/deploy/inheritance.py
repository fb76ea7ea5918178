"""What a bundle that is made of another one's weights has to say of them still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spatialllm_ros.runtime.bundle import ImageSpec, Manifest

IMAGE, VOCABULARY = 'image', 'vocabulary'
"""Keys of a manifest's ``adapted``."""


def inherited(manifest: Manifest, source: Manifest) -> Manifest:
    """Return a manifest with what its source's tells of the training, and of what was adapted.

    A temperature of one is none that was fitted: then the source's stays.
    """
    return replace(
        manifest,
        adapted=_adapted(manifest, source),
        training={**source.training, **manifest.training},
        temperature=source.temperature if manifest.temperature == 1 else manifest.temperature,
    )


def _adapted(manifest: Manifest, source: Manifest) -> dict[str, Any]:
    adapted: dict[str, Mapping[str, Any]] = {**source.adapted, **manifest.adapted}
    if IMAGE in source.adapted:
        adapted[IMAGE] = source.adapted[IMAGE]
        if _is_trained_size(manifest.image, **adapted[IMAGE]):
            del adapted[IMAGE]
    if VOCABULARY in source.adapted:
        trained = source.adapted[VOCABULARY]['trained_tokens']
        adapted[VOCABULARY] = {**adapted[VOCABULARY], 'trained_tokens': trained}
    return dict(adapted)


def _is_trained_size(image: ImageSpec, trained_width_px: int, trained_height_px: int) -> bool:
    return (image.width_px, image.height_px) == (trained_width_px, trained_height_px)
