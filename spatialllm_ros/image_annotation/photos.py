"""Image files made ready: upright, of bounded size, with what EXIF tells of the lens."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from spatialllm_ros.errors import SceneError
from spatialllm_ros.runtime.exif import focal_35mm

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
LONGEST_PX = 1024
"""Larger images are worked on as a copy of this size, which bounds memory and cache."""
ORIENTATION = 0x0112
"""A tag of EXIF 2.32: how the image is turned."""

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Photo:
    """One image as the models see it and the scene names it.

    Attributes:
        name: the file's path in its folder, with forward slashes.
        key: sha256 of the file; names what is kept about it.
        path: the file itself, or its upright and smaller copy.
        focal_35mm: focal length that would give this view on 35 mm film; None where unknown.
    """

    name: str
    key: str
    path: Path
    width_px: int
    height_px: int
    focal_35mm: float | None

    def rgb(self) -> Rgb:
        """Return the pixels (H, W, 3).

        Raises:
            OSError: the file is damaged.
        """
        with Image.open(self.path) as image:
            return np.asarray(image.convert('RGB'), np.uint8)


def photo_paths(folder: Path, cache: Path | None = None) -> list[Path]:
    """Return the image files below a folder, in the order of their names.

    Args:
        folder: of the images.
        cache: whose copies are left out, should it lie there too.

    Raises:
        SceneError: there is none.
    """
    copies = None if cache is None else cache.resolve()
    images = (path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)
    found = sorted(path for path in images if copies not in path.resolve().parents)
    if not found:
        raise SceneError(f'expected images ({", ".join(SUFFIXES)}) below {folder}, found none')
    return found


def prepared(path: Path, folder: Path, copies: Path) -> Photo:
    """Return the photo of a file below ``folder``; a copy, if it needs one, goes to ``copies``.

    Raises:
        OSError: the file cannot be read as an image.
    """
    with path.open('rb') as file:
        key = hashlib.file_digest(file, 'sha256').hexdigest()
    with Image.open(path) as image:
        exif = image.getexif()
        focal = focal_35mm(exif)
        is_ready = exif.get(ORIENTATION, 1) == 1 and max(image.size) <= LONGEST_PX
        ready = path if is_ready else _copy(image, copies / f'{key}.png')
        size_px = image.size
    if not is_ready:
        with Image.open(ready) as image:
            size_px = image.size
    name = path.relative_to(folder).as_posix()
    return Photo(name, key, ready, *size_px, focal)


def _copy(image: Image.Image, target: Path) -> Path:
    """Write an upright copy of bounded size, unless it is there."""
    if not target.exists():
        upright = ImageOps.exif_transpose(image).convert('RGB')
        upright.thumbnail((LONGEST_PX, LONGEST_PX))
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f'{target.name}.{os.getpid()}.partial')
        upright.save(partial, 'PNG')
        partial.rename(target)
    return target
