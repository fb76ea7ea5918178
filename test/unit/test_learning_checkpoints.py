"""Checkpoints: a run that dies while it writes one leaves the one before whole."""

import pytest
import torch
from torch import nn

from spatialllm_ros.learning import checkpoints
from spatialllm_ros.learning.checkpoints import (
    Progress,
    load_moments,
    load_progress,
    load_weights,
    named_weights,
    write_checkpoint,
)


def write(folder, step):
    value = {'x': torch.tensor([float(step)])}
    write_checkpoint(folder, value, value, Progress(step, {'total': 1 / 3}))


def read(folder) -> tuple[int, float, float]:
    return (
        load_progress(folder).step,
        float(load_weights(folder)['x']),
        float(load_moments(folder)['x']),
    )


@pytest.mark.parametrize('written', [1, 2])
@pytest.mark.parametrize('steps', [(250, 500), (3, 6), (6, 7)])
def test_a_half_written_checkpoint_is_not_read(tmp_path, monkeypatch, steps, written):
    first, second = steps
    write(tmp_path, first)
    save, calls = checkpoints.save_file, []

    class KilledError(Exception):
        pass

    def dies(tensors, path):
        if len(calls) == written:
            raise KilledError
        calls.append(path)
        save(tensors, path)

    monkeypatch.setattr(checkpoints, 'save_file', dies)
    monkeypatch.setattr(checkpoints.json, 'dumps', lambda _: dies({}, None))
    with pytest.raises(KilledError):
        write(tmp_path, second)
    assert read(tmp_path) == (first, first, first)
    monkeypatch.undo()
    write(tmp_path, second)
    assert read(tmp_path) == (second, second, second)


def test_averages_are_read_back_exactly(tmp_path):
    write(tmp_path, 1)
    assert load_progress(tmp_path) == Progress(1, {'total': 1 / 3})


def test_tied_weights_have_one_name():
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2), nn.Linear(2, 2))
    module[2].weight = module[0].weight
    names = set(named_weights(module))
    assert names == set(module.state_dict()) - {'2.weight'}
