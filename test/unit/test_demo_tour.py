"""The recording that is shipped."""

from collections import Counter

import numpy as np
import pytest

from spatialllm_ros.demo.recording import TOUR, read_shots
from spatialllm_ros.runtime.shared_files import shared_file

LARGEST_BYTES = 6_000_000
FEWEST_QUESTIONS = 24
"""What the demo asks, each once."""
HELD_OUT = range(900_000_000, 1_000_000_000)
EVALUATED_BY_DEFAULT = 2000


@pytest.fixture(scope='module')
def shots():
    return list(read_shots(shared_file(TOUR)))


def test_it_is_small():
    assert shared_file(TOUR).stat().st_size <= LARGEST_BYTES


def test_it_runs_at_the_rate_of_a_camera(shots):
    assert np.diff([shot.at_s for shot in shots]) == pytest.approx(1 / 15)
    assert {shot.rgb.shape for shot in shots} == {(480, 640, 3)}
    assert all(shot.info['k'][0] > 0 for shot in shots)


def test_its_worlds_are_neither_trained_on_nor_scored_by_default(shots):
    seeds = {int(shot.truth.scene_id.removeprefix('sim-')) for shot in shots}
    assert len(seeds) >= 8
    assert all(seed in HELD_OUT[EVALUATED_BY_DEFAULT:] for seed in seeds)


def test_there_is_enough_to_ask_and_no_answer_prevails(shots):
    records = {
        (record.scene_id, record.question): record
        for shot in shots
        for record in shot.truth.questions
    }
    assert len(records) >= FEWEST_QUESTIONS
    ((_, most),) = Counter(record.answer for record in records.values()).most_common(1)
    assert most <= 0.6 * len(records)
