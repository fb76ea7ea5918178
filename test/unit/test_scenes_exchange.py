"""Questions in other projects' files: what is written is what was asked, read by other readers."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from spatialllm_ros.errors import SceneError
from spatialllm_ros.evaluation.benchmarks.cv_bench import read_cv_bench
from spatialllm_ros.evaluation.benchmarks.items import BenchmarkItem
from spatialllm_ros.learning.scene_arrays import open_shards
from spatialllm_ros.scenes.exchange import asked_images, write_llava, write_tsv
from spatialllm_ros.scenes.shard_questions import Asking
from spatialllm_ros.scenes.shards import RenderedScene, write_shard
from spatialllm_ros.schema import QuestionRecord

PER_SCENE = 12


@pytest.fixture(scope='module')
def shards(tmp_path_factory, sampled_scene):
    """A folder of two shards; the images hold noise, as nothing here looks at them."""
    folder = tmp_path_factory.mktemp('shards')
    rng = np.random.default_rng(0)
    for index in range(2):
        rendered = [
            RenderedScene(
                replace(sampled_scene(seed), scene_id=f'sim-{seed}'),
                rng.integers(0, 256, (144, 192, 3), dtype=np.uint8),
                np.full((36, 48), -1, np.int8),
            )
            for seed in range(3 * index, 3 * index + 3)
        ]
        write_shard(folder, index, rendered)
    return folder


@pytest.fixture(scope='module')
def asked(shards):
    return list(asked_images(shards, Asking(PER_SCENE, 'eval')))


def test_equal_seeds_ask_alike_and_others_do_not(shards, asked):
    again = list(asked_images(shards, Asking(PER_SCENE, 'eval')))
    assert [item.records for item in again] == [item.records for item in asked]
    other = list(asked_images(shards, Asking(PER_SCENE, 'eval', seed=1)))
    assert [item.records for item in other] != [item.records for item in asked]


def test_conversations_hold_every_question_and_its_image(asked, tmp_path):
    count = write_llava(asked, tmp_path)
    found = json.loads((tmp_path / 'questions.json').read_text())
    assert count == sum(len(item.records) for item in asked)
    for entry, item in zip(found, asked, strict=True):
        turns = entry['conversations']
        assert [turn['from'] for turn in turns] == ['human', 'gpt'] * len(item.records)
        questions = [turn['value'] for turn in turns[::2]]
        assert questions[0] == '<image>\n' + item.records[0].question
        assert questions[1:] == [record.question for record in item.records[1:]]
        assert [turn['value'] for turn in turns[1::2]] == [r.answer for r in item.records]
        pixels = cv2.imread(str(tmp_path / entry['image']))[..., ::-1]
        assert np.array_equal(pixels, item.rgb)
        assert entry['licence'] == item.scene.licence


def test_tables_are_read_back_by_the_benchmark_reader(asked, tmp_path):
    count = write_tsv(asked, tmp_path)
    items = list(read_cv_bench(tmp_path / 'questions.tsv'))
    closed = [
        (item, record)
        for item in asked
        for record in item.records
        if record.answer in record.options
    ]
    assert count == len(items) == len(closed) > 20
    for found, (item, record) in zip(items, closed, strict=True):
        assert isinstance(found, BenchmarkItem)
        assert (found.type, found.query.question) == (record.type, record.question)
        assert found.query.options == record.options
        assert record.options[found.truth.index] == record.answer
        pixels = cv2.imdecode(np.frombuffer(found.image, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert np.array_equal(pixels, item.rgb)


def test_every_option_has_a_letter(asked, tmp_path):
    colours = ('red', 'orange', 'yellow', 'green', 'blue', 'purple', 'white', 'black')
    records = [
        QuestionRecord('sim-0', 'control_colour', 'which?', colours, colour) for colour in colours
    ]
    assert write_tsv([replace(asked[0], records=records)], tmp_path) == 8
    found = list(read_cv_bench(tmp_path / 'questions.tsv'))
    assert [item.query.options for item in found] == [colours] * 8
    assert [colours[item.truth.index] for item in found] == list(colours)


def load_all(folder) -> None:
    list(asked_images(folder, Asking(4)))


@pytest.mark.parametrize('content', [None, b'', b'\x93NUMPY no array'])
def test_images_that_are_missing_or_damaged_are_named(shards, tmp_path, content):
    folder = shutil.copytree(shards, tmp_path / 'shards')
    images = folder / 'images-00001.npy'
    images.unlink()
    if content is not None:
        images.write_bytes(content)
    for read in (load_all, open_shards):
        with pytest.raises(SceneError, match=r'expected images in .*images-00001\.npy'):
            read(folder)


def test_a_folder_without_shards_is_named(tmp_path):
    with pytest.raises(SceneError, match='found none'):
        list(asked_images(tmp_path, Asking(4)))
