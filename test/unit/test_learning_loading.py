"""Batches made ahead by other processes are those that one process makes."""

import itertools
import math
import os

import numpy as np
import pytest
import torch

from spatialllm_ros.learning.loading import numbered_batches
from spatialllm_ros.learning.side_by_side import FEW, side_by_side

NUMBERS = [(step, number) for step in range(3, 7) for number in range(2)]


def make_batch(rng: np.random.Generator) -> dict[str, torch.Tensor]:
    drawn = torch.from_numpy(rng.random(4))
    return {'drawn': drawn, 'process': torch.tensor(os.getpid())}


def drawn(workers: int) -> list[tuple[int, list[float], int]]:
    batches = numbered_batches(make_batch, 11, NUMBERS, workers)
    return [(b.seed, b.batch['drawn'].tolist(), int(b.batch['process'])) for b in batches]


def test_each_batch_is_a_function_of_seed_step_and_number():
    for (step, number), (seed, values, _) in zip(NUMBERS, drawn(0), strict=True):
        rng = np.random.Generator(np.random.PCG64([11, step, number]))
        assert seed == rng.integers(2**31)
        assert values == rng.random(4).tolist()


@pytest.mark.parametrize('workers', [1, 2])
def test_workers_make_the_same_batches_in_the_same_order(workers):
    alone, ahead = drawn(0), drawn(workers)
    assert [batch[:2] for batch in ahead] == [batch[:2] for batch in alone]
    assert {process for *_, process in alone} == {os.getpid()}
    makers = {process for *_, process in ahead}
    assert len(makers) == workers
    assert os.getpid() not in makers


def test_batches_of_a_long_run_are_not_made_all_at_once():
    batches = numbered_batches(make_batch, 0, ((step, 0) for step in itertools.count()), 1)
    assert len([next(batches) for _ in range(20)]) == 20


@pytest.mark.parametrize('count', [1, FEW, FEW + 3])
def test_results_stand_in_the_order_of_the_items(count):
    found = side_by_side(math.factorial, range(count), 'number')
    assert found == [math.factorial(number) for number in range(count)]


def test_many_items_are_shared_out():
    if len(os.sched_getaffinity(0)) == 1:
        pytest.skip('one core')
    makers = side_by_side(eval, ['__import__("os").getpid()'] * 9, 'process')
    assert os.getpid() not in makers
