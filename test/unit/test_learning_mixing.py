"""Conversations mixed into training: read back as written, behind our views, damage counted."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_model import tiny_model

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.conversations import MixedSource, load_conversations
from spatialllm_ros.learning.mixing import (
    MixedIn,
    MixedSampler,
    mixed_sampler,
    room_behind_image,
)
from spatialllm_ros.learning.packing import IGNORED, PADDING
from spatialllm_ros.learning.question_arrays import TYPE_NAMES, tokenise_questions
from spatialllm_ros.learning.question_data import QuestionData
from spatialllm_ros.learning.question_sampler import QuestionSampler
from spatialllm_ros.learning.question_stage import QuestionStage
from spatialllm_ros.learning.recipe import load_recipe
from spatialllm_ros.learning.scene_arrays import load_scene_arrays
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.questions import Balancer, generate
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.runtime.bundle import ImageSpec
from spatialllm_ros.scenes.exchange import AskedImage, write_llava
from spatialllm_ros.scenes.shards import RenderedScene, write_shard

TOKENIZER = build_tokenizer()
GRID = (9, 12)
SPEC = ImageSpec(192, 144, *GRID, 108, 0.5, 0.5)
RECIPE = Path(__file__).parents[2] / 'training' / 'recipes' / 'nano.yaml'


@pytest.fixture(scope='module')
def asked(sampled_scene) -> list[AskedImage]:
    """Scenes and questions; the images hold noise, as nothing here looks at them."""
    rng, balancer = np.random.default_rng(0), Balancer()
    scenes = [replace(sampled_scene(seed), scene_id=f'sim-{seed}') for seed in range(4)]
    return [
        AskedImage(
            scene,
            rng.integers(0, 256, (144, 192, 3), dtype=np.uint8),
            generate(scene, rng, balancer, 8, split='train'),
        )
        for scene in scenes
    ]


def written(folder, entries) -> MixedSource:
    path = folder / 'questions.json'
    path.write_text(json.dumps(entries))
    return MixedSource(path, folder, 0.5)


def talk(*texts: str, image: str = 'a.png') -> dict:
    speakers = ('human', 'gpt')
    turns = [{'from': speakers[i % 2], 'value': text} for i, text in enumerate(texts)]
    return {'image': image, 'conversations': turns}


@pytest.fixture
def folder(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((40, 80, 3), 200, np.uint8))
    return tmp_path


def test_questions_we_export_are_read_back_as_they_were_asked(asked, tmp_path):
    count = write_llava(asked, tmp_path)
    source = MixedSource(tmp_path / 'questions.json', tmp_path, 0.5)
    found, report = load_conversations(source, TOKENIZER, 147)
    assert count == len(found.questions) == sum(len(item.records) for item in asked)
    assert (report.skipped, report.left_out) == ([], {})
    expected = tokenise_questions([item.records for item in asked], TOKENIZER)
    for name in ('tokens', 'starts', 'answer_at', 'view_starts'):
        assert np.array_equal(getattr(found.questions, name), getattr(expected, name)), name
    for path, item in zip(found.images, asked, strict=True):
        assert np.array_equal(cv2.imread(str(path))[..., ::-1], item.rgb)


def test_what_cannot_be_learned_is_counted_and_named(folder):
    (folder / 'torn.png').write_bytes(b'no image')
    entries = [
        talk('<image>\nwhere is the car?', 'left', 'where?', 'über'),
        talk('is there a car?', 'yes ' * 200),
        {'conversations': talk('how are you?', 'well')['conversations']},
        talk('where is the car?', 'left', image='absent.png'),
        talk('where is the car?', 'left', image='torn.png'),
        talk('where is the car?', 'left', image='../a.png'),
        talk('where is the car?'),
        talk('<image>', 'left'),
        talk('say </s>', 'left'),
        'no entry',
        {'image': ['a.png', 'a.png'], 'conversations': []},
    ]
    found, report = load_conversations(written(folder, entries), TOKENIZER, 147)
    assert [path.name for path in found.images] == ['a.png']
    assert len(found.questions) == report.scenes == 1
    assert report.left_out == {
        'questions with characters or marks outside the vocabulary': 2,
        'questions too long for the decoder': 1,
        'conversations without an image': 1,
    }
    assert [item.where for item in report.skipped] == [
        f'entry {n}' for n in (3, 4, 5, 6, 7, 9, 10)
    ]


def test_files_without_anything_to_learn_are_refused(folder):
    for entries, complaint in (({}, 'expected a list'), ([talk('a', '')], 'found none of 1')):
        with pytest.raises(ConfigError, match=complaint):
            load_conversations(written(folder, entries), TOKENIZER, 147)
    with pytest.raises(ConfigError, match='expected JSON'):
        load_conversations(MixedSource(folder / 'absent.json', folder, 0.5), TOKENIZER, 147)


@pytest.mark.parametrize('seed', [800_000_000, 900_000_001])
def test_conversations_about_worlds_kept_for_tests_are_refused(asked, seed, tmp_path):
    kept = [replace(item, scene=replace(item.scene, scene_id=f'sim-{seed}')) for item in asked[:1]]
    write_llava([*asked[1:], *kept], tmp_path)
    source = MixedSource(tmp_path / 'questions.json', tmp_path, 0.5)
    with pytest.raises(ConfigError, match=rf'found sim-{seed} in .*questions\.json'):
        load_conversations(source, TOKENIZER, 147)


@pytest.fixture(scope='module')
def own(asked, tmp_path_factory) -> QuestionSampler:
    folder = tmp_path_factory.mktemp('shards')
    owners = np.zeros((36, 48), np.int8)
    write_shard(folder, 0, [RenderedScene(item.scene, item.rgb, owners) for item in asked])
    views = [records for item in asked for records in (item.records, item.records)]
    data = QuestionData(load_scene_arrays(folder, GRID), tokenise_questions(views, TOKENIZER))
    return QuestionSampler(data, sorted({r.type for item in asked for r in item.records}), 6, 3)


@pytest.fixture
def mixed(own, folder) -> MixedSampler:
    texts = ('which side of it faces the camera?', 'left', 'how many are there?', '2')
    found, _ = load_conversations(written(folder, [talk(*texts)]), TOKENIZER, 147)
    return MixedSampler(own, [MixedIn(found, 0.4, 1000)], SPEC)


def test_only_views_with_a_wanted_question_are_drawn(own):
    kinds = own.data.questions.types
    rarest = TYPE_NAMES[min(set(kinds), key=list(kinds).count)]
    chosen = replace(own, types=(rarest,))
    for seed in range(20):
        batch = chosen.draw(np.random.default_rng(seed), GRID)
        assert {TYPE_NAMES[kind] for kind in batch['types'].tolist()} == {rarest}
        assert set(batch['view'].tolist()) == set(range(6))
    absent = next(name for name in TYPE_NAMES if name not in own.types)
    with pytest.raises(ConfigError, match=f'questions of the types {absent}, found none'):
        replace(own, types=(absent,)).draw(np.random.default_rng(0), GRID)


def test_views_are_shared_out_by_weight(mixed):
    counts = []
    for seed in range(120):
        batch = mixed.draw(np.random.default_rng(seed), GRID)
        assert len(batch['pixels']) == len(batch['tokens']) == 6
        counts.append(6 - len(batch['shares']))
    assert max(counts) < 6
    assert np.mean(counts) / 6 == pytest.approx(0.4, abs=0.07)  # four deviations of the mean


def own_stream(mixed) -> np.random.Generator:
    """Return the stream that our own views are drawn from in the batch of seed 5."""
    rng = np.random.default_rng(5)
    rng.multinomial(5, mixed.shares)
    return rng


def test_rows_of_conversations_stand_behind_our_own(mixed, own):
    batch = mixed.draw(np.random.default_rng(5), GRID)
    first = len(batch['shares'])
    assert first < 6
    alone = own.draw(own_stream(mixed), GRID, first)
    width = alone['tokens'].shape[1]
    assert torch.equal(batch['tokens'][:first, :width], alone['tokens'])
    assert torch.equal(batch['pixels'][:first], alone['pixels'])
    assert (batch['segments'][:first, width:] == PADDING).all()
    assert (batch['next_tokens'][:first, width:] == IGNORED).all()
    marks = batch['tokens'][batch['view'], batch['answer_at']]
    assert (marks == TOKENIZER.token_to_id('<answer>')).all()
    theirs = batch['view'] >= first
    assert set(batch['view'][theirs].tolist()) == set(range(first, 6))
    assert batch['numbers'][theirs].isnan().all()
    answers = {TOKENIZER.token_to_id(word) for word in ('left', '2', '</s>')}
    wanted = batch['next_tokens'][first:]
    assert set(wanted[wanted != IGNORED].tolist()) == answers


def test_images_are_letterboxed_and_their_camera_is_unknown(mixed):
    batch = mixed.draw(np.random.default_rng(5), GRID)
    theirs = len(batch['shares'])
    image = batch['pixels'][theirs]
    assert image.shape == (3, 144, 192)
    inner, bars = image[:, 24:120], torch.cat([image[:, :23], image[:, 121:]], dim=1)
    assert float(inner.std(dim=(1, 2)).max()) < 1e-3
    assert float(bars.std(dim=(1, 2)).max()) < 1e-3
    assert (inner.mean(dim=(1, 2)) > bars.mean(dim=(1, 2)) + 0.3).all()
    camera = batch['camera'][theirs]
    assert (camera[:, 2:] == 0).all()
    assert (camera[:, :2] != 0).any()


def test_a_damaged_image_teaches_as_a_view_without_image(mixed, folder, caplog):
    whole = (folder / 'a.png').read_bytes()
    (folder / 'a.png').write_bytes(whole[: len(whole) // 2])
    batch = mixed.draw(np.random.default_rng(5), GRID)
    assert (batch['has_image'][len(batch['shares']) :] == 0).all()
    assert 'trained on without its image' in caplog.text


def test_an_image_has_no_more_questions_than_fit(mixed):
    (source,) = mixed.sources
    starts = source.conversations.questions.starts
    short = replace(source, tokens=int(max(np.diff(starts))))
    for seed in range(5):
        chosen = mixed._choose(short, 0, np.random.default_rng(seed))
        assert len(chosen) == 1


def test_a_recipes_sources_are_read_and_accounted_for(own, folder, capsys):
    source = written(folder, [talk('how many are there?', '2'), talk('no answer')])
    config = SpatialLLMConfig(text_config={'model_type': 'llama', 'max_position_embeddings': 256})
    found = mixed_sampler(own, [source], TOKENIZER, config, folder / 'run')
    assert room_behind_image(config) == 147
    assert found.spec == SPEC
    report = json.loads((folder / 'run' / 'mixed-0.json').read_text())
    assert [item['where'] for item in report['skipped']] == ['entry 1']
    assert '1 malformed' in capsys.readouterr().out


def test_weights_leave_room_for_our_views(own, mixed):
    (source,) = mixed.sources
    for weight in (0.9, -0.1):
        with pytest.raises(ConfigError, match='leave a view of our own in a batch of 6'):
            MixedSampler(own, [replace(source, weight=weight)], SPEC)


def test_conversations_reach_the_answer_loss_alone(mixed, own):
    recipe = load_recipe(RECIPE)
    stage = QuestionStage(
        tiny_model(TOKENIZER.get_vocab_size()), recipe.stages['instruction']
    ).eval()
    batch = mixed.draw(np.random.default_rng(5), GRID)
    alone = own.draw(own_stream(mixed), GRID, len(batch['shares']))
    with torch.no_grad():
        together, ours = stage(batch), stage(alone)
    for name in ('pointer', 'object', 'number', 'probing'):
        assert float(together[name]) == pytest.approx(float(ours[name]), rel=1e-4), name
    assert float(together['answer']) != pytest.approx(float(ours['answer']), rel=1e-4)
