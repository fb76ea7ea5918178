"""The loop's schedule by hand, and that a broken run resumes to the same weights, bit for bit."""

import ctypes
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spatialllm_ros.errors import ConfigError, TrainingDivergedError, TrainingGateError
from spatialllm_ros.evaluation.resident_memory import resident_bytes
from spatialllm_ros.learning import pipeline
from spatialllm_ros.learning.checkpoints import load_weights
from spatialllm_ros.learning.freed_memory import give_back_freed_memory
from spatialllm_ros.learning.loop import LoopConfig, Stage, run_stage
from spatialllm_ros.learning.optimisers import make_optimisers
from spatialllm_ros.learning.pipeline import run_recipe, stages_to_run
from spatialllm_ros.learning.recipe import load_recipe


class Line(nn.Module):
    """Fits y = 3 x - 1, with dropout so that randomness matters."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 8)
        self.out = nn.Linear(8, 1)

    def forward(self, batch):
        hidden = torch.dropout(torch.relu(self.layer(batch['x'])), 0.1, self.training)
        return {'total': ((self.out(hidden) - 3 * batch['x'] + 1) ** 2).mean()}


def stage() -> Stage:
    torch.manual_seed(0)
    module = Line()

    def make_batch(rng: np.random.Generator):
        return {'x': torch.from_numpy(rng.uniform(-1, 1, (16, 1))).float()}

    def evaluate(_):
        return {'score': 1.0}

    return Stage('line', module, make_batch, evaluate)


def config(**changes) -> LoopConfig:
    plain = {'steps': 40, 'batch': 16, 'learning_rate': 1e-2, 'warmup_steps': 4, 'log_every': 20,
             'evaluate_every': 20, 'checkpoint_every': 7}  # fmt: skip
    return LoopConfig(**{**plain, **changes})


def test_rate_warms_up_holds_and_decays_to_zero():
    loop = config(steps=100, warmup_steps=10, decay_share=0.5)
    assert loop.rate(0) == pytest.approx(1e-3)
    assert loop.rate(9) == pytest.approx(1e-2)
    assert loop.rate(49) == pytest.approx(1e-2)
    assert loop.rate(75) == pytest.approx(5e-3)
    assert loop.rate(99) == pytest.approx(2e-4)


def test_training_learns_and_draws_its_curve(tmp_path):
    scores = run_stage(stage(), config(steps=200), tmp_path)
    assert scores == {'score': 1.0, 'finished': 1.0}
    rows = [line.split(',') for line in (tmp_path / 'curve.csv').read_text().splitlines()]
    losses = [float(row[3]) for row in rows if row[2] == 'total']
    assert losses[-1] < 0.3 * losses[0]
    assert (tmp_path / 'curve.png').stat().st_size > 1000


@pytest.mark.parametrize('optimiser', ['adamw', 'muon'])
def test_a_stopped_run_ends_at_the_weights_of_an_unbroken_one(tmp_path, optimiser, capsys):
    loop = config(optimiser=optimiser)
    run_stage(stage(), loop, tmp_path / 'unbroken')

    class StopError(Exception):
        pass

    whole_stage, broken = stage(), stage()
    calls = []

    def make_batch(rng):
        calls.append(1)
        if len(calls) == 24:
            raise StopError
        return whole_stage.make_batch(rng)

    with pytest.raises(StopError):
        run_stage(
            Stage('line', broken.module, make_batch, broken.evaluate), loop, tmp_path / 'broken'
        )
    capsys.readouterr()
    run_stage(stage(), loop, tmp_path / 'broken')
    assert capsys.readouterr().out.startswith('[line] goes on behind step 21 of 40')
    run_stage(stage(), loop, tmp_path / 'broken')
    assert ' before and is only scored: train another recipe' in capsys.readouterr().out
    whole, resumed = load_weights(tmp_path / 'unbroken'), load_weights(tmp_path / 'broken')
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


def test_a_run_killed_before_its_first_checkpoint_leaves_nothing_in_the_curve(tmp_path):
    run_stage(stage(), config(), tmp_path / 'unbroken')
    broken = tmp_path / 'broken'
    broken.mkdir()
    (broken / 'curve.csv').write_text('20,train,total,9\n20,validation,score,0.5\n30,tra')
    run_stage(stage(), config(), broken)
    steps = [line.split(',')[:3] for line in (broken / 'curve.csv').read_text().splitlines()]
    whole = (tmp_path / 'unbroken' / 'curve.csv').read_text().splitlines()
    assert steps == [line.split(',')[:3] for line in whole]


def test_time_limit_stops_and_keeps_a_checkpoint(tmp_path):
    scores = run_stage(stage(), config(minutes=0.0), tmp_path)
    assert scores['finished'] == 0
    assert load_weights(tmp_path)
    assert run_stage(stage(), config(), tmp_path)['finished'] == 1


def test_weights_of_another_model_are_refused(tmp_path):
    run_stage(stage(), config(steps=2), tmp_path)
    other = stage()
    other.module.extra = nn.Linear(2, 2)
    with pytest.raises(ConfigError, match='use another folder'):
        run_stage(other, config(), tmp_path)


@pytest.mark.parametrize('spoilt', ['loss', 'gradient'])
def test_what_is_no_number_stops_a_run_before_its_checkpoint_is_lost(tmp_path, spoilt):
    run_stage(stage(), config(steps=14), tmp_path)
    before = load_weights(tmp_path)
    broken = stage()
    unspoilt = broken.module.forward

    def forward(batch):
        total = unspoilt(batch)['total']
        # The square root's slope at zero is infinite: a finite loss whose gradient is not.
        spoils = float('nan') if spoilt == 'loss' else (total - total.detach()).sqrt()
        return {'total': total + spoils}

    broken.module.forward = forward
    with pytest.raises(TrainingDivergedError, match=r'step 15 .*step 14 .*learning_rate'):
        run_stage(broken, config(checkpoint_every=1), tmp_path)
    after = load_weights(tmp_path)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(value.isfinite().all() for value in broken.module.parameters())


def test_what_learned_and_rests_now_is_named(tmp_path):
    run_stage(stage(), config(steps=2), tmp_path)
    frozen = stage()
    frozen.module.layer.weight.requires_grad_(False)
    with pytest.raises(ConfigError, match=r'layer\.weight to learn .*another folder'):
        run_stage(frozen, config(steps=4), tmp_path)


def test_a_runs_time_is_that_of_all_its_stages(tmp_path, monkeypatch):
    given = []

    def run_one(recipe, name, folder, deadline_s):
        given.append(deadline_s)
        return {'finished': 1.0}

    monkeypatch.setattr(pipeline, '_run_one', run_one)
    monkeypatch.setattr(pipeline, 'check_gate', lambda *_: None)
    before_s = time.monotonic()
    run_recipe(load_recipe(NANO), tmp_path, minutes=60)
    assert len(given) == 3
    assert len(set(given)) == 1
    assert before_s + 3600 <= given[0] <= time.monotonic() + 3600
    run_recipe(load_recipe(NANO), tmp_path)
    assert given[-1] == math.inf


@pytest.mark.parametrize(
    ('own', 'left', 'expected'),
    [(math.inf, math.inf, math.inf), (5.0, math.inf, 5.0), (5.0, 2.0, 2.0), (5.0, 9.0, 5.0),
     (math.inf, -1.0, 0.0)],
)  # fmt: skip
def test_a_stages_own_time_holds_within_the_runs(own, left, expected):
    found = config(minutes=own).until(time.monotonic() + 60 * left)
    assert found.minutes == pytest.approx(expected, abs=0.1)
    assert replace(found, minutes=own) == config(minutes=own)


@pytest.mark.parametrize(
    'changes',
    [
        {'steps': 0}, {'batch': 0}, {'accumulate': 0}, {'log_every': 0}, {'evaluate_every': 0},
        {'checkpoint_every': 0}, {'workers': -1}, {'warmup_steps': -1}, {'seed': -1},
        {'minutes': -1.0}, {'weight_decay': -0.1}, {'learning_rate': -1.0}, {'clip_norm': 0.0},
        {'learning_rate': math.nan}, {'decay_share': 1.5},
    ],
)  # fmt: skip
def test_numbers_that_cannot_train_are_named(changes):
    ((name, value),) = changes.items()
    with pytest.raises(ConfigError, match=rf'expected {name} .*found {value}'):
        config(**changes)


def test_missing_checkpoint_and_unknown_optimisers_are_named(tmp_path):
    with pytest.raises(ConfigError, match='run that stage first'):
        load_weights(tmp_path)
    with pytest.raises(ConfigError, match="found 'sgd'"):
        config(optimiser='sgd')
    assert issubclass(TrainingGateError, Exception)


def test_moments_of_another_optimiser_are_refused(tmp_path):
    run_stage(stage(), config(steps=2), tmp_path)
    with pytest.raises(ConfigError, match='another optimiser'):
        run_stage(stage(), config(steps=4, optimiser='muon'), tmp_path)


def test_muon_moves_the_matrices_inside_layers_and_adamw_the_rest():
    module = nn.ModuleDict(
        {
            'embed_tokens': nn.Embedding(4, 3),
            'probe': nn.ModuleDict({'head': nn.Linear(3, 3)}),
            'heads': nn.ModuleDict({'objects': nn.Linear(3, 3)}),
            'layer': nn.Linear(3, 3),
            'filter': nn.Conv2d(3, 3, 1),
            'frozen': nn.Linear(3, 3).requires_grad_(False),
        }
    )
    adamw, muon = make_optimisers(module, 'muon', 0.1)
    assert [p is module['layer'].weight for p in of(muon)] == [True]
    everything = {id(p) for p in module.parameters() if p.requires_grad}
    assert {id(p) for p in [*of(adamw), *of(muon)]} == everything
    assert len([*of(adamw), *of(muon)]) == len(everything)


def of(optimiser):
    return [p for group in optimiser.param_groups for p in group['params']]


NANO = Path(__file__).parents[2] / 'training' / 'recipes' / 'nano.yaml'


def test_a_run_goes_on_with_the_stage_it_was_in(tmp_path):
    recipe = load_recipe(NANO)
    assert stages_to_run(recipe, tmp_path) == ['encoder', 'alignment', 'instruction']
    for name in ('encoder', 'alignment'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'state.json').touch()
    assert stages_to_run(recipe, tmp_path) == ['alignment', 'instruction']


def test_a_model_trained_on_begins_with_its_heads(tmp_path):
    recipe = load_recipe(NANO.with_name('nano-words.yaml'))
    assert stages_to_run(recipe, tmp_path) == ['heads', 'instruction']


def test_a_stage_that_the_recipe_lacks_is_named(tmp_path):
    with pytest.raises(ConfigError, match="found 'alignement'"):
        run_recipe(load_recipe(NANO), tmp_path, only='alignement')


def test_freed_memory_goes_back_to_the_system():
    libc = ctypes.CDLL(None)
    if not hasattr(libc, 'malloc_trim'):
        pytest.skip('no glibc')
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    size, count = 2**16, 2000  # small enough for the heap; larger ones are mapped by themselves
    blocks = [libc.malloc(size) for _ in range(count)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    kept = blocks.pop()  # keeps the heap's end where it is
    before = resident_bytes()
    for block in blocks:
        libc.free(block)
    give_back_freed_memory()
    assert before - resident_bytes() > 0.9 * size * count
    libc.free(kept)
