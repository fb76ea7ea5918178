"""Folders that cannot be written are refused before a script begins its work."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = (
    'grow_model.py models/nano --words --out',
    'average_models.py models/nano models/nano --out',
    'render_scenes.py --count 1 --out',
    'train.py training/recipes/nano.yaml --out',
    'export_questions.py data --format tsv --out',
    'import_dataset.py kitti data --out',
    'import_dataset.py kitti data --overlays',
    'annotate_images.py photos --find mug --out',
    'annotate_images.py photos --find mug --overlays',
    'annotate_images.py photos --find mug --out out --cache',
    'run_roadmap.py training/recipes/nano.yaml --out',
    'run_roadmap.py training/recipes/nano.yaml --out out --report',
)


def refusal(words, monkeypatch, capsys):
    """Return what a command line that is refused says."""
    script, *arguments = words
    monkeypatch.setattr(sys, 'argv', [script, *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / 'training' / script), run_name='__main__')
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize('command', COMMANDS)
def test_a_folder_below_a_file_is_refused(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').touch()
    said = refusal([*command.split(), 'file/x'], monkeypatch, capsys)
    assert f'argument {command.split()[-1]}: expected to write file/x, found ' in said


def test_a_negative_number_of_threads_is_refused(monkeypatch, capsys):
    words = ['train.py', 'recipe.yaml', '--dry-run', '--threads', '-1']
    assert 'expected --threads from 0 on, found -1' in refusal(words, monkeypatch, capsys)
