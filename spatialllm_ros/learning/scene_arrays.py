"""Shards of scenes as arrays that training can index: pixels stay on disk, truth is in memory.

Notation: N scenes, O objects per scene at most, T image tokens of one backbone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.geometry import CAMERA_FEATURES, camera_token_features
from spatialllm_ros.learning.object_targets import OBJECT_TARGETS, object_targets
from spatialllm_ros.learning.side_by_side import side_by_side
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS
from spatialllm_ros.scenes.shards import (
    Owners,
    open_images,
    read_owners,
    read_shard,
    shard_indices,
)
from spatialllm_ros.schema import Scene, SceneObject

MAX_OBJECTS = 8
UNKNOWN = -1
"""Label of a category or colour that is not in the catalogue, and of all where no object is."""
CATEGORY_INDEX = {name: i for i, name in enumerate(CATEGORIES)}
COLOUR_INDEX = {name: i for i, name in enumerate(COLOURS)}


@dataclass(frozen=True)
class SceneArrays:
    """The scenes of a folder.

    Attributes:
        images: one memory map (n, H, W, 3) per shard.
        locations: (N, 2) shard position and index in it.
        camera_features: (N, T, 11) float16.
        targets: (N, O, 13) regression targets, NaN where the truth does not tell.
        labels: (N, O, 3) category, colour and has_front, or UNKNOWN.
        shares: (N, O, T) uint8, how many of a token's samples (nano's have 16) show the object.
    """

    images: list[NDArray[np.uint8]]
    locations: NDArray[np.int64]
    camera_features: NDArray[np.float16]
    targets: NDArray[np.float32]
    labels: NDArray[np.int64]
    shares: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.locations)

    def pixels(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images (B, H, W, 3) of scenes."""
        return np.stack([self.images[s][i] for s, i in self.locations[indices]])


def load_scene_arrays(
    folder: Path, grid: tuple[int, int], limit: int | None = None
) -> SceneArrays:
    """Read the finished shards of a folder.

    Args:
        folder: what ``training/render_scenes.py`` or ``training/import_dataset.py`` wrote.
        grid: rows and columns of image tokens.
        limit: read no more than this many scenes.

    Raises:
        SceneError: there is no finished shard.
    """
    shards = open_shards(folder, limit)
    parts = [_Part(folder, shard.index, shard.count, grid) for shard in shards]
    locations = [(shard, i) for shard, part in enumerate(parts) for i in range(part.count)]
    truths = side_by_side(_truth, parts, 'shard')
    features, targets, labels, shares = map(np.concatenate, zip(*truths, strict=True))
    images = [shard.images for shard in shards]
    return SceneArrays(images, np.array(locations), features, targets, labels, shares)


@dataclass(frozen=True)
class OpenShard:
    """A shard of which the first ``count`` scenes are read; ``images`` (n, H, W, 3) on disk."""

    index: int
    images: NDArray[np.uint8]
    count: int


def open_shards(folder: Path, limit: int | None = None) -> list[OpenShard]:
    """Return the finished shards that hold the first ``limit`` scenes of a folder.

    Raises:
        SceneError: there is no finished shard, or its images cannot be read.
    """
    shards: list[OpenShard] = []
    room = math.inf if limit is None else limit
    for index in shard_indices(folder):
        if room <= 0:
            break
        images = open_images(folder, index)
        shards.append(OpenShard(index, images, int(min(room, len(images)))))
        room -= shards[-1].count
    return shards


def kept_objects(scene: Scene) -> tuple[int, ...]:
    """Return the indices of the objects there is room for: those most seen, in their order."""

    def seen_px(index: int) -> float:
        item = scene.objects[index]
        left, top, right, bottom = item.box_xyxy_px
        return item.visibility * (right - left) * (bottom - top)

    most_seen = sorted(range(len(scene.objects)), key=seen_px, reverse=True)
    return tuple(sorted(most_seen[:MAX_OBJECTS]))


def token_shares(owners: Owners, grid: tuple[int, int]) -> NDArray[np.uint8]:
    """Count, for each object and token, the samples of the object map that show the object.

    Args:
        owners: (N, h, w) object indices, -1 for none.
        grid: rows and columns of tokens; a sample is the token's in which its middle lies.

    Returns:
        (N, 8, rows * columns).
    """
    rows, columns = (
        (2 * np.arange(samples) + 1) * tokens // (2 * samples)
        for samples, tokens in zip(owners.shape[1:], grid, strict=True)
    )
    shares = np.zeros((len(owners), MAX_OBJECTS, *grid), np.uint8)
    scene, row, column = np.nonzero((owners >= 0) & (owners < MAX_OBJECTS))
    shown = owners[scene, row, column]
    np.add.at(shares, (scene, shown, rows[row], columns[column]), 1)
    return shares.reshape(len(owners), MAX_OBJECTS, -1)


@dataclass(frozen=True)
class _Part:
    """The first ``count`` scenes of a shard."""

    folder: Path
    index: int
    count: int
    grid: tuple[int, int]


def _truth(
    part: _Part,
) -> tuple[NDArray[np.float16], NDArray[np.float32], NDArray[np.int64], NDArray[np.uint8]]:
    """Return features, targets, labels and shares of the scenes."""
    scenes, grid = read_shard(part.folder, part.index)[: part.count], part.grid
    owners = read_owners(part.folder, part.index, scenes)
    count = len(scenes)
    features = np.zeros((count, grid[0] * grid[1], len(CAMERA_FEATURES)), np.float16)
    targets = np.zeros((count, MAX_OBJECTS, len(OBJECT_TARGETS)), np.float32)
    labels = np.full((count, MAX_OBJECTS, 3), UNKNOWN, np.int64)
    kept_owners = np.full_like(owners, -1)
    for n, scene in enumerate(scenes):
        features[n] = camera_token_features(scene.camera, *grid)
        for o, index in enumerate(kept_objects(scene)):
            targets[n, o] = object_targets(scene.objects[index], scene)
            labels[n, o] = _labels(scene.objects[index])
            kept_owners[n][owners[n] == index] = o
    return features, targets, labels, token_shares(kept_owners, grid)


def _labels(item: SceneObject) -> tuple[int, int, int]:
    return (
        CATEGORY_INDEX.get(item.category, UNKNOWN),
        COLOUR_INDEX.get(item.colour, UNKNOWN),
        int(item.has_front),
    )
