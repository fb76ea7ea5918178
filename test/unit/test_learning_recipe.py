"""Recipes: what is written becomes what a run reads, and every mistake is named at once."""

import math
import re
from pathlib import Path

import pytest
import yaml

from spatialllm_ros.errors import ConfigError, TrainingGateError
from spatialllm_ros.learning.conversations import MixedSource
from spatialllm_ros.learning.loop import LoopConfig
from spatialllm_ros.learning.lora import Lora
from spatialllm_ros.learning.pipeline import check_gate
from spatialllm_ros.learning.recipe import Recipe, StageConfig, load_recipe

LOOP = {'steps': 2, 'batch': 2}
MODEL = {
    'vision_configs': [{'model_type': 'spatialllm_vision'}],
    'text_config': {'model_type': 'llama'},
}
RECIPES = sorted((Path(__file__).parents[2] / 'training' / 'recipes').glob('*.yaml'))


def read(folder, text: str) -> Recipe:
    path = folder / 'recipe.yaml'
    path.write_text(text)
    return load_recipe(path)


def recipe(folder, data=(), **stage) -> Recipe:
    plain = {
        'name': 'tiny', 'seed': 0, 'model': MODEL,
        'data': {'train': 'a', 'validation': 'b', **dict(data)},
        'stages': {'instruction': {**LOOP, **stage}},
    }  # fmt: skip
    return read(folder, yaml.safe_dump(plain))


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


@pytest.mark.parametrize('name', ['encoder', 'heads'])
def test_stages_in_which_the_decoder_rests_take_no_adapters(tmp_path, name):
    plain = {
        'name': 'tiny', 'seed': 0, 'model': MODEL, 'data': {'train': 'a', 'validation': 'b'},
        'stages': {name: {**LOOP, 'lora': {'rank': 4}}},
    }  # fmt: skip
    with pytest.raises(ConfigError, match=rf'expected no lora under stages\.{name}'):
        read(tmp_path, yaml.safe_dump(plain))
    del plain['stages'][name]['lora']
    assert read(tmp_path, yaml.safe_dump(plain)).stages[name].lora is None


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


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_every_recipe_we_have_is_read(path):
    plain = yaml.safe_load(path.read_text())
    found = load_recipe(path)
    assert (found.name, found.seed, found.model) == (path.stem, plain['seed'], plain['model'])
    assert list(found.stages) == list(plain['stages'])
    for name, stage in plain['stages'].items():
        assert found.stages[name].loop.steps == stage['steps']
        assert found.stages[name].gate == stage.get('gate', {})


WRITTEN = """
name: tiny
seed: 3
model: {vision_configs: [{model_type: vit}], text_config: {model_type: llama}}
data: {train: a, validation: b}
stages:
  encoder: {steps: 5, batch: 4, learning_rate: 1.0e-3}
"""


@pytest.mark.parametrize(
    ('written', 'instead', 'complaint'),
    [
        ('seed: 3', '', 'recipe: missing seed (a whole number)'),
        ('model: {vision_configs: [{model_type: vit}], text_config: {model_type: llama}}', '',
         'recipe: missing model (a mapping)'),
        ('train: a, ', '', 'data: missing train (a path)'),
        ('data: {train: a, validation: b}', '', 'recipe: missing data (a mapping)'),
        ('steps: 5, ', '', 'stages.encoder: missing steps (a whole number)'),
        ('  encoder: {steps: 5, batch: 4, learning_rate: 1.0e-3}', '',
         "a mapping at stages under 'recipe', found None"),
        ('  encoder: {', '  - {', "a mapping at stages under 'recipe', found [{'steps': 5"),
        ('1.0e-3', '1e-3', "number (1e-3 is text in YAML, 1.0e-3 a number) at learning_rate under "
         "'stages.encoder', found '1e-3'"),
        ('steps: 5', 'steps: "5"', "a whole number at steps under 'stages.encoder', found '5'"),
        ('steps: 5', 'steps: 5.5', "a whole number at steps under 'stages.encoder', found 5.5"),
        ('seed: 3', 'seed: yes', "a whole number at seed under 'recipe', found True"),
        ('batch: 4', 'batch: 4, compile: 1', "true or false at compile under 'stages.encoder'"),
        ('batch: 4', 'batch: 4, types: exist', "a list at types under 'stages.encoder'"),
        ('batch: 4', 'batch: 4, questions_per_image: 0',
         "at least 1 at questions_per_image under 'stages.encoder', found 0"),
        ('validation: b', 'validation: b, train_scenes: 0',
         "at least 1 at train_scenes under 'data', found 0"),
        ('validation: b', 'validation: b, mixed: null', "a list at mixed under 'data'"),
        ('validation: b', 'validation: 7', "a path at validation under 'data', found 7"),
        ('seed: 3', 'seed: 3\n7: 8', "unknown key 7 under 'recipe'"),
    ],
)  # fmt: skip
def test_what_is_missing_or_of_another_kind_is_named(tmp_path, written, instead, complaint):
    assert read(tmp_path, WRITTEN).stages['encoder'].loop.learning_rate == 0.001
    assert WRITTEN.count(written) == 1
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        read(tmp_path, WRITTEN.replace(written, instead))


