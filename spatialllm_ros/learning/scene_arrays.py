"""Shards of scenes as arrays that training can index: pixels stay on disk, truth is in memory.

Notation: N scenes, O objects per scene at most, T image tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.geometry import CAMERA_FEATURES, camera_token_features
from spatialllm_ros.learning.object_targets import OBJECT_TARGETS, object_targets
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS
from spatialllm_ros.scenes.shards import read_shard, shard_indices
from spatialllm_ros.schema import Scene

MAX_OBJECTS = 8
CATEGORY_INDEX = {name: i for i, name in enumerate(CATEGORIES)}
COLOUR_INDEX = {name: i for i, name in enumerate(COLOURS)}


@dataclass(frozen=True)
class SceneArrays:
    """The scenes of a folder.

    Attributes:
        scenes: the records themselves, N of them.
        images: one memory map (n, H, W, 3) per shard.
        locations: (N, 2) shard position and index in it.
        camera_features: (N, T, 11) float16.
        targets: (N, O, 13) regression targets.
        labels: (N, O, 3) category, colour and has_front; -1 where there is no object.
        shares: (N, O, T) uint8, how many of a token's 16 samples show the object.
    """

    scenes: list[Scene]
    images: list[NDArray[np.uint8]]
    locations: NDArray[np.int64]
    camera_features: NDArray[np.float16]
    targets: NDArray[np.float32]
    labels: NDArray[np.int64]
    shares: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.scenes)

    def pixels(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images (B, H, W, 3) of scenes."""
        return np.stack([self.images[s][i] for s, i in self.locations[indices]])


def load_scene_arrays(
    folder: Path, grid: tuple[int, int], limit: int | None = None
) -> SceneArrays:
    """Read the finished shards of a folder.

    Args:
        folder: what ``training/render_scenes.py`` wrote.
        grid: rows and columns of image tokens.
        limit: read no more than this many scenes.

    Raises:
        SceneError: there is no finished shard.
    """
    scenes: list[Scene] = []
    images: list[NDArray[np.uint8]] = []
    shares: list[NDArray[np.uint8]] = []
    locations: list[tuple[int, int]] = []
    for index in shard_indices(folder):
        if limit is not None and len(scenes) >= limit:
            break
        read = read_shard(folder, index)
        owners = np.load(folder / f'owners-{index:05d}.npy')
        locations += [(len(images), i) for i in range(len(read))]
        images.append(np.load(folder / f'images-{index:05d}.npy', mmap_mode='r'))
        shares.append(token_shares(owners, grid))
        scenes += read
    count = len(scenes) if limit is None else min(limit, len(scenes))
    scenes = scenes[:count]
    tokens = grid[0] * grid[1]
    features = np.zeros((count, tokens, len(CAMERA_FEATURES)), np.float16)
    targets = np.zeros((count, MAX_OBJECTS, len(OBJECT_TARGETS)), np.float32)
    labels = np.full((count, MAX_OBJECTS, 3), -1, np.int64)
    for n, scene in enumerate(scenes):
        features[n] = camera_token_features(scene.camera, *grid)
        for o, item in enumerate(scene.objects):
            targets[n, o] = object_targets(item, scene)
            labels[n, o] = (
                CATEGORY_INDEX[item.category],
                COLOUR_INDEX[item.colour],
                int(item.has_front),
            )
    return SceneArrays(
        scenes, images, np.array(locations[:count]), features, targets, labels,
        np.concatenate(shares)[:count],
    )  # fmt: skip


def token_shares(owners: NDArray[np.int8], grid: tuple[int, int]) -> NDArray[np.uint8]:
    """Count, for each object and token, the samples of the object map that show the object.

    Args:
        owners: (N, h, w) object indices, -1 for none.
        grid: rows and columns of tokens; they divide h and w.

    Returns:
        (N, 8, rows * columns).
    """
    count, height, width = owners.shape
    rows, columns = grid
    cells = owners.reshape(count, rows, height // rows, columns, width // columns)
    shares = [(cells == o).sum(axis=(2, 4)).reshape(count, -1) for o in range(MAX_OBJECTS)]
    return np.stack(shares, axis=1).astype(np.uint8)
