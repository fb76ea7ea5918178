"""Every script says what it takes, by itself and without doing anything."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from spatialllm_ros import __version__

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path for folder in ('training', 'export') for path in (ROOT / folder).glob('*.py')
)


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.stem)
def test_help_is_the_first_line_of_the_docstring(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [str(script), '--help'])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name='__main__')
    assert ended.value.code == 0
    shown = ' '.join(capsys.readouterr().out.split())
    first = script.read_text(encoding='utf-8').splitlines()[0].strip('"')
    assert first in shown
    assert f'usage: {script.name}' in shown


def test_example_commands_name_the_script():
    for script in SCRIPTS:
        head = script.read_text(encoding='utf-8').split('"""')[1]
        assert f'python {script.relative_to(ROOT)} ' in head, script


def test_the_command_is_in_the_training_environment():
    if Path(sys.prefix) != ROOT / '.venv-train':
        pytest.skip(f'{sys.prefix} was not made by make env-train')
    command = Path(sys.prefix) / 'bin' / 'spatialllm'
    done = subprocess.run([command, '--version'], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['spatialllm', __version__]
