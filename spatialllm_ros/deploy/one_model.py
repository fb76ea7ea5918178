"""Several bundles of one model: in other flavours, precisions or engines, never other weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.bundle import Bundle, find_bundle, load_bundle


def load_one_model(names: Sequence[str | Path]) -> list[Bundle]:
    """Open bundles by folder or name.

    Raises:
        BundleError: there is no bundle, or a broken one.
        ConfigError: they are of several models, as far as their manifests can tell.
    """
    bundles = [load_bundle(find_bundle(name)) for name in names]
    for bundle in bundles[1:]:
        if (found := _shape(bundle)) != (expected := _shape(bundles[0])):
            raise ConfigError(
                f'expected bundles of the model in {bundles[0].folder} ({expected}), found '
                f'another in {bundle.folder} ({found}); compare models one by one'
            )
    return bundles


def _shape(bundle: Bundle) -> str:
    manifest = bundle.manifest
    decoder, image = manifest.decoder, manifest.image
    return (
        f'{manifest.parameters} parameters, {decoder.layers} layers of {decoder.hidden_size}, '
        f'{decoder.vocabulary} words, {image.width_px}x{image.height_px} px, {image.tokens} tokens'
    )
