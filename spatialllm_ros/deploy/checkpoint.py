"""Model folders as transformers saves them: opened with plain words about what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import safe_open
from transformers.utils import CONFIG_NAME

from spatialllm_ros.deploy.bundle_export import FILES, ExportSettings, export_bundle
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.runtime.bundle import MANIFEST_NAME, TOKENIZER, Bundle, load_bundle

REMEDY = 'name the model/ folder of a training run, or train one with training/train.py'


class _WideVision(SpatialLLMForConditionalGeneration):
    _keep_in_fp32_modules_strict = {  # noqa: RUF012  (transformers' own declaration)
        'vision_towers', 'projector', 'camera_projection',
    }  # fmt: skip


_WideVision.__name__ = SpatialLLMForConditionalGeneration.__name__  # it goes into config.json


def load_checkpoint(folder: Path, as_stored: bool = False) -> SpatialLLMForConditionalGeneration:
    """Open a SpatialLLM in float32; a bundle, which holds its weights too, is one as well.

    Args:
        folder: with config.json and safetensors.
        as_stored: leave the decoder in the type of its file, which is then mapped, not read.

    Raises:
        ConfigError: the folder is missing, holds another kind of model, or its weights are no
            safetensors or do not fit its configuration.
    """
    _check_kind(folder)
    try:
        kind: Any = _WideVision if as_stored else SpatialLLMForConditionalGeneration
        loaded: Any = kind.from_pretrained(
            folder,
            dtype=_decoder_type(folder) if as_stored else torch.float32,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # those of transformers and of safetensors have no common base
        raise ConfigError(
            f'{folder}: expected weights in safetensors that fit {CONFIG_NAME}, found: {error}; '
            f'{REMEDY}'
        ) from error
    model, found = loaded
    wrong = [f'{name} {sorted(map(str, keys))[:3]}' for name, keys in found.items() if keys]
    if wrong:
        raise ConfigError(
            f'{folder}: expected weights that fit {CONFIG_NAME}, found {", ".join(wrong)}; '
            f'{REMEDY}'
        )
    assert isinstance(model, SpatialLLMForConditionalGeneration)
    return model.eval()


def export_checkpoint(folder: Path, target: Path, settings: ExportSettings) -> Bundle:
    """Write the bundle of a model folder, which may be a bundle itself.

    Raises:
        ConfigError: see ``load_checkpoint`` and ``export_bundle``.
        BundleError: the folder is a bundle, and a broken one.
    """
    tokenizer = folder / FILES[TOKENIZER]
    model = load_checkpoint(folder, as_stored=True)
    if not tokenizer.is_file():
        raise ConfigError(f'expected {tokenizer} beside the weights, found none; {REMEDY}')
    if (folder / MANIFEST_NAME).is_file():
        settings = replace(settings, source=load_bundle(folder).manifest)
    return export_bundle(model, tokenizer, target, settings)


@contextmanager
def as_bundle(folder: Path) -> Iterator[Path]:
    """Yield a bundle's own folder, or a temporary bundle exported from a model folder.

    Raises:
        ConfigError: the folder is neither.
    """
    if (folder / MANIFEST_NAME).is_file():
        yield folder
        return
    with TemporaryDirectory(prefix='bundle-') as scratch:
        yield export_checkpoint(folder, Path(scratch) / 'bundle', ExportSettings()).folder


def _decoder_type(folder: Path) -> torch.dtype:
    for path in sorted(folder.glob('*.safetensors')):
        with safe_open(path, 'pt') as file:
            for name in file.keys():  # noqa: SIM118  (the file is no mapping)
                if name.startswith('language_model.'):
                    dtype: torch.dtype = file.get_tensor(name).dtype
                    return dtype
    return torch.float32


def _check_kind(folder: Path) -> None:
    path = folder / CONFIG_NAME
    try:
        config: Any = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f'expected a model folder with {CONFIG_NAME} at {folder}, found: {error}; {REMEDY}'
        ) from error
    kind = config.get('model_type') if isinstance(config, dict) else None
    if kind != SpatialLLMConfig.model_type:
        raise ConfigError(
            f'{path}: expected a model of type {SpatialLLMConfig.model_type!r}, found {kind!r}; '
            f'{REMEDY}'
        )
