"""From nothing to a scored bundle by the scripts alone: a few scenes, two steps of each stage."""

import csv
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from spatialllm_ros.errors import SceneError
from spatialllm_ros.evaluation.held_out import HeldOutWorlds, ask_held_out
from spatialllm_ros.evaluation.roadmap import ROWS
from spatialllm_ros.learning.gates import score_names
from spatialllm_ros.learning.recipe import asked_types
from spatialllm_ros.questions import QUESTION_TYPES
from spatialllm_ros.runtime.bundle import load_bundle
from spatialllm_ros.scenes.simulated import SceneSimulator

ROOT = Path(__file__).parents[2]
LOOP = {
    'steps': 2, 'batch': 2, 'warmup_steps': 1, 'log_every': 1, 'evaluate_every': 2,
    'checkpoint_every': 2,
}  # fmt: skip
RECIPE = {
    'name': 'tiny', 'seed': 0,
    'model': {
        'image_size': [192, 144], 'image_grid': [9, 12], 'fusion': 'channel',
        'vision_configs': [{'model_type': 'spatialllm_vision', 'widths': [8, 8, 12],
                            'num_hidden_layers': 1, 'num_attention_heads': 2}],
        'text_config': {'model_type': 'llama', 'hidden_size': 24, 'intermediate_size': 32,
                        'num_hidden_layers': 3, 'num_attention_heads': 4,
                        'num_key_value_heads': 4, 'max_position_embeddings': 256,
                        'tie_word_embeddings': True},
    },
    'stages': {
        'encoder': {**LOOP, 'gate': {}},
        'alignment': {**LOOP, 'questions_per_image': 4},
        'instruction': {**LOOP, 'questions_per_image': 4},
    },
}  # fmt: skip


def run_script(script: str, *arguments: object) -> None:
    argv = sys.argv
    sys.argv = [script, *map(str, arguments)]
    try:
        runpy.run_path(str(ROOT / script), run_name='__main__')
    finally:
        sys.argv = argv


@pytest.fixture(scope='module')
def run(tmp_path_factory) -> Path:
    """Render and train; return the folder of the run."""
    try:
        SceneSimulator(16, 12).close()
    except SceneError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp('tiny')
    data = {'train_scenes': 4, 'validation_scenes': 2}
    for split, count in (('train', 4), ('validation', 2)):
        data[split] = str(folder / split)
        run_script('training/render_scenes.py', '--out', folder / split, '--split', split,
                   '--count', count)  # fmt: skip
    (folder / 'tiny.yaml').write_text(yaml.safe_dump({**RECIPE, 'data': data}))
    run_script('training/train.py', folder / 'tiny.yaml', '--out', folder / 'run')
    return folder / 'run'


@pytest.fixture(scope='module')
def bundle(run) -> Path:
    folder = run.parent / 'bundle'
    run_script('export/export_onnx.py', run / 'model', '--out', folder, '--name', 'tiny',
               '--context', 300, '--training-note', 'recipe=tiny', 'steps=2')  # fmt: skip
    return folder


def test_training_leaves_a_model_and_its_curves(run):
    assert {path.name for path in (run / 'model').iterdir()} >= {
        'config.json', 'model.safetensors', 'tokenizer.json',
    }  # fmt: skip
    for stage in RECIPE['stages']:
        assert json.loads((run / stage / 'state.json').read_text())['step'] == 2
        assert (run / stage / 'curve.png').exists()


@pytest.mark.parametrize('stage', RECIPE['stages'])
def test_a_gate_may_name_what_a_stage_is_scored_by(run, stage):
    with (run / stage / 'curve.csv').open() as file:
        found = {name for _, kind, name, _ in csv.reader(file) if kind == 'validation'}
    names = set(score_names(stage, asked_types(stage, ()), '3d'))
    assert found <= names
    assert names - found <= set(QUESTION_TYPES)  # two worlds do not tell every type


def fine_tuning(run: Path, **changes) -> Path:
    """Write a recipe of one stage that starts from a run's model and learns nothing."""
    data = {'train_scenes': 4, 'validation_scenes': 2}
    data |= {split: str(run.parent / split) for split in ('train', 'validation')}
    still = {**LOOP, 'learning_rate': 0.0, 'optimiser': 'muon'}
    recipe = {**RECIPE, 'data': data, 'start': str(run / 'model'), **changes}
    path = run.parent / 'fine.yaml'
    path.write_text(yaml.safe_dump({**recipe, 'stages': {'instruction': still}}))
    return path


def test_a_recipe_starts_from_the_weights_it_names(run, tmp_path):
    run_script('training/train.py', fine_tuning(run), '--out', tmp_path)
    start, end = (load_file(f / 'model' / 'model.safetensors') for f in (run, tmp_path))
    assert start.keys() == end.keys()
    assert all(np.array_equal(start[name], end[name]) for name in start)


def test_a_grown_model_is_a_start_for_a_larger_recipe(run, tmp_path):
    text = {'hidden_size': 36, 'intermediate_size': 48, 'num_hidden_layers': 4,
            'num_attention_heads': 6, 'num_key_value_heads': 6, 'head_dim': 6}  # fmt: skip
    larger = {**RECIPE['model'], 'text_config': {**RECIPE['model']['text_config'], **text}}
    run_script('training/grow_model.py', run / 'model', '--out', tmp_path / 'grown',
               '--hidden-size', 36, '--intermediate-size', 48, '--layers', 4,
               '--heads', 6)  # fmt: skip
    with pytest.raises(SystemExit, match=r'a new folder .*grown; name another --out'):
        run_script('training/grow_model.py', run / 'model', '--words', '--out', tmp_path / 'grown')
    with pytest.raises(SystemExit, match='2'):  # nothing to change, which argparse says
        run_script('training/grow_model.py', run / 'model', '--out', tmp_path / 'same')
    recipe = fine_tuning(run, model=larger, start=str(tmp_path / 'grown'))
    run_script('training/train.py', recipe, '--out', tmp_path)
    start, end = (load_file(tmp_path / name / 'model.safetensors') for name in ('grown', 'model'))
    assert start.keys() == end.keys()
    assert all(np.array_equal(start[name], end[name]) for name in start)


