"""Render many scenes into shards: resumable, the same records however the work is spread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.scenes.jobs import ONE_PROCESS, Done, Workers, run_jobs
from spatialllm_ros.scenes.shards import (
    check_size,
    finished_shards,
    read_shard,
    shard_path,
    write_shard,
)
from spatialllm_ros.scenes.simulated import SceneSimulator
from spatialllm_ros.scenes.world_styles import TRAINED, VARIED
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS, VALIDATION_SEEDS, scene_id

SPLIT_SEEDS = {
    'train': range(VALIDATION_SEEDS.start),
    'validation': VALIDATION_SEEDS,
    'test': HELD_OUT_SEEDS,
}

SIZE_PX = (192, 144)
"""Width and height of images unless said otherwise."""


@dataclass(frozen=True)
class RenderRequest:
    """What to render: ``count`` worlds from ``first_seed`` on, in shards of ``shard_size``.

    Attributes:
        split: ``train``, ``validation`` or ``test``; each has its own range of seeds.
    """

    folder: Path
    split: str
    first_seed: int
    count: int
    width_px: int = SIZE_PX[0]
    height_px: int = SIZE_PX[1]
    shard_size: int = 500

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered or must not be.

        Raises:
            ConfigError: an unknown split, no scenes, images that the object map does not divide,
                or seeds that belong to another split.
        """
        if self.split not in SPLIT_SEEDS:
            raise ConfigError(f'expected a split of {list(SPLIT_SEEDS)}, found {self.split!r}')
        if self.count < 1 or self.shard_size < 1:
            raise ConfigError(
                'expected count and shard size of at least 1, found '
                f'{self.count}, {self.shard_size}'
            )
        check_size(self.width_px, self.height_px)
        allowed = SPLIT_SEEDS[self.split]
        last = self.first_seed + self.count - 1
        if self.first_seed not in allowed or last not in allowed:
            raise ConfigError(
                f'seeds {self.first_seed}..{last} do not belong to split {self.split!r}, whose '
                f'seeds are {allowed.start}..{allowed.stop - 1}: choose others, so that worlds '
                'used for tests are never trained on'
            )


def render_scenes(
    request: RenderRequest, workers: Workers = ONE_PROCESS, show_progress: bool = True
) -> Done:
    """Render what is missing of the workers' part of a request.

    Raises:
        SceneError: there is no OpenGL to draw with, or a shard that is there cannot be read.
        ConfigError: the folder has scenes that were not asked for, or Ray is not installed.
    """
    request.folder.mkdir(parents=True, exist_ok=True)
    request = replace(request, folder=request.folder.absolute())  # workers may stand elsewhere
    _refuse_further_shards(request)
    own = [i for i in range(_shards(request)) if workers.part.holds(i)]
    missing = [i for i in own if not _is_there(request, i)]
    total, left = (sum(len(_seeds(request, i)) for i in some) for some in (own, missing))
    with tqdm(total=total, initial=total - left, unit='scene', disable=not show_progress) as bar:
        return run_jobs([partial(_render_shard, request, i) for i in missing], workers, bar.update)


def _shards(request: RenderRequest) -> int:
    return -(-request.count // request.shard_size)


def _refuse_further_shards(request: RenderRequest) -> None:
    further = [i for i in finished_shards(request.folder) if i >= _shards(request)]
    if further:
        raise ConfigError(
            f'expected no more than {_shards(request)} shards of {request.shard_size} scenes in '
            f'{request.folder}, found {shard_path(request.folder, further[0]).name}: choose '
            'another folder or a larger count, or delete what was not asked for'
        )


def _seeds(request: RenderRequest, index: int) -> range:
    first = request.first_seed + index * request.shard_size
    return range(first, min(first + request.shard_size, request.first_seed + request.count))


def _is_there(request: RenderRequest, index: int) -> bool:
    """Tell whether a shard is whole; the last one of a shorter request is not.

    Raises:
        ConfigError: it has other scenes.
    """
    if not shard_path(request.folder, index).exists():
        return False
    scenes = read_shard(request.folder, index)
    cameras = {(scene.camera.width_px, scene.camera.height_px) for scene in scenes}
    found = [scene.scene_id for scene in scenes]
    wanted = [scene_id(seed) for seed in _seeds(request, index)]
    size = (request.width_px, request.height_px)
    if found != wanted[: len(found)] or cameras != {size}:
        raise ConfigError(
            f'expected {wanted[0]} to {wanted[-1]} in {size[0]}x{size[1]} pixels in '
            f'{shard_path(request.folder, index)}, found {found[0]} to {found[-1]} in '
            f'{" and ".join(f"{width}x{height}" for width, height in sorted(cameras))}; choose '
            'another folder, or delete this one'
        )
    return len(found) == len(wanted)


_simulators: dict[tuple[int, int], SceneSimulator] = {}
"""One open renderer per image size and process; opening one costs more than many scenes."""


def _render_shard(request: RenderRequest, index: int) -> int:
    size = (request.width_px, request.height_px)
    if size not in _simulators:
        _simulators[size] = SceneSimulator(*size)
    style = VARIED if request.split == 'train' else TRAINED
    rendered = (_simulators[size].render(seed, style) for seed in _seeds(request, index))
    return write_shard(request.folder, index, rendered)
