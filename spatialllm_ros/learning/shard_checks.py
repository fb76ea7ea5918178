"""Folders of shards that a recipe must not, or cannot, train on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.recipe import DataConfig
from spatialllm_ros.learning.scene_arrays import open_shards
from spatialllm_ros.scenes.shards import read_shard
from spatialllm_ros.scenes.worlds import (
    HELD_OUT_SEEDS,
    VALIDATION_SEEDS,
    is_kept_apart,
    seed_of,
)
from spatialllm_ros.schema import Scene


def check_shards(data: DataConfig, size_px: tuple[int, int]) -> None:
    """Refuse to train on what measures, and images of another size.

    Args:
        data: the folders, and how many scenes of each are read.
        size_px: width and height of the recipe's images.

    Raises:
        ConfigError: images have another size, worlds kept for validation or tests would be
            trained on, worlds kept for tests validated on, or a scene both.
        SceneError: there is no finished shard, or one cannot be read.
    """
    _check_sizes(data.train, data.train_scenes, size_px)
    _check_sizes(data.validation, data.validation_scenes, size_px)
    measured = {scene.scene_id for scene in _scenes(data.validation, data.validation_scenes)}
    _check_held_out(measured, data.validation)
    for scene in _scenes(data.train, data.train_scenes):
        _check_seed(scene, data.train)
        if scene.scene_id in measured:
            raise ConfigError(
                f'expected no scene in common at data.train and data.validation, found '
                f'{scene.scene_id} in {data.train} and {data.validation}: what is trained on '
                'measures nothing; render worlds with --split validation, or import other scenes '
                'with --skip'
            )


def counted_scenes(data: DataConfig) -> str:
    """Return in words how many scenes are there, of as many as would be read.

    Raises:
        SceneError: there is no finished shard, or one cannot be read.
    """
    parts = ((data.train, data.train_scenes), (data.validation, data.validation_scenes))
    return ', '.join(
        f'{sum(shard.count for shard in open_shards(folder, limit)):,} of at most {limit:,} '
        f'scenes in {folder}'
        for folder, limit in parts
    )


def _check_sizes(folder: Path, limit: int, size_px: tuple[int, int]) -> None:
    width_px, height_px = size_px
    for shard in open_shards(folder, limit):
        _, height, width, _ = shard.images.shape
        if (width, height) != (width_px, height_px):
            raise ConfigError(
                f'expected images of {width_px}x{height_px} px, as image_size of the recipe says, '
                f'found {width}x{height} in {folder}/images-{shard.index:05d}.npy: render or '
                'import them in that size, or change image_size and image_grid'
            )


def _scenes(folder: Path, limit: int) -> Iterator[Scene]:
    for shard in open_shards(folder, limit):
        yield from read_shard(folder, shard.index)[: shard.count]


def _check_seed(scene: Scene, folder: Path) -> None:
    if is_kept_apart(scene.scene_id):
        raise ConfigError(
            f'expected worlds to train on, found {scene.scene_id} in {folder}: seeds from '
            f'{VALIDATION_SEEDS.start} on are kept for validation and tests; render others with '
            '--split train'
        )


def _check_held_out(names: Collection[str], folder: Path) -> None:
    """Refuse to choose models by the worlds that their last scores are of."""
    for name in sorted(names):
        if seed_of(name) in HELD_OUT_SEEDS:
            raise ConfigError(
                f'expected worlds to validate on, found {name} in {folder}: seeds from '
                f'{HELD_OUT_SEEDS.start} on are kept for tests; render others with --split '
                'validation'
            )
