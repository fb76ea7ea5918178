"""Recipes: what is written becomes what a run reads, and every mistake is named at once."""

from pathlib import Path

import pytest
import yaml

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.conversations import MixedSource
from spatialllm_ros.learning.lora import Lora
from spatialllm_ros.learning.recipe import load_recipe

LOOP = {'steps': 2, 'batch': 2}


def recipe(folder, data=(), **stage):
    plain = {
        'name': 'tiny', 'seed': 0, 'model': {},
        'data': {'train': 'a', 'validation': 'b', **dict(data)},
        'stages': {'instruction': {**LOOP, **stage}},
    }  # fmt: skip
    path = folder / 'recipe.yaml'
    path.write_text(yaml.safe_dump(plain))
    return load_recipe(path)


def test_adapters_and_mixed_data_are_read(tmp_path):
    source = {'path': 'chats.json', 'images': 'coco', 'weight': 0.2}
    found = recipe(
        tmp_path, {'mixed': [source]}, lora={'rank': 4, 'targets': ['q_proj']}, sharding='full'
    )
    stage = found.stages['instruction']
    assert stage.lora == Lora(rank=4, targets=('q_proj',))
    assert (stage.loop.sharding, stage.loop.accumulate, stage.loop.precision) == (
        'full', 1, 'auto',
    )  # fmt: skip
    assert found.data.mixed == (MixedSource(Path('chats.json'), Path('coco'), 0.2),)
    plain = recipe(tmp_path)
    assert (plain.stages['instruction'].lora, plain.data.mixed) == (None, ())


def test_all_unknown_keys_are_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        recipe(tmp_path, {'mixed': [{'file': 'x'}]}, lora={'ranks': 1}, step=3)
    for key in ("'file' under 'data.mixed[0]'", "'ranks' under 'stages.instruction.lora'",
                "'step' under 'stages.instruction'"):  # fmt: skip
        assert f'unknown key {key}' in str(caught.value)


def test_mixed_data_without_a_path_or_a_weight_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r'data\.mixed\[0\]: missing images, weight'):
        recipe(tmp_path, {'mixed': [{'path': 'x'}]})


@pytest.mark.parametrize('key', ['sharding', 'precision', 'optimiser'])
def test_unknown_choices_are_named(tmp_path, key):
    with pytest.raises(ConfigError, match=f"expected {key} to be one of .*found 'some'"):
        recipe(tmp_path, **{key: 'some'})


@pytest.mark.parametrize('key', ['probing', 'grounding'])
def test_unknown_ways_of_teaching_are_named(tmp_path, key):
    with pytest.raises(ConfigError, match=rf"stages\.instruction\.{key} of .*found '4d'"):
        recipe(tmp_path, **{key: '4d'})
