"""Questions beside shards: the same by any split of the work, balanced over the whole set."""

import json
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from spatialllm_ros.errors import ConfigError, SceneError
from spatialllm_ros.questions import QUESTION_TYPES
from spatialllm_ros.scenes.exchange import asked_images
from spatialllm_ros.scenes.jobs import Part, Workers
from spatialllm_ros.scenes.shard_questions import Asking, write_questions
from spatialllm_ros.scenes.shards import RenderedScene, shard_path, write_shard

SHARDS, SCENES = 3, 150
"""Enough of the rarest type: what a balancer lets pass weighs little then."""
ASKING = Asking(per_scene=12)


@pytest.fixture(scope='module')
def shards(tmp_path_factory, sampled_scene):
    folder = tmp_path_factory.mktemp('shards')
    blank = np.zeros((12, 16, 3), np.uint8), np.full((3, 4), -1, np.int8)
    for index in range(SHARDS):
        seeds = range(SCENES * index, SCENES * (index + 1))
        write_shard(folder, index, [RenderedScene(sampled_scene(seed), *blank) for seed in seeds])
    return folder


def ask(folder, **workers) -> dict[str, str]:
    """Return the files that asking wrote, and take them away."""
    write_questions(folder, ASKING, Workers(**workers), show_progress=False)
    paths = list(folder.glob('questions-*.jsonl'))
    found = {path.name: path.read_text() for path in paths}
    for path in paths:
        path.unlink()
    return found


@pytest.fixture(scope='module')
def asked(shards) -> dict[str, str]:
    return ask(shards)


def records(asked) -> list[dict]:
    return [json.loads(line) for name in sorted(asked) for line in asked[name].splitlines()]


def test_a_question_does_not_depend_on_who_asks(shards, asked):
    assert ask(shards, processes=2) == asked
    apart = [ask(shards, part=Part(index, 2)) for index in range(2)]
    assert [len(part) for part in apart] == [2, 1]
    assert apart[0] | apart[1] == asked
    shard_path(shards, 0).rename(shards / 'away')
    rest = ask(shards)
    (shards / 'away').rename(shard_path(shards, 0))
    assert rest == {name: text for name, text in asked.items() if '00000' not in name}


def test_exported_questions_are_the_same_ones(shards, asked):
    exported = [record for item in asked_images(shards, ASKING) for record in item.records]
    assert [(r['scene_id'], r['question'], r['answer']) for r in records(asked)] == [
        (r.scene_id, r.question, r.answer) for r in exported
    ]
    assert {r['licence'] for r in records(asked)} == {'Apache-2.0'}


def test_no_answer_runs_ahead_over_the_shards(asked):
    """Each shard may lean by what its own balancer lets pass; all of them must not lean alike."""
    counts = defaultdict(Counter)
    for record in records(asked):
        if record['answer'] in QUESTION_TYPES[record['type']].options:
            counts[record['type']][record['answer']] += 1
    assert len(counts) >= 8
    for name, found in counts.items():
        total, share = found.total(), 1 / len(QUESTION_TYPES[name].options)
        spread = (share * (1 - share) / total) ** 0.5
        assert max(found.values()) / total < share + 4 * spread + 0.02, (name, found)


@pytest.mark.parametrize(
    ('changes', 'complaint'),
    [
        ({'per_scene': -3}, 'at least 1 question for each scene, found -3'),
        ({'per_scene': 0}, 'at least 1 question for each scene, found 0'),
        ({'seed': -1}, 'a seed of at least 0, found -1'),
        ({'split': 'test'}, r"wordings of \['train', 'eval'\], found 'test'"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes, complaint):
    with pytest.raises(ConfigError, match=complaint):
        replace(ASKING, **changes)


def test_a_folder_without_shards_is_named(tmp_path):
    with pytest.raises(SceneError, match='found none'):
        write_questions(tmp_path, ASKING, show_progress=False)
