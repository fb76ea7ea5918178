"""The export plan against the shipped bundle, and a trial of a tiny model as if it were large."""

from dataclasses import replace
from pathlib import Path

import pytest

from spatialllm_ros.deploy.bundle_export import ExportSettings
from spatialllm_ros.deploy.export_plan import plan_export
from spatialllm_ros.deploy.large_trial import QUESTION, TrialSizes, run_trial
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.recipe import load_recipe
from spatialllm_ros.runtime.bundle import load_bundle

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


def test_a_context_without_room_for_the_image_is_refused():
    with pytest.raises(ConfigError, match='at least 110 positions'):
        plan_export(load_recipe(RECIPES / 'nano.yaml'), replace(SETTINGS, context=100))


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
