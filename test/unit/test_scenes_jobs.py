"""Jobs: parts of a set, what is measured, and the same work by processes and by Ray."""

import os
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialllm_ros.errors import ConfigError, SceneError
from spatialllm_ros.scenes.jobs import Done, Part, Workers, run_jobs


@given(count=st.integers(1, 50), files=st.integers(0, 200))
def test_every_file_falls_to_one_part(count, files):
    parts = [Part(index, count) for index in range(count)]
    for file in range(files):
        assert [part.index for part in parts if part.holds(file)] == [file % count]


@given(count=st.integers(1, 10**6), data=st.data())
def test_parts_are_read_as_they_are_written(count, data):
    index = data.draw(st.integers(0, count - 1))
    assert Part.parse(f'{index}/{count}') == Part(index, count)


@pytest.mark.parametrize('text', ['4/4', '0/0', '1', '-1/4', 'a/b', '1/', '1/4/4', ''])
def test_parts_that_do_not_exist(text):
    with pytest.raises(ConfigError, match='expected a part'):
        Part.parse(text)


def test_no_processes_are_refused():
    with pytest.raises(ConfigError, match='processes of at least 1'):
        Workers(processes=0)


def test_rates_by_hand():
    done = Done(scenes=600, wall_s=20.0, cpu_s=30.0, peak_bytes=300 * 2**20)
    assert done.summary() == (
        '600 scenes in 20.0 s: 30.0 a second, 20.0 a second and core; '
        'at most 300 MiB in one process'
    )
    assert 'nothing' in Done(0, 0.0, 0.0, 0).summary()


def jobs_into(folder):
    """Jobs that other processes can import; each returns how much it wrote."""
    return [partial(Path.write_text, folder / str(count), 'x' * count) for count in range(1, 6)]


def sizes(folder) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


@pytest.mark.parametrize(
    'workers',
    [
        Workers(),
        Workers(processes=2),
        pytest.param(
            Workers(use_ray=True),
            marks=pytest.mark.skipif(
                not find_spec('ray'), reason='requirements/ray.txt is not installed'
            ),
        ),
    ],
    ids=['here', 'processes', 'ray'],
)
@pytest.mark.filterwarnings('ignore')  # Ray's own
def test_each_job_is_done_once(workers, tmp_path):
    heard = []
    done = run_jobs(jobs_into(tmp_path), workers, heard.append)
    assert sizes(tmp_path) == {str(count): count for count in range(1, 6)}
    assert sorted(heard) == [1, 2, 3, 4, 5]
    assert done.scenes == 15
    assert done.peak_bytes > 2**20


def test_a_job_that_fails_ends_the_work(tmp_path):
    jobs = [*jobs_into(tmp_path), partial(Path.read_text, tmp_path / 'nothing')]
    for processes in (1, 2):
        with pytest.raises(FileNotFoundError):
            run_jobs(jobs, Workers(processes=processes), print)


def test_a_killed_process_is_told(tmp_path):
    jobs = [*jobs_into(tmp_path), partial(os._exit, 9)]
    with pytest.raises(SceneError, match='was killed'):
        run_jobs(jobs, Workers(processes=2), print)


@pytest.mark.skipif(find_spec('ray') is not None, reason='Ray is installed')
def test_a_missing_ray_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r'requirements/ray\.txt'):
        run_jobs(jobs_into(tmp_path), Workers(use_ray=True), print)
    assert not sizes(tmp_path)
