"""The export plan against the shipped bundle, and a trial of a tiny model as if it were large."""

from dataclasses import replace
from pathlib import Path

import pytest

from spatialllm_ros.deploy.bundle_export import ExportSettings
from spatialllm_ros.deploy.export_plan import plan_export
from spatialllm_ros.deploy.large_trial import QUESTION, TrialSizes, run_trial
from spatialllm_ros.deploy.memory_tables import memory_tables
from spatialllm_ros.deploy.precision import write_quantised
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.recipe import load_recipe
from spatialllm_ros.runtime.bundle import load_bundle

MODELS = ('nano', 'small', '8b')
RECIPES = Path('training/recipes')
SETTINGS = ExportSettings('plan')


def test_plan_of_nano_is_what_the_shipped_bundle_has():
    plan = plan_export(load_recipe(RECIPES / 'nano.yaml'), SETTINGS)
    manifest = load_bundle(Path('models/nano')).manifest
    found = {entry.path: entry.bytes for entry in manifest.files.values()}
    for file, sizes in plan.files.items():
        assert sizes['float32'] == pytest.approx(found[file], rel=0.04), file
    spec = manifest.decoder
    assert plan.cache_per_token == 4 * 2 * spec.layers * spec.kv_heads * spec.head_size


def test_plan_of_another_image_and_room_counts_as_the_export_does():
    """16 times 12 tokens of 16 pixels and 8 questions of 72 tokens behind the start."""
    settings = replace(SETTINGS, image_size=(256, 192), questions=8)
    plan = plan_export(load_recipe(RECIPES / 'nano.yaml'), settings)
    assert plan.context == 1 + 16 * 12 + 8 * 74
    own = plan_export(load_recipe(RECIPES / 'nano.yaml'), SETTINGS)
    assert plan.files['vision.onnx'] == own.files['vision.onnx']
    with pytest.raises(ConfigError, match='at most 193 tokens'):
        plan_export(load_recipe(RECIPES / 'nano.yaml'), replace(settings, image_size=(512, 384)))


def test_plan_of_eight_billion_counts_as_a_hand_does():
    plan = plan_export(load_recipe(RECIPES / '8b.yaml'), replace(SETTINGS, context=1024))
    layer = 4096 * (2 * 4096 + 2 * 1024) + 3 * 4096 * 14336
    products = 32 * layer + 4096 * (128256 + 5)
    sizes = plan.files['decoder.onnx']
    assert sizes['float32'] == pytest.approx(4 * products, rel=0.001)
    assert sizes['float16'] == pytest.approx(2 * products, rel=0.001)
    assert sizes['int4'] == pytest.approx(products * (1 / 2 + 4 / 32), rel=0.001)
    assert plan.cache_per_token == 32 * 2 * 8 * 128 * 4
    assert plan.memory < 20 * 2**30
    assert 'float32 weights in a data file' in plan.table()


def test_plan_of_a_cut_vocabulary_has_so_many_rows_fewer():
    recipe, settings = load_recipe(RECIPES / '8b.yaml'), replace(SETTINGS, context=1024)
    whole, cut = plan_export(recipe, settings), plan_export(recipe, settings, 2000)
    rows = 128256 + 5 - 2000
    fewer = {
        name: sizes['float32'] - cut.files[name]['float32'] for name, sizes in whole.files.items()
    }
    assert fewer['vision.onnx'] == 0
    assert fewer['decoder.onnx'] == pytest.approx(4 * 4096 * rows, rel=1e-6)
    assert fewer['embeddings.npy'] == 2 * 4096 * rows
    assert fewer['model.safetensors'] == 2 * 2 * 4096 * rows  # words in, words out


@pytest.mark.parametrize('entries', [0, -1, 10**6])
def test_a_vocabulary_cannot_be_cut_to_more_than_it_has_or_to_nothing(entries):
    with pytest.raises(ConfigError, match=f'entries .* to keep, found {entries}'):
        plan_export(load_recipe(RECIPES / 'nano.yaml'), SETTINGS, entries)


