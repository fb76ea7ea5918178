"""The table of annotated datasets, and their import into shards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spatialllm_ros.errors import ConfigError, SceneError
from spatialllm_ros.geometry import Letterbox, fit_letterbox
from spatialllm_ros.scenes.annotation import fitted_scene
from spatialllm_ros.scenes.imagenet3d import read_imagenet3d
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.kitti import read_kitti
from spatialllm_ros.scenes.licences import accepted
from spatialllm_ros.scenes.nuscenes import read_nuscenes
from spatialllm_ros.scenes.omni3d import read_omni3d
from spatialllm_ros.scenes.shards import RenderedScene, box_owners, check_size, write_shard
from spatialllm_ros.schema import Scene

READERS: dict[str, Callable[[Path, ImportReport], Iterator[Scene]]] = {
    'imagenet3d': read_imagenet3d,
    'kitti': read_kitti,
    'nuscenes': read_nuscenes,
    'omni3d': read_omni3d,
}
"""Each module says what folder or file it reads, and what its numbers mean."""
PAD_GREY = 128
"""As the run time pads an image that has another aspect."""

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class ImportRequest:
    """Where an import goes and what it makes.

    Attributes:
        folder: for shards as ``training/render_scenes.py`` makes them.
    """

    folder: Path
    width_px: int = 192
    height_px: int = 144
    shard_size: int = 500

    def __post_init__(self) -> None:
        """Refuse what cannot be written.

        Raises:
            ConfigError: images that the object map does not divide, or shards without scenes.
        """
        check_size(self.width_px, self.height_px)
        if self.shard_size < 1:
            raise ConfigError(f'expected a shard size of at least 1, found {self.shard_size}')


def annotated_scenes(
    dataset: str, path: Path, licences: Collection[str], report: ImportReport
) -> Iterator[Scene]:
    """Yield the scenes of a dataset whose licences were accepted.

    Raises:
        ConfigError: a licence was not.
        SceneError: there is no such dataset at that place.
    """
    return accepted(READERS[dataset](path, report), licences)


def part_of(scenes: Iterator[Scene], skip: int, limit: int | None) -> Iterator[Scene]:
    """Return ``limit`` scenes, or all where it is None, after the first ``skip``.

    Raises:
        ConfigError: ``limit`` is below 1, or ``skip`` below 0.
    """
    if skip < 0:
        raise ConfigError(f'expected a --skip of at least 0, found {skip}')
    if limit is not None and limit < 1:
        raise ConfigError(f'expected a --limit of at least 1, found {limit}')
    return islice(scenes, skip, None if limit is None else skip + limit)


def import_shards(scenes: Iterable[Scene], request: ImportRequest, report: ImportReport) -> None:
    """Write scenes and their letterboxed images into a folder that has no shards yet.

    Raises:
        ConfigError: the folder holds shards already.
    """
    if list(request.folder.glob('scenes-*.jsonl')):
        raise ConfigError(f'expected a folder without shards, found some in {request.folder}')
    request.folder.mkdir(parents=True, exist_ok=True)
    size_px = (request.width_px, request.height_px)
    write_fitted(scenes, request.folder, size_px, report, count(), request.shard_size)


def write_fitted(
    scenes: Iterable[Scene], folder: Path, size_px: tuple[int, int], report: ImportReport,
    numbers: Iterator[int], shard_size: int = ImportRequest.shard_size,
) -> None:  # fmt: skip
    """Write scenes and their letterboxed images as shards; the report counts them.

    Args:
        scenes: a scene whose image cannot be read is skipped and reported.
        folder: of the shards.
        size_px: width and height of the images.
        report: the account of it.
        numbers: of the shards, as many as are needed.
        shard_size: scenes in each but the last.
    """
    fitted = (
        item
        for scene in scenes
        for item in report.reading(scene.scene_id, fitted_image, scene, size_px)
    )
    while batch := list(islice(fitted, shard_size)):
        report.scenes += write_shard(folder, next(numbers), batch)
        report.objects += sum(len(item.scene.objects) for item in batch)


def fitted_image(scene: Scene, size_px: tuple[int, int]) -> RenderedScene:
    """Return a scene with its image letterboxed into a size (width, height).

    The object map is made of the 2D boxes, nearer objects over farther ones.

    Raises:
        SceneError: the image is not of the camera's size.
        OSError: there is no image.
    """
    rgb = read_rgb(scene)
    box = fit_letterbox(scene.camera.width_px, scene.camera.height_px, *size_px)
    fitted = fitted_scene(scene, box)
    return RenderedScene(fitted, _letterboxed(rgb, box), box_owners(fitted))


def read_rgb(scene: Scene) -> Rgb:
    """Return the pixels (H, W, 3) of an annotated scene.

    Raises:
        SceneError: the image is not of the camera's size.
        OSError: there is no image.
    """
    with Image.open(scene.image) as image:
        rgb = np.asarray(image.convert('RGB'), np.uint8)
    expected = (scene.camera.height_px, scene.camera.width_px, 3)
    if rgb.shape != expected:
        raise SceneError(f'expected pixels of shape {expected}, found {rgb.shape}')
    return rgb


def _letterboxed(rgb: Rgb, box: Letterbox) -> Rgb:
    method = cv2.INTER_AREA if box.scale_x < 1 else cv2.INTER_LINEAR
    inner = cv2.resize(rgb, (box.inner_width_px, box.inner_height_px), interpolation=method)
    canvas = np.full((box.canvas_height_px, box.canvas_width_px, 3), PAD_GREY, np.uint8)
    bottom, right = box.pad_top_px + inner.shape[0], box.pad_left_px + inner.shape[1]
    canvas[box.pad_top_px : bottom, box.pad_left_px : right] = inner
    return canvas
