"""The roadmap study: what each row changes, and its means, by hand."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation import roadmap
from spatialllm_ros.evaluation.held_out import HeldOutWorlds
from spatialllm_ros.evaluation.roadmap import (
    FLAT_TYPES,
    ROWS,
    RowScore,
    Study,
    row_recipe,
    row_score,
    run_study,
)
from spatialllm_ros.evaluation.roadmap_report import roadmap_table
from spatialllm_ros.evaluation.scoring import TWELVE, Judged
from spatialllm_ros.learning.recipe import load_recipe
from spatialllm_ros.schema import QuestionRecord

RECIPE = load_recipe(Path(__file__).parents[2] / 'training' / 'recipes' / 'roadmap.yaml')


def test_every_row_has_the_same_budget_and_adds_one_step_to_the_row_before():
    steps = [(r.asks_3d, r.aligns_3d, r.probing == '3d', r.is_mixed) for r in ROWS]
    assert [sum(step) for step in steps] == [0, 1, 2, 3, 4]
    recipes = [row_recipe(RECIPE, row, 7) for row in ROWS]
    for recipe in recipes:
        for name, stage in recipe.stages.items():
            assert stage.loop == replace(RECIPE.stages[name].loop, seed=7)
    assert [len(recipe.model['vision_configs']) for recipe in recipes] == [1, 1, 1, 1, 2]
    assert {recipe.seed for recipe in recipes} == {7}


def test_without_3d_data_only_the_flat_image_is_asked_about():
    flat, *others = (row_recipe(RECIPE, row, 0) for row in ROWS)
    assert flat.stages['instruction'].types == FLAT_TYPES
    assert not set(FLAT_TYPES) & set(TWELVE)
    assert not any(recipe.stages['instruction'].types for recipe in others)
    assert flat.stages['instruction'].grounding == '2d'
    assert [r.stages['instruction'].grounding for r in others] == ['2d', '3d', '3d', '3d']
    assert [r.stages['encoder'].probing for r in others] == ['2d', '2d', '3d', '3d']


def judged(name, is_right) -> Judged:
    return Judged(QuestionRecord('s', name, 'what?', ('a', 'b'), 'a'), '', is_right, 0.5)


def test_means_are_over_types_and_not_over_questions():
    seen = [judged(name, is_right=True) for name in TWELVE]
    seen += [judged('height_higher', is_right=False)] * 3
    seen += [judged('control_colour', is_right=False), judged('reasoning_collision', True)]
    blind = [replace(item, is_right=False) for item in seen]
    score = row_score('+ 3D encoder', 1, seen, blind)
    assert score.mean_twelve == pytest.approx((11 + 0.25) / 12)
    assert score.blind_twelve == 0
    assert score.families['2D control'] == 0
    assert score.families['spatial reasoning'] == 1
    assert score.families['distance'] == pytest.approx((4 + 0.25) / 5)


def test_rows_that_have_a_score_start_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(roadmap, 'ProcessPoolExecutor', None)
    scores = []
    for index, row in enumerate(ROWS):
        for seed in (3, 5):
            scores.append(RowScore(row.name, seed, index / 8, 0.5, {'distance': 0.25}))
            folder = tmp_path / f'seed-{seed}' / f'row-{index}'
            folder.mkdir(parents=True)
            text = json.dumps(asdict(scores[-1]))
            (folder / f'score-of-40-from-{HeldOutWorlds.first_seed}.json').write_text(text)
    assert run_study(Study(RECIPE, tmp_path, (3, 5), HeldOutWorlds(count=40))) == scores
    with pytest.raises(TypeError, match='NoneType'):  # others were not scored yet
        run_study(Study(RECIPE, tmp_path, (3, 5), HeldOutWorlds(count=41)))


def test_an_encoder_whose_copy_broke_off_is_copied_again(tmp_path, monkeypatch):
    first, second = tmp_path / 'row-0' / 'encoder', tmp_path / 'row-1' / 'encoder'
    first.mkdir(parents=True)
    for name in ('state.json', 'weights-0.safetensors'):
        (first / name).write_text(name)
    copytree = roadmap.shutil.copytree

    def break_off(source, target, **_):
        copytree(source, target, ignore=lambda *_: ['weights-0.safetensors'])
        raise KeyboardInterrupt

    monkeypatch.setattr(roadmap.shutil, 'copytree', break_off)
    with pytest.raises(KeyboardInterrupt):
        roadmap._share_encoder(second.parent, ROWS[1])
    monkeypatch.setattr(roadmap.shutil, 'copytree', copytree)
    roadmap._share_encoder(second.parent, ROWS[1])
    assert sorted(path.name for path in second.iterdir()) == [
        'state.json',
        'weights-0.safetensors',
    ]


def test_worlds_that_lack_a_type_cannot_be_averaged():
    seen = [judged(name, is_right=True) for name in TWELVE[1:]]
    with pytest.raises(ConfigError, match=f"none of .'{TWELVE[0]}'.: score each row on more"):
        row_score('+ 3D encoder', 1, seen, seen)


def test_the_table_holds_means_spreads_and_steps():
    families = dict.fromkeys(('distance', 'orientation', 'spatial reasoning', '2D control'), 0.5)
    scores = [
        RowScore(ROWS[row].name, seed, mean, 0.4, families)
        for row, found in ((0, (0.4, 0.44)), (1, (0.5, 0.6)))
        for seed, mean in enumerate(found)
    ]
    first, second = roadmap_table(scores).splitlines()[2:]
    assert first.startswith('| 2D data alone | 42.0 | 40.0-44.0 |  | 40.0 | 50.0 |')
    assert second.startswith('| + 3D instruction data | 55.0 | 50.0-60.0 | +13.0 |')
