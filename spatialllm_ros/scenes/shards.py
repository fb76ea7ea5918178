"""Scenes on disk: a folder of shards, each a JSON-lines file beside two arrays.

``scenes-00007.jsonl`` holds one scene a line; ``images-00007.npy`` their pixels (N, H, W, 3) and
``owners-00007.npy`` their object maps (N, H / 4, W / 4), of int8 or, where a scene has too many
objects for that, of int16. Both are uncompressed so that training maps them into memory. The JSON
file is written last: a shard without it is unfinished.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.errors import ConfigError, SceneError
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

Owners = NDArray[np.signedinteger[Any]]
"""Indices of objects, -1 for none."""

SHARD_NAME = re.compile(r'scenes-([0-9]{5}|[1-9][0-9]{5,})\.jsonl')
OWNER_STRIDE_PX = 4
"""One sample of the object map is kept for each square of this many image pixels."""


@dataclass(frozen=True)
class RenderedScene:
    """A scene, its (H, W, 3) image and its (H / 4, W / 4) map of object indices, -1 for none."""

    scene: Scene
    image: NDArray[np.uint8]
    owners: Owners


def check_size(width_px: int, height_px: int) -> None:
    """Refuse images that the object map does not divide.

    Raises:
        ConfigError: a side is no multiple of the map's stride.
    """
    if min(width_px, height_px) < 1 or width_px % OWNER_STRIDE_PX or height_px % OWNER_STRIDE_PX:
        raise ConfigError(
            f'expected images of multiples of {OWNER_STRIDE_PX} pixels, found '
            f'{width_px}x{height_px}'
        )


def shard_path(folder: Path, index: int) -> Path:
    """Return the JSON-lines file of a shard."""
    return folder / f'scenes-{index:05d}.jsonl'


def write_shard(folder: Path, index: int, rendered: Iterable[RenderedScene]) -> int:
    """Write one shard and return how many scenes it holds; a broken run leaves no half shard."""
    items = list(rendered)
    images = folder / f'images-{index:05d}.npy'
    np.save(images, np.stack([item.image for item in items]))
    np.save(folder / f'owners-{index:05d}.npy', np.stack([item.owners for item in items]))
    lines = [
        json.dumps(scene_to_json(replace(item.scene, image=f'{images.name}#{i}')))
        for i, item in enumerate(items)
    ]
    target = shard_path(folder, index)
    partial = target.with_suffix('.partial')
    partial.write_text('\n'.join(lines) + '\n')
    partial.rename(target)
    return len(items)


def finished_shards(folder: Path) -> list[int]:
    """Return the indices of the finished shards in a folder, in order; there may be none."""
    names = (SHARD_NAME.fullmatch(path.name) for path in folder.glob('scenes-*.jsonl'))
    return sorted(int(name[1]) for name in names if name)


def shard_indices(folder: Path) -> list[int]:
    """Return the indices of the finished shards in a folder, in order.

    Raises:
        SceneError: there is none.
    """
    found = finished_shards(folder)
    if not found:
        raise SceneError(
            f'expected scene shards (scenes-*.jsonl) in {folder}, found none: '
            'make some with training/render_scenes.py'
        )
    return found


def read_shard(folder: Path, index: int) -> list[Scene]:
    """Read the scenes of one shard.

    Raises:
        SceneError: the file is empty or one of its lines cannot be read; the message names the
            line.
    """
    path = shard_path(folder, index)
    scenes: list[Scene] = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            scenes.append(scene_from_json(json.loads(line)))
        except (KeyError, TypeError, ValueError) as error:
            raise SceneError(
                f'expected a scene in {path}:{number}, found {line[:80]!r} ({error}): '
                'delete the shard and render it again'
            ) from error
    if not scenes:
        raise SceneError(
            f'expected scenes in {path}, found none: delete the shard and render it again'
        )
    return scenes


def open_images(folder: Path, index: int) -> NDArray[np.uint8]:
    """Return the images (N, H, W, 3) of a shard, mapped into memory.

    Raises:
        SceneError: they are missing or damaged.
    """
    path = folder / f'images-{index:05d}.npy'
    try:
        return np.asarray(np.load(path, mmap_mode='r'))
    except (OSError, EOFError, ValueError) as error:
        raise SceneError(
            f'expected images in {path}, found {error!r}: delete the shard and render it again'
        ) from error


def read_owners(folder: Path, index: int, scenes: Sequence[Scene]) -> Owners:
    """Return the object maps (N, H / 4, W / 4) of a shard's first scenes, of boxes if need be."""
    path = folder / f'owners-{index:05d}.npy'
    if path.exists():
        return np.asarray(np.load(path)[: len(scenes)])
    return np.stack([box_owners(scene) for scene in scenes])


def box_owners(scene: Scene) -> Owners:
    """Return the (H / 4, W / 4) object map that 2D boxes make, nearer ones over farther ones."""
    rows = np.arange(OWNER_STRIDE_PX // 2, scene.camera.height_px, OWNER_STRIDE_PX)
    columns = np.arange(OWNER_STRIDE_PX // 2, scene.camera.width_px, OWNER_STRIDE_PX)
    narrowest = 'int8' if len(scene.objects) <= 128 else 'int16'
    owners: Owners = np.full((len(rows), len(columns)), -1, narrowest)
    far_to_near = sorted(
        range(len(scene.objects)), key=lambda i: -np.linalg.norm(scene.objects[i].centre_optical_m)
    )
    for index in far_to_near:
        left, top, right, bottom = scene.objects[index].box_xyxy_px
        inside = ((rows >= top) & (rows <= bottom))[:, None] & (columns >= left)
        owners[inside & (columns <= right)] = index
    return owners


def read_scenes(folder: Path) -> Iterator[Scene]:
    """Yield all scenes of a folder of shards, in order."""
    for index in shard_indices(folder):
        yield from read_shard(folder, index)


def scene_to_json(scene: Scene) -> dict[str, Any]:
    """Return a scene as plain JSON values, lengths rounded to 0.01 mm."""
    return dict(_rounded(asdict(scene)))


def scene_from_json(record: dict[str, Any]) -> Scene:
    """Return the scene of plain JSON values.

    Raises:
        KeyError, TypeError: a field is missing or unknown.
    """
    camera = CameraModel(**_tuples(record['camera']))
    objects = tuple(SceneObject(**_tuples(item)) for item in record['objects'])
    rest = {key: value for key, value in record.items() if key not in ('camera', 'objects')}
    return Scene(camera=camera, objects=objects, **rest)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    def convert(value: Any) -> Any:
        return tuple(convert(item) for item in value) if isinstance(value, list) else value

    return {key: convert(value) for key, value in fields.items()}
