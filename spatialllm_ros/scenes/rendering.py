"""Render many scenes into shards: over processes, resumable, the same records however split."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.scenes.shards import shard_path, write_shard
from spatialllm_ros.scenes.simulated import SceneSimulator
from spatialllm_ros.scenes.world_styles import TRAINED, VARIED
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS, VALIDATION_SEEDS

SPLIT_SEEDS = {
    'train': range(VALIDATION_SEEDS.start),
    'validation': VALIDATION_SEEDS,
    'test': HELD_OUT_SEEDS,
}


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
    width_px: int = 192
    height_px: int = 144
    shard_size: int = 500
    processes: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered or must not be.

        Raises:
            ConfigError: an unknown split, no scenes, or seeds that belong to another split.
        """
        if self.split not in SPLIT_SEEDS:
            raise ConfigError(f'expected a split of {list(SPLIT_SEEDS)}, found {self.split!r}')
        if self.count < 1 or self.shard_size < 1 or self.processes < 1:
            raise ConfigError(
                'expected count, shard size and processes of at least 1, found '
                f'{self.count}, {self.shard_size}, {self.processes}'
            )
        allowed = SPLIT_SEEDS[self.split]
        last = self.first_seed + self.count - 1
        if self.first_seed not in allowed or last not in allowed:
            raise ConfigError(
                f'seeds {self.first_seed}..{last} do not belong to split {self.split!r}, whose '
                f'seeds are {allowed.start}..{allowed.stop - 1}: choose others, so that worlds '
                'used for tests are never trained on'
            )


def render_scenes(request: RenderRequest, show_progress: bool = True) -> int:
    """Render what is missing of a request and return how many scenes were rendered now.

    Raises:
        SceneError: there is no OpenGL to draw with.
    """
    request.folder.mkdir(parents=True, exist_ok=True)
    missing = [i for i in range(_shards(request)) if not shard_path(request.folder, i).exists()]
    done = 0
    with tqdm(total=request.count, unit='scene', disable=not show_progress) as bar:
        bar.update(request.count - sum(len(_seeds(request, i)) for i in missing))
        for made in _run(request, missing):
            done += made
            bar.update(made)
    return done


def _shards(request: RenderRequest) -> int:
    return -(-request.count // request.shard_size)


def _seeds(request: RenderRequest, index: int) -> range:
    first = request.first_seed + index * request.shard_size
    return range(first, min(first + request.shard_size, request.first_seed + request.count))


def _run(request: RenderRequest, missing: list[int]) -> Iterator[int]:
    """Yield the number of scenes of each shard as it is finished."""
    jobs = [(request, index) for index in missing]
    if request.processes == 1 or len(jobs) < 2:
        yield from map(_render_shard, jobs)
        return
    context = multiprocessing.get_context('spawn')
    with context.Pool(min(request.processes, len(jobs))) as pool:
        yield from pool.imap_unordered(_render_shard, jobs)


_simulators: dict[tuple[int, int], SceneSimulator] = {}
"""One open renderer per image size and process; opening one costs more than many scenes."""


def _render_shard(job: tuple[RenderRequest, int]) -> int:
    request, index = job
    size = (request.width_px, request.height_px)
    if size not in _simulators:
        _simulators[size] = SceneSimulator(*size)
    style = VARIED if request.split == 'train' else TRAINED
    rendered = (_simulators[size].render(seed, style) for seed in _seeds(request, index))
    return write_shard(request.folder, index, rendered)
