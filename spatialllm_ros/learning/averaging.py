"""The mean of several models' weights: runs that began at the same weights share a valley.

Their mean lies deeper in it than each of them, on images like those of training and beyond.
Source: Wortsman et al., Model soups, ICML 2022.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file

from spatialllm_ros.errors import ConfigError

WEIGHTS, WORDS = 'model.safetensors', 'tokenizer.json'
BESIDE = ('config.json', 'generation_config.json', WORDS)
"""What else of the first folder makes a model."""

TIED = ('lm_head', 'model.embed_tokens')
"""One matrix where a model scores words by their embeddings; some files hold it twice."""


def average_models(folders: Sequence[Path], out: Path) -> None:
    """Write the model whose every weight is the mean of theirs.

    Args:
        folders: bundles or model folders, of the same sizes and words.
        out: a new model folder, with the configuration of the first; there when it is whole.

    Raises:
        ConfigError: fewer than two models, one without weights or words, unlike ones, or an
            ``out`` that exists.
    """
    if len(folders) < 2:
        raise ConfigError(f'expected at least two models to average, found {len(folders)}')
    if out.exists():
        raise ConfigError(
            f'expected a new folder for the average, found {out} there already; name another --out'
        )
    first, *others = (_weights(folder) for folder in folders)
    sums = {name: values.double() for name, values in first.items()}
    for folder, weights in zip(folders[1:], others, strict=True):
        _check_alike(folders[0], first, folder, weights)
        for name, values in weights.items():
            sums[name] += values
    means = {name: total / len(folders) for name, total in sums.items()}
    kept = {
        name: mean.float() if first[name].is_floating_point() else mean.to(first[name].dtype)
        for name, mean in means.items()
    }
    _write(kept, folders[0], out)


def _write(weights: dict[str, torch.Tensor], beside: Path, out: Path) -> None:
    """Write a model folder at once: made aside, and moved there when it is whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent) as aside:
        made = Path(aside) / out.name
        made.mkdir()
        save_file(weights, made / WEIGHTS, metadata={'format': 'pt'})
        for name in BESIDE:
            if (beside / name).exists():
                shutil.copyfile(beside / name, made / name)
        made.rename(out)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    for name in (WEIGHTS, WORDS):
        if not (folder / name).exists():
            raise ConfigError(
                f'expected {folder / name}, found no such file; name a model folder or bundle'
            )
    weights = load_file(folder / WEIGHTS)
    scores, words = (weights.get(f'language_model.{name}.weight') for name in TIED)
    if scores is not None and words is not None and torch.equal(scores, words):
        del weights[f'language_model.{TIED[0]}.weight']
    return weights


def _check_alike(
    first: Path, weights: dict[str, torch.Tensor], other: Path, found: dict[str, torch.Tensor]
) -> None:
    unlike = [
        name for name in weights if name not in found or found[name].shape != weights[name].shape
    ]
    unlike += [name for name in found if name not in weights]
    words = [(folder / WORDS).read_bytes() for folder in (first, other)]
    if unlike or words[0] != words[1]:
        raise ConfigError(
            f'expected {other} to have the sizes and words of {first}, found others at '
            f'{sorted(unlike)[:3] or WORDS}: only runs of one recipe can be averaged'
        )