@pytest.mark.parametrize('precision', ['int8', 'int4'])
def test_plan_of_quantised_half_precision_is_what_quantising_writes(tmp_path, precision):
    plan = plan_export(load_recipe(RECIPES / 'nano.yaml'), SETTINGS)
    bundle = load_bundle(Path('models/nano'))
    for step in ('fp16', precision):
        folder = tmp_path / step
        folder.mkdir()
        write_quantised(bundle, folder, step)
        bundle = load_bundle(folder)
    kind = bundle.manifest.decoder.precision
    assert kind == f'float16-{precision}'
    for role in ('vision', 'decoder', 'embeddings'):
        path = bundle.path(role)
        assert plan.files[path.name][kind] == pytest.approx(path.stat().st_size, rel=0.04), role


def test_memory_on_robots_is_the_plan_s_and_the_guide_s():
    settings = replace(SETTINGS, context=1024)
    plans = [plan_export(load_recipe(RECIPES / f'{name}.yaml'), settings) for name in MODELS]
    tables = memory_tables(plans)
    assert tables in Path('docs/guide/deployment.md').read_text(), 'export/plan_export.py'
    products = 32 * (4096 * (2 * 4096 + 2 * 1024) + 3 * 4096 * 14336) + 4096 * 128261
    four_bits = products * (1 / 2 + 2 / 32)
    (row,) = (line for line in tables.splitlines() if '`8b` | decoder' in line)
    assert float(row.split()[-2].replace(',', '')) == pytest.approx(four_bits / 1e6, abs=2)
    vision = plans[2].files['vision.onnx']['float16']
    left = 8 * 2**30 - four_bits - vision - 4 * 128261 * 4096 - 256 * 1024 * 1024
    assert f'| {left / 2**30:.1f} GiB |' in tables
    assert f'| `orin-nano` | 8 GiB | {8 * 1024 // 16} MiB |' in tables


def test_what_is_larger_than_a_device_does_not_fit():
    plan = plan_export(load_recipe(RECIPES / '8b.yaml'), replace(SETTINGS, context=1024))
    longer = replace(plan, context=8192)
    rows = [line.split(' | ')[-1] for line in memory_tables([longer]).splitlines()[-5:]]
    assert rows[0] == 'does not fit |'
    assert rows[-2].endswith('GiB |')


def test_a_context_without_room_for_the_image_is_refused():
    with pytest.raises(ConfigError, match='at least 135 positions'):
        plan_export(load_recipe(RECIPES / 'nano.yaml'), replace(SETTINGS, context=100))


@pytest.mark.parametrize('sizes', [{'heads': 5}, {'key_heads': 3}, {'hidden_size': 100}])
def test_sizes_that_make_no_decoder_are_refused(sizes):
    with pytest.raises(ConfigError, match='multiple of the key heads, found'):
        TrialSizes(**{'hidden_size': 64, 'heads': 8, 'key_heads': 4} | sizes)


@pytest.mark.parametrize(
    'name', ['layers', 'hidden_size', 'intermediate_size', 'heads', 'key_heads']
)
@pytest.mark.parametrize('size', [0, -4])
def test_sizes_below_one_are_refused(name, size):
    plain = {'hidden_size': 64, 'heads': 8, 'key_heads': 4} | {name: size}
    with pytest.raises(ConfigError, match=f'sizes from 1 on, found {name} {size}'):
        TrialSizes(**plain)


def test_trial_of_a_tiny_model_answers_and_keeps_its_bundles(tmp_path):
    sizes = TrialSizes(1, 64, 96, 2, 1)
    told: list[str] = []
    settings = ExportSettings('trial', context=256, inside_bytes=100_000)
    answer = run_trial(sizes, ['int8', 'int4'], settings, tmp_path, told.append)
    assert answer.text in QUESTION.options
    decoders = {line.split()[0]: float(line.split()[2]) for line in told if ' decoder ' in line}
    assert decoders['int4'] < 0.3 * decoders['float32']
    assert {load_bundle(tmp_path / n).manifest.decoder.precision for n in decoders} == {*decoders}
    with pytest.raises(ConfigError, match=r"found \['model', 'float32', 'int4'\]; delete"):
        run_trial(sizes, ['int4'], settings, tmp_path, told.append)
