"""Named steps over a photo, each with its own cache: what was once found is not looked for again.

A step's outcome is kept under a fingerprint of all that decides it: its options, its model's
weights, and the fingerprints of the steps it builds on. So a change renews that step and those
after it, and no other.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.errors import SceneError
from spatialllm_ros.image_annotation.photos import Photo, Rgb

Arrays = dict[str, NDArray[Any]]
Found = Mapping[str, Arrays]
"""The outcomes of steps, by their names."""
Run = Callable[[Rgb, Found], Arrays]

UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile)
"""What reading a damaged cache file raises."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        uses: names of the steps whose outcome it reads; they come before it.
        options: plain values that decide the outcome, the model's identity among them.
        load: returns what runs the step; called once, when the first photo needs it.
    """

    name: str
    uses: tuple[str, ...]
    options: Mapping[str, object]
    load: Callable[[], Run]


def fingerprints(steps: Sequence[Step]) -> dict[str, str]:
    """Return the fingerprint of each step."""
    made: dict[str, str] = {}
    for step in steps:
        decisive = [step.name, dict(step.options), [made[name] for name in step.uses]]
        text = json.dumps(decisive, sort_keys=True)
        made[step.name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return made


class StepCache:
    """Runs the steps over photos and keeps what they find."""

    def __init__(self, folder: Path, steps: Sequence[Step]) -> None:
        """Keep outcomes below a folder, which other processes may use too."""
        self._steps = steps
        self._folders = {
            name: folder / f'{name}-{mark}' for name, mark in fingerprints(steps).items()
        }
        self._loaded: dict[str, Run] = {}

    def outcomes(self, photo: Photo) -> dict[str, Arrays]:
        """Return what each step finds in a photo.

        Raises:
            ConfigError: a step's model cannot be loaded.
            SceneError: a model fails on this photo.
        """
        found: dict[str, Arrays] = {}
        for step in self._steps:
            path = self._folders[step.name] / f'{photo.key}.npz'
            found[step.name] = _kept(path) or self._run(step, photo, found, path)
        return found

    def _run(self, step: Step, photo: Photo, found: Found, path: Path) -> Arrays:
        if step.name not in self._loaded:
            self._loaded[step.name] = step.load()
        try:
            outcome = self._loaded[step.name](photo.rgb(), found)
        except RuntimeError as error:
            raise SceneError(f'expected an outcome of {step.name}, found: {error}') from error
        _keep(path, outcome)
        return outcome


def _kept(path: Path) -> Arrays:
    """Return the arrays of a file; none where it is absent or damaged."""
    if not path.exists():
        return {}
    try:
        # NumPy leaves a damaged file open, so it gets an open one.
        with path.open('rb') as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except UNREADABLE:
        return {}


def _keep(path: Path, outcome: Arrays) -> None:
    """Write a file that is whole or not there, whoever else writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.{os.getpid()}.partial')
    with partial.open('wb') as file:
        np.savez_compressed(file, allow_pickle=False, **outcome)
    partial.rename(path)