def test_weights_of_another_shape_are_no_start(run, tmp_path):
    smaller = {**RECIPE['model'], 'text_config': {**RECIPE['model']['text_config'],
                                                  'intermediate_size': 16}}  # fmt: skip
    with pytest.raises(SystemExit, match='same sizes and vocabulary'):
        run_script('training/train.py', fine_tuning(run, model=smaller), '--out', tmp_path)
    with pytest.raises(SystemExit, match='to start from, found none'):
        run_script('training/train.py', fine_tuning(run, start='nowhere'), '--out', tmp_path)


def test_export_writes_what_was_asked_for(bundle):
    manifest = load_bundle(bundle).manifest
    assert (manifest.name, manifest.decoder.context) == ('tiny', 300)
    assert manifest.training == {'recipe': 'tiny', 'steps': '2'}


def test_bundle_and_model_folder_score_alike(run, bundle, tmp_path, capsys):
    scores = []
    for model in (bundle, run / 'model'):
        path = tmp_path / f'{model.name}.json'
        page = path.with_suffix('.png')
        run_script('training/evaluate_checkpoint.py', model, '--worlds', 2, '--seed', 987_654_321,
                   '--threads', 1, '--json', path, '--pictures', page)  # fmt: skip
        scores.append(json.loads(path.read_text()))
        assert page.stat().st_size > 10_000
    assert scores[0]['types'] == scores[1]['types']
    assert sum(score['n'] for score in scores[0]['types'].values()) > 2
    assert 'mean of the twelve' in capsys.readouterr().out


def test_pictures_of_another_kind_are_refused_before_anything_is_asked(bundle, capsys):
    with pytest.raises(SystemExit):
        run_script('training/evaluate_checkpoint.py', bundle, '--pictures', 'page.bmp')
    assert 'expected --pictures to be a PNG, found page.bmp' in capsys.readouterr().err


def test_processes_do_not_change_the_answers(bundle):
    alone, together = (
        ask_held_out(bundle, HeldOutWorlds(900_000_010, 4, processes=processes, threads=1))
        for processes in (1, 2)
    )
    assert alone == together


def test_the_roadmap_study_goes_on_and_reports_every_row(run, tmp_path, capsys):
    data = {split: str(run.parent / split) for split in ('train', 'validation')}
    recipe = {**RECIPE, 'data': {**data, 'train_scenes': 4, 'validation_scenes': 2}}
    (tmp_path / 'roadmap.yaml').write_text(yaml.safe_dump(recipe))
    command = ('training/run_roadmap.py', tmp_path / 'roadmap.yaml', '--out', tmp_path / 'runs',
               '--report', tmp_path / 'report', '--seeds', 3, '--worlds', 8)  # fmt: skip
    run_script(*command)
    first = json.loads((tmp_path / 'report' / 'roadmap.json').read_text())
    assert [(score['row'], score['seed']) for score in first] == [(row.name, 3) for row in ROWS]
    states = sorted(tmp_path.glob('runs/seed-3/row-*/*/state.json'))
    assert len(states) == len(ROWS) * len(RECIPE['stages'])
    times = [path.stat().st_mtime_ns for path in states]
    run_script(*command)
    assert [path.stat().st_mtime_ns for path in states] == times
    assert json.loads((tmp_path / 'report' / 'roadmap.json').read_text()) == first
    table = capsys.readouterr().out
    assert all(f'| {row.name} |' in table for row in ROWS)
    assert (tmp_path / 'report' / 'roadmap.png').stat().st_size > 10_000
    encoders = [
        (tmp_path / 'runs' / 'seed-3' / f'row-{n}' / 'encoder' / 'weights-0.safetensors')
        for n in range(4)
    ]
    assert encoders[0].read_bytes() == encoders[2].read_bytes() != encoders[3].read_bytes()


@pytest.mark.parametrize(
    ('script', 'arguments', 'complaint'),
    [
        ('training/evaluate_checkpoint.py', ['nothing-here'], 'training/train.py'),
        ('training/evaluate_checkpoint.py', ['nothing-here', '--seed', 0], '900000000'),
        ('export/export_onnx.py', ['nothing-here', '--out', 'b'], 'training/train.py'),
        (
            'export/quantise.py',
            ['/dev/null', '--precision', 'int8', '--out', 'b'],
            'fetch the bundle',
        ),
        ('export/try_large.py', ['--scratch', '/dev/null'], 'exists: .*name another --scratch'),
        ('export/calibrate.py', ['nothing-here'], 'export/export_onnx.py'),
        ('export/calibrate.py', ['nothing-here', '--seed', 900_000_000], '800000000'),
        ('training/record_tour.py', ['--seed', 5, '--worlds', 1], '900000000'),
        ('training/record_tour.py', ['--worlds', 0], 'a count from 1 on'),
        ('training/record_tour.py', ['--types', 'absent_object'], 'expected question types'),
    ],
)
def test_mistakes_end_in_one_sentence(script, arguments, complaint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=complaint):
        run_script(script, *arguments)
    assert not list(tmp_path.iterdir())
