"""Pretrained weights: read from a folder or the hub, under a licence that is known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.scenes.licences import LICENCES

DEPTH_ANYTHING = 'depth-anything/Depth-Anything-V2-Metric'
MODEL_LICENCES = {
    'IDEA-Research/grounding-dino-tiny': 'Apache-2.0',
    'IDEA-Research/grounding-dino-base': 'Apache-2.0',
    'google/owlv2-base-patch16-ensemble': 'Apache-2.0',
    'google/owlv2-large-patch14-ensemble': 'Apache-2.0',
    'facebook/sam-vit-base': 'Apache-2.0',
    'facebook/sam-vit-large': 'Apache-2.0',
    'facebook/sam-vit-huge': 'Apache-2.0',
    f'{DEPTH_ANYTHING}-Indoor-Small-hf': 'Apache-2.0',
    f'{DEPTH_ANYTHING}-Outdoor-Small-hf': 'Apache-2.0',
    f'{DEPTH_ANYTHING}-Indoor-Base-hf': 'CC-BY-NC-4.0',
    f'{DEPTH_ANYTHING}-Outdoor-Base-hf': 'CC-BY-NC-4.0',
    f'{DEPTH_ANYTHING}-Indoor-Large-hf': 'CC-BY-NC-4.0',
    f'{DEPTH_ANYTHING}-Outdoor-Large-hf': 'CC-BY-NC-4.0',
    'apple/DepthPro-hf': 'LicenseRef-Apple-AMLR',
}
"""Of any other model its user has to know it.

Source: the models' pages on the hub; for Depth Anything V2, where pages disagree, the README of
https://github.com/DepthAnything/Depth-Anything-V2.
"""
PROCESSOR_FILES = 'preprocessor_config.json, and the tokenizer of a detector'
OPTIONAL_PACKAGES = ('torchvision', 'scipy')
UNUSABLE = (OSError, ValueError, ImportError, KeyError, TypeError, RuntimeError)
"""What transformers raises for files that are missing, damaged or of another model."""


@dataclass(frozen=True)
class Weights:
    """Where a step's model comes from and what may be done with it.

    Attributes:
        source: a folder, or a name on the hub.
        licence: a key of ``licences.LICENCES``.
        device: where the model runs; no part of what it finds.
    """

    source: str
    licence: str
    device: str = field(default='cpu', compare=False)

    @property
    def identity(self) -> dict[str, str]:
        """What tells these weights from others: the name, or the contents of the folder."""
        folder = Path(self.source)
        if not folder.is_dir():
            return {'model': self.source}
        digest = hashlib.sha256()
        for path in sorted((*folder.glob('*.json'), *folder.glob('*.safetensors'))):
            with path.open('rb') as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, 'sha256').digest())
        return {'model': folder.name, 'sha256': digest.hexdigest()}

    def config(self) -> Any:
        """Return the model's configuration.

        Raises:
            ConfigError: it cannot be read.
        """
        return self._read(AutoConfig, 'configuration')

    def model(self, kind: Any) -> Any:
        """Return the model, ready to run.

        Raises:
            ConfigError: it cannot be read.
        """
        loaded = self._read(kind, 'model', use_safetensors=True, dtype=torch.float32)
        return loaded.to(self.device).eval()

    def processor(self, kind: Any) -> Any:
        """Return what turns images into the model's inputs.

        Raises:
            ConfigError: it cannot be read.
        """
        return self._read(kind, 'processor')

    def _read(self, kind: Any, what: str, **options: object) -> Any:
        try:
            return kind.from_pretrained(self.source, **options)
        except UNUSABLE as error:
            raise ConfigError(_absent(what, self.source, error)) from error


def weights(source: str, stated: Mapping[str, str], device: str) -> Weights:
    """Return the weights at a source; ``stated`` holds the licences of those not in the table.

    Raises:
        ConfigError: their licence is unknown.
    """
    licence = stated.get(source) or MODEL_LICENCES.get(source)
    if licence not in LICENCES:
        raise ConfigError(
            f'expected the licence of the weights {source}, found {licence or "none"}: say it '
            f'with --licence-of {source}=NAME, NAME being one of {", ".join(sorted(LICENCES))}'
        )
    return Weights(source, licence, device)


def stated_licence(text: str) -> tuple[str, str]:
    """Return model and licence of ``MODEL=NAME``.

    Raises:
        ValueError: it is not of that form.
    """
    source, _, licence = text.rpartition('=')
    if not source or licence not in LICENCES:
        raise ValueError(f'expected MODEL=NAME, found {text}')
    return source, licence


def _absent(what: str, source: str, error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = ' '.join(line.strip() for line in lines[:3])
    lacking = [name for name in OPTIONAL_PACKAGES if name in str(error).lower()]
    if lacking:
        return f'expected what {source} needs, found no {lacking[0]}: pip install {lacking[0]}'
    if Path(source).is_dir():
        return f'expected a {what} in the folder {source}, found: {reason}'
    return (
        f'expected a {what} at {source}, found: {reason}; without a network, put its config.json, '
        f'model.safetensors and {PROCESSOR_FILES} into a folder and name that instead'
    )
