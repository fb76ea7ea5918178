"""Killed, shared among processes or sharded: training comes to the same weights and losses."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from spatialllm_ros.errors import SceneError
from spatialllm_ros.learning.checkpoints import load_moments, load_weights
from spatialllm_ros.scenes.rendering import SPLIT_SEEDS, RenderRequest, render_scenes
from spatialllm_ros.scenes.simulated import SceneSimulator

ROOT = Path(__file__).parents[2]
STEPS = 8
MODEL = {
    'image_size': [192, 144], 'image_grid': [9, 12], 'fusion': 'channel',
    'vision_configs': [{'model_type': 'spatialllm_vision', 'widths': [8, 8, 12],
                        'num_hidden_layers': 1, 'num_attention_heads': 2}],
    'text_config': {'model_type': 'llama', 'hidden_size': 24, 'intermediate_size': 32,
                    'num_hidden_layers': 3, 'num_attention_heads': 4, 'num_key_value_heads': 4,
                    'max_position_embeddings': 256, 'attention_dropout': 0.1,
                    'tie_word_embeddings': True},
}  # fmt: skip
SIGLIP = {
    'model_type': 'siglip_vision_model', 'hidden_size': 16, 'intermediate_size': 24,
    'num_hidden_layers': 2, 'num_attention_heads': 2, 'image_size': 48, 'patch_size': 16,
    'use': {'size': [48, 48]},
}  # fmt: skip
"""A backbone with a pooling head, which no image token depends on."""
STAGE = {
    'steps': STEPS, 'batch': 4, 'learning_rate': 0.0005, 'optimiser': 'muon', 'warmup_steps': 2,
    'log_every': 1, 'evaluate_every': 4, 'checkpoint_every': 3, 'questions_per_image': 4,
    'train_vision': True, 'precision': 'fp32',
}  # fmt: skip


@pytest.fixture(scope='module')
def shards(tmp_path_factory) -> Path:
    try:
        SceneSimulator(16, 12).close()
    except SceneError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp('shards')
    for split, count in (('train', 24), ('validation', 4)):
        render_scenes(RenderRequest(folder / split, split, SPLIT_SEEDS[split].start, count))
    return folder


@pytest.fixture(scope='module')
def trained(shards, tmp_path_factory):
    """Return the function that trains one stage and returns its folder, once for equal wishes."""
    done: dict[str, Path] = {}

    def train(processes: int = 1, vision: tuple[dict, ...] = (), **changes) -> Path:
        wish = f'{processes} {vision} {changes}'
        if wish not in done:
            folder = tmp_path_factory.mktemp('run')
            command = train_command(shards, folder, processes, vision, **changes)
            subprocess.run(command, cwd=ROOT, env=one_thread(), check=True)
            done[wish] = folder / 'instruction'
        return done[wish]

    return train


def train_command(shards, folder, processes=1, vision=(), **changes) -> list[str]:
    model = {**MODEL, 'vision_configs': [*MODEL['vision_configs'], *vision]}
    data = {'train': str(shards / 'train'), 'validation': str(shards / 'validation'),
            'train_scenes': 24, 'validation_scenes': 4}  # fmt: skip
    recipe = {'name': 'tiny', 'seed': 3, 'model': model, 'data': data,
              'stages': {'instruction': {**STAGE, **changes}}}  # fmt: skip
    path = folder / 'tiny.yaml'
    path.write_text(yaml.safe_dump(recipe))
    many = ['-m', 'torch.distributed.run', '--standalone', f'--nproc-per-node={processes}']
    start = [sys.executable, *(many if processes > 1 else [])]
    return [*start, 'training/train.py', str(path), '--out', str(folder)]


def one_thread() -> dict[str, str]:
    return {**os.environ, 'OMP_NUM_THREADS': '1'}


def curve(stage: Path) -> dict[tuple[str, ...], float]:
    """Return all that was logged, except how fast it was."""
    with (stage / 'curve.csv').open(newline='') as file:
        rows = list(csv.reader(file))
    found = {tuple(row[:3]): float(row[3]) for row in rows if row[2] != 'images_per_s'}
    assert sum(row[2] != 'images_per_s' for row in rows) == len(found)  # nothing twice
    return found


def checkpoint(stage: Path) -> dict[str, np.ndarray]:
    files = [load_weights(stage), load_moments(stage)]
    return {f'{i} {k}': value.numpy() for i, file in enumerate(files) for k, value in file.items()}


def test_a_killed_run_ends_at_the_weights_of_an_unbroken_one(trained, shards, tmp_path):
    command = train_command(shards, tmp_path)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=one_thread(), stdout=pipe, text=True) as broken:
        for line in broken.stdout:
            if f'step 5/{STEPS} train' in line:  # two steps behind the last checkpoint
                broken.kill()
    assert broken.returncode == -9
    assert not (tmp_path / 'model').exists()
    subprocess.run(command, cwd=ROOT, env=one_thread(), check=True)
    whole, resumed = trained(), tmp_path / 'instruction'
    assert curve(whole) == curve(resumed)
    expected, found = checkpoint(whole), checkpoint(resumed)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert value.tobytes() == found[name].tobytes(), name


@pytest.mark.parametrize('vision', [(), (SIGLIP,)], ids=['nano', 'siglip'])
def test_two_processes_learn_what_one_learns_from_their_batches(trained, vision):
    alone = curve(trained(accumulate=2, vision=vision))
    together = curve(trained(processes=2, vision=vision))
    assert alone.keys() == together.keys()
    losses = [key for key in alone if key[1] == 'train']
    assert len(losses) == STEPS * len({key[2] for key in losses})
    for key in losses:
        assert together[key] == pytest.approx(alone[key], rel=2e-4), key


def test_sharded_weights_learn_what_whole_ones_learn(trained, shards, tmp_path):
    slow = {'processes': 2, 'learning_rate': 0.0002}  # for larger steps make more of rounding
    command = train_command(shards, tmp_path, **slow, sharding='full')
    for part in (['--minutes', '0'], []):  # one step, and from its checkpoint to the end
        subprocess.run([*command, *part], cwd=ROOT, env=one_thread(), check=True)
    whole, shared = trained(**slow), tmp_path / 'instruction'
    expected, found = curve(whole), curve(shared)
    for key, value in expected.items():
        if key[1] == 'train':
            assert found[key] == pytest.approx(value, rel=2e-5), key
    weights, own = checkpoint(whole), checkpoint(shared)
    assert {name: value.shape for name, value in weights.items()} == {
        name: value.shape for name, value in own.items()
    }


def test_adapters_end_in_the_decoders_own_weights(trained):
    adapted = trained(lora={'rank': 2, 'alpha': 6})
    model = load_file(adapted.parent / 'model' / 'model.safetensors')
    assert model.keys() == load_file(trained().parent / 'model' / 'model.safetensors').keys()
    stage = {name: value.numpy() for name, value in load_weights(adapted).items()}
    own = 'language_model.model.layers.2.mlp.up_proj'
    up, down = (stage[f'model.{own}.lora_{part}.default.weight'] for part in 'BA')
    assert (up.shape, down.shape) == ((32, 2), (2, 24))
    assert np.abs(up).max() > 0
    base = stage[f'model.{own}.base_layer.weight']
    np.testing.assert_allclose(model[f'{own}.weight'], base + 3 * up @ down, atol=1e-6)
