"""Work on the shard files of a set, spread over processes, machines or a Ray cluster.

A job makes one file from what it is given and nothing else, so the files are the same however the
jobs are spread. What is measured comes back with each job: a cluster's workers are no children of
the process that waits for them.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from spatialllm_ros.errors import ConfigError, SceneError

Job = Callable[[], int]
"""Makes one file and returns how many scenes it is about; goes to other processes by pickle."""


@dataclass(frozen=True)
class Part:
    """The files that fall to one machine of several: every ``count``-th from ``index`` on."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse a part that does not exist.

        Raises:
            ConfigError: the index is not below the count, or negative.
        """
        if not 0 <= self.index < self.count:
            raise ConfigError(
                f'expected a part i/n with i from 0 to n - 1, found {self.index}/{self.count}'
            )

    def __str__(self) -> str:
        """Return the part as files are named by it."""
        return f'{self.index}-of-{self.count}'

    @classmethod
    def parse(cls, text: str) -> Part:
        """Return the part that ``i/n`` names.

        Raises:
            ConfigError: the text names none.
        """
        index, slash, count = text.partition('/')
        if not (slash and index.isdecimal() and count.isdecimal()):
            raise ConfigError(f'expected a part like 0/4, found {text!r}')
        return cls(int(index), int(count))

    def holds(self, file_index: int) -> bool:
        """Tell whether a file of the set falls to this part."""
        return file_index % self.count == self.index


WHOLE = Part()


@dataclass(frozen=True)
class Workers:
    """Who does the jobs of this call.

    Attributes:
        processes: on this machine; a Ray cluster decides for itself.
        use_ray: let the Ray cluster of ``RAY_ADDRESS`` do them, or one started here for it.
        part: of the set; the other parts are other calls' work.
    """

    processes: int = 1
    use_ray: bool = False
    part: Part = WHOLE

    def __post_init__(self) -> None:
        """Refuse to work without workers.

        Raises:
            ConfigError: fewer than one process.
        """
        if self.processes < 1:
            raise ConfigError(f'expected processes of at least 1, found {self.processes}')


ONE_PROCESS = Workers()


@dataclass(frozen=True)
class Done:
    """What jobs did.

    Attributes:
        scenes: how many they were about.
        wall_s: time from beginning to end.
        cpu_s: processor time of all workers together.
        peak_bytes: the most memory that one worker has ever held resident.
    """

    scenes: int
    wall_s: float
    cpu_s: float
    peak_bytes: int

    def summary(self) -> str:
        """Return rates and memory in one line."""
        if self.scenes == 0:
            return 'nothing was left to do'
        return (
            f'{self.scenes} scenes in {self.wall_s:.1f} s: {self.scenes / self.wall_s:.1f} a '
            f'second, {self.scenes / self.cpu_s:.1f} a second and core; '
            f'at most {self.peak_bytes / 2**20:.0f} MiB in one process'
        )


def run_jobs(jobs: Sequence[Job], workers: Workers, on_scenes: Callable[[int], object]) -> Done:
    """Do all jobs and return what they came to.

    Args:
        jobs: in any order; each makes its own file.
        workers: who does them.
        on_scenes: told the number of scenes of each job as it ends.

    Raises:
        ConfigError: Ray is wanted and not installed.
        SceneError: a process was killed.
    """
    started = time.monotonic()
    scenes, cpu_s, peak_bytes = 0, 0.0, 0
    for done in _done(jobs, workers):
        on_scenes(done.scenes)
        scenes += done.scenes
        cpu_s += done.cpu_s
        peak_bytes = max(peak_bytes, done.peak_bytes)
    return Done(scenes, time.monotonic() - started, cpu_s, peak_bytes)


def _done(jobs: Sequence[Job], workers: Workers) -> Iterator[Done]:
    if workers.use_ray:
        return _on_ray(jobs)
    if workers.processes == 1 or len(jobs) < 2:
        return map(_measured, jobs)
    return _in_processes(jobs, min(workers.processes, len(jobs)))


def _in_processes(jobs: Iterable[Job], processes: int) -> Iterator[Done]:
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context('spawn'))
    try:
        for ended in as_completed([pool.submit(_measured, job) for job in jobs]):
            yield ended.result()
    except BrokenProcessPool as error:
        raise SceneError(
            'expected every process to end its work, found one that was killed, perhaps for '
            'memory: begin again with fewer processes; finished files are kept'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _on_ray(jobs: Iterable[Job]) -> Iterator[Done]:
    """Yield what each job took as it ends, each on one core of the cluster."""
    try:
        import ray  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            'expected Ray, found none: pip install -r requirements/ray.txt, or work without it'
        ) from error
    with ray.init():
        task = ray.remote(num_cpus=1)(_measured)
        waiting = [task.remote(job) for job in jobs]
        while waiting:
            ended, waiting = ray.wait(waiting)
            yield from ray.get(ended)


def _measured(job: Job) -> Done:
    wall_s, cpu_s = time.monotonic(), time.process_time()
    scenes = job()
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Done(scenes, time.monotonic() - wall_s, time.process_time() - cpu_s, peak_kib * 1024)
