"""Shards that training reads: their own questions, their own size, and no worlds kept apart."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatialllm_ros import geometry, relations
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning import question_arrays, question_data
from spatialllm_ros.learning.pipeline import run_recipe
from spatialllm_ros.learning.question_data import AskedQuestions, load_question_data
from spatialllm_ros.learning.recipe import DataConfig, load_recipe
from spatialllm_ros.learning.scene_arrays import load_scene_arrays, token_shares
from spatialllm_ros.learning.shard_checks import check_shards, counted_scenes
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.scenes import catalogue, mirror, shard_questions
from spatialllm_ros.scenes.shards import RenderedScene, write_shard
from spatialllm_ros.schema import Scene

NANO = Path(__file__).parents[2] / 'training' / 'recipes' / 'nano.yaml'
GRID = (9, 12)
SIZE_PX = (192, 144)
VALIDATION, HELD_OUT = 800_000_000, 900_000_000
"""The first seeds of both sets, as docs and DESIGN have them."""


def written(folder: Path, scenes: list[Scene], size_px=SIZE_PX, shard=0) -> Path:
    width, height = size_px
    folder.mkdir(exist_ok=True)
    owners = np.zeros((height // 4, width // 4), np.int8)
    blank = np.zeros((height, width, 3), np.uint8)
    write_shard(folder, shard, [RenderedScene(scene, blank, owners) for scene in scenes])
    return folder


@pytest.fixture(scope='module')
def scenes(sampled_scene) -> list[Scene]:
    return [sampled_scene(seed) for seed in range(6)]


def numbered(scenes: list[Scene], *names: str) -> list[Scene]:
    return [replace(scene, scene_id=name) for scene, name in zip(scenes, names, strict=False)]


def test_replaced_scenes_are_asked_anew_and_equal_ones_are_not(scenes, tmp_path):
    asked = AskedQuestions(build_tokenizer(), per_view=4)
    folder = written(tmp_path / 'shards', scenes[:3])
    first = load_question_data(folder, GRID, 3, asked).questions
    again = load_question_data(written(folder, scenes[:3]), GRID, 3, asked).questions
    np.testing.assert_array_equal(first.tokens, again.tokens)
    assert len(list(folder.glob('questions-*.npz'))) == 1
    replaced = load_question_data(written(folder, scenes[3:]), GRID, 3, asked).questions
    fresh = load_question_data(written(tmp_path / 'fresh', scenes[3:]), GRID, 3, asked).questions
    np.testing.assert_array_equal(replaced.tokens, fresh.tokens)
    assert not np.array_equal(first.tokens, fresh.tokens)


@pytest.mark.parametrize(
    'module',
    [geometry, relations, catalogue, mirror, shard_questions, question_arrays, question_data],
)
def test_changed_code_asks_anew(tmp_path, monkeypatch, module):
    asked = AskedQuestions(build_tokenizer(), per_view=4)
    before = asked.key(1)
    changed = tmp_path / 'changed.py'
    changed.write_text(Path(module.__file__).read_text() + '# changed\n')
    monkeypatch.setattr(module, '__file__', str(changed))
    assert asked.key(1) != before


def test_shards_behind_the_limit_do_not_matter_to_the_questions(scenes, tmp_path):
    asked = AskedQuestions(build_tokenizer(), per_view=4)
    folder = written(tmp_path, scenes[:3])
    load_question_data(folder, GRID, 3, asked)
    load_question_data(written(folder, scenes[3:], shard=1), GRID, 3, asked)
    assert len(list(folder.glob('questions-*.npz'))) == 1


@pytest.mark.parametrize(('size_px', 'grid'), [((336, 336), (24, 24)), ((320, 240), (11, 13))])
def test_samples_count_for_the_token_that_their_pixel_is_in(size_px, grid):
    """Sample i of the object map stands for pixel 4 i + 2."""
    width, height = size_px
    rng = np.random.default_rng(0)
    owners = rng.integers(-1, 8, (2, height // 4, width // 4)).astype(np.int8)
    expected = np.zeros((2, 8, *grid), np.int64)
    for scene, row, column in np.ndindex(owners.shape):
        token = (4 * row + 2) * grid[0] // height, (4 * column + 2) * grid[1] // width
        if owners[scene, row, column] >= 0:
            expected[(scene, owners[scene, row, column], *token)] += 1
    shares = token_shares(owners, grid)
    assert shares.dtype == np.uint8
    np.testing.assert_array_equal(shares.reshape(expected.shape), expected)


def test_a_map_that_the_grid_does_not_divide_is_read(scenes, tmp_path):
    arrays = load_scene_arrays(written(tmp_path, scenes[:1], (336, 336)), (24, 24))
    assert arrays.shares.sum() == 84 * 84
    assert set(np.unique(arrays.shares[0, 0])) == {9, 12, 16}


def checked(tmp_path, train: list[Scene], wanted_px=SIZE_PX, found_px=SIZE_PX, limit=40_000):
    validation = numbered(train, *(f'sim-{VALIDATION + i}' for i in range(6)))
    folders = (
        written(tmp_path / 'train', train, found_px),
        written(tmp_path / 'validation', validation),
    )
    check_shards(DataConfig(*folders, train_scenes=limit), wanted_px)


def test_training_worlds_and_photographs_are_taken(scenes, tmp_path):
    names = (
        'sim-0',
        f'sim-{VALIDATION - 1}',
        'kitti-000900000000',
        'imagenet3d-car-sim-900000000',
    )
    checked(tmp_path, numbered(scenes, *names))


@pytest.mark.parametrize('seed', [VALIDATION, HELD_OUT - 1, HELD_OUT, HELD_OUT + 99_999_999])
def test_worlds_kept_for_validation_and_tests_are_not_trained_on(scenes, tmp_path, seed):
    kept_apart = numbered(scenes, 'sim-1', 'sim-2', f'sim-{seed}')
    with pytest.raises(ConfigError, match=rf'found sim-{seed} in .*train: .*--split train'):
        checked(tmp_path, kept_apart)
    checked(tmp_path, kept_apart, limit=2)  # the third is not read


@pytest.mark.parametrize(
    ('wanted_px', 'found_px', 'complaint'),
    [
        ((320, 240), SIZE_PX, r'320x240 px, .*found 192x144 in .*train.*images-00000\.npy'),
        (SIZE_PX, (336, 336), r'192x144 px, .*found 336x336 in .*train'),
        ((336, 336), (336, 336), r'336x336 px, .*found 192x144 in .*validation'),
    ],
)
def test_images_have_the_size_of_the_recipe(scenes, tmp_path, wanted_px, found_px, complaint):
    with pytest.raises(ConfigError, match=complaint):
        checked(tmp_path, scenes, wanted_px, found_px)


def test_one_folder_is_not_both_to_train_on_and_to_validate_on(scenes, tmp_path):
    folder = written(tmp_path / 'train', scenes)
    (tmp_path / 'other').mkdir()
    same = DataConfig(folder, tmp_path / 'other' / '..' / 'train')
    with pytest.raises(ConfigError, match=r'data\.train and data\.validation.*found .*train'):
        check_shards(same, SIZE_PX)


def test_no_scene_is_both_trained_on_and_validated_on(scenes, tmp_path):
    names = [f'kitti-{number:06d}' for number in range(6)]
    train = written(tmp_path / 'train', numbered(scenes, *names[:4]))
    copied = shutil.copytree(train, tmp_path / 'copied')
    overlapping = written(tmp_path / 'overlapping', numbered(scenes, names[4], names[3]))
    with pytest.raises(ConfigError, match=r'found kitti-000000 in .*train and .*copied'):
        check_shards(DataConfig(train, copied), SIZE_PX)
    with pytest.raises(ConfigError, match=r'found kitti-000003 in .*train and .*overlapping'):
        check_shards(DataConfig(train, overlapping), SIZE_PX)
    # What is not read does not matter.
    check_shards(DataConfig(train, overlapping, train_scenes=3), SIZE_PX)
    check_shards(DataConfig(train, overlapping, validation_scenes=1), SIZE_PX)


@pytest.mark.parametrize('seed', [HELD_OUT, HELD_OUT + 99_999_999])
def test_held_out_worlds_are_not_validated_on(scenes, tmp_path, seed):
    train = written(tmp_path / 'train', numbered(scenes, 'sim-1'))
    held = written(tmp_path / 'held', numbered(scenes, f'sim-{VALIDATION}', f'sim-{seed}'))
    with pytest.raises(ConfigError, match=rf'found sim-{seed} in .*held: .*--split validation'):
        check_shards(DataConfig(train, held), SIZE_PX)
    check_shards(DataConfig(train, held, validation_scenes=1), SIZE_PX)


def test_scenes_are_counted_beside_what_would_be_read(scenes, tmp_path):
    names = [f'kitti-{number:06d}' for number in range(6)]
    train = written(tmp_path / 'train', numbered(scenes, *names[:4]))
    held = written(tmp_path / 'held', numbered(scenes, *names[4:]))
    told = counted_scenes(DataConfig(train, held, train_scenes=60_000, validation_scenes=1))
    assert told == f'4 of at most 60,000 scenes in {train}, 1 of at most 1 scenes in {held}'


@pytest.mark.parametrize('stage', ['encoder', 'instruction'])
def test_a_run_begins_no_stage_on_worlds_kept_for_tests(scenes, tmp_path, stage):
    data = DataConfig(
        written(
            tmp_path / 'train', numbered(scenes[:2], f'sim-{HELD_OUT}', f'sim-{HELD_OUT + 1}')
        ),
        written(tmp_path / 'validation', scenes[2:4]),
    )
    recipe = replace(load_recipe(NANO), data=data)
    with pytest.raises(ConfigError, match=f'found sim-{HELD_OUT} in'):
        run_recipe(recipe, tmp_path / 'run', only=stage, minutes=0)
    assert not (tmp_path / 'run').exists()
    assert not list(tmp_path.glob('*/questions-*'))