def test_a_recipe_without_stages_trains_nothing(tmp_path):
    complaint = r"at least one stage of \('encoder', .* under 'stages', found none"
    with pytest.raises(ConfigError, match=complaint):
        read(tmp_path, WRITTEN[: WRITTEN.index('stages')] + 'stages: {}')


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    text = WRITTEN.replace('seed: 3', '').replace('1.0e-3', '1e-3').replace('train: a, ', '')
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    for part in ('missing seed', 'missing train', "'1e-3'"):
        assert part in str(caught.value)


@pytest.mark.parametrize('bound', ['> 0.9', '>= 0.9.1', '>= high', '0.9', 0.9, None])
def test_gates_that_cannot_be_read_are_named_before_anything_is_trained(tmp_path, bound):
    complaint = rf"stages\.instruction\.gate\.exist: .*like '>= 0\.9'.*found {bound!r}"
    with pytest.raises(ConfigError, match=complaint):
        recipe(tmp_path, gate={'exist': bound})
    with pytest.raises(ConfigError, match=r"a mapping at gate under 'stages\.instruction'"):
        recipe(tmp_path, gate=['exist >= 0.9'])


@pytest.mark.parametrize(
    ('written', 'score'),
    [
        ({}, 'existence'),
        ({'types': ['exist', 'locate']}, 'count'),
        ({'grounding': '2d'}, 'grounding/heading_deg'),
    ],
)
def test_gates_on_scores_that_a_stage_will_not_have_are_named_before(tmp_path, written, score):
    complaint = rf'stages\.instruction\.gate\.{score}: expected a score among .*exist, .*mean'
    with pytest.raises(ConfigError, match=complaint):
        recipe(tmp_path, gate={score: '>= 0.9'}, **written)
    kept = {'exist': '>= 0.9', 'mean': '>= 0.8', 'grounding/pointer': '>= 0.7'}
    assert recipe(tmp_path, gate=kept, **written).stages['instruction'].gate == kept


def gated(**gate) -> StageConfig:
    return StageConfig(LoopConfig(steps=1, batch=1), gate)


def test_scores_at_their_bounds_pass_a_gate():
    check_gate('encoder', gated(a='>= 0.5', b='<=2', c='>= .25'), {'a': 0.5, 'b': 2.0, 'c': 0.25})
    with pytest.raises(TrainingGateError, match=r'a >= 0\.5, found 0\.499; b <=2, found 2\.001\.'):
        check_gate('encoder', gated(a='>= 0.5', b='<=2'), {'a': 0.499, 'b': 2.001})
    with pytest.raises(ConfigError, match=r"score .*among \['a'\], found 'b'"):
        check_gate('encoder', gated(b='<=2'), {'a': 1.0})


@pytest.mark.parametrize('bound', ['<= 0.03', '>= 0.03'])
def test_a_score_that_was_not_measured_passes_no_gate(bound):
    complaint = rf'a {bound}, which was not measured: .*data\.validation.*gate'
    with pytest.raises(TrainingGateError, match=complaint):
        check_gate('encoder', gated(a=bound), {'a': math.nan})
