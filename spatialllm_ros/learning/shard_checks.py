"""Folders of shards that a recipe must not, or cannot, train on."""

from __future__ import annotations

from pathlib import Path

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.recipe import DataConfig
from spatialllm_ros.learning.scene_arrays import open_shards
from spatialllm_ros.scenes.shards import read_shard
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS, VALIDATION_SEEDS, seed_of


def check_shards(data: DataConfig, size_px: tuple[int, int]) -> None:
    """Refuse worlds that are kept for measuring, and images of another size.

    Args:
        data: the folders, and how many scenes of each are read.
        size_px: width and height of the recipe's images.

    Raises:
        ConfigError: images have another size, worlds kept for validation or tests would be
            trained on, or the worlds to train on are those to validate on.
        SceneError: there is no finished shard, or one cannot be read.
    """
    if data.train.resolve() == data.validation.resolve():
        raise ConfigError(
            f'expected two folders at data.train and data.validation, found {data.train} at both: '
            'what is trained on measures nothing; render worlds with --split validation'
        )
    _check_sizes(data.train, data.train_scenes, size_px)
    _check_sizes(data.validation, data.validation_scenes, size_px)
    _check_seeds(data.train, data.train_scenes)


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


def _check_seeds(folder: Path, limit: int) -> None:
    for shard in open_shards(folder, limit):
        for scene in read_shard(folder, shard.index)[: shard.count]:
            seed = seed_of(scene.scene_id)
            if seed is not None and (seed in VALIDATION_SEEDS or seed in HELD_OUT_SEEDS):
                raise ConfigError(
                    f'expected worlds to train on, found {scene.scene_id} in {folder}: seeds from '
                    f'{VALIDATION_SEEDS.start} on are kept for validation and tests; render '
                    'others with --split train'
                )
