"""Packages that a robot may lack: all else works, and one sentence each says what is off."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from spatialllm_msgs.msg import Status
from spatialllm_msgs.srv import Locate

OFF = {
    'tf2_ros': 'transforms are off',
    'vision_msgs': 'detections are off',
    'visualization_msgs': 'markers are off',
}


@pytest.fixture
def without_packages(tmp_path, monkeypatch):
    """Let imports of the optional packages fail in processes that are started from now on."""
    folder = tmp_path / 'absent'
    folder.mkdir()
    for name in (*OFF, 'launch', 'launch_ros', 'launch_testing', 'cv_bridge'):
        (folder / f'{name}.py').write_text(f"raise ImportError('no {name}')\n")
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(folder), os.environ['PYTHONPATH']]))


def test_without_them_everything_else_works(without_packages, start_node, peer):
    node = start_node()
    with peer.filming():
        assert peer.ask_until(Status.OK, 'what colour?').answer.text
        found = peer.call(Locate, '/spatialllm/locate', phrase='red car')
        elsewhere = peer.call(
            Locate, '/spatialllm/locate', phrase='red car', target_frame='base_link'
        )
    assert (found.status, len(found.poses)) == (Status.OK, 1)
    assert (elsewhere.status, elsewhere.poses) == (Status.NO_TRANSFORM, [])
    assert 'tf2_ros is not installed' in elsewhere.message
    for name, sentence in OFF.items():
        told = [line for line in node.log.splitlines() if sentence in line]
        assert len(told) == 1, node.log
        assert name in told[0]


def test_gravity_from_tf_needs_it(without_packages, start_node):
    node = start_node(camera__gravity_from='tf')
    assert node.exit_status() == 1
    assert 'camera.gravity_from: expected tf2_ros, found none' in node.log


@pytest.mark.parametrize(('name', 'remedy'), [
    ('nicegui', 'pip install -r requirements/dashboard.txt'),
    ('spatialllm_msgs', 'source the workspace'),
])  # fmt: skip
def test_the_dashboard_names_what_it_lacks(tmp_path, name, remedy):
    if not find_spec('nicegui') and name != 'nicegui':
        pytest.skip('NiceGUI is not installed: requirements/dashboard.txt')
    (tmp_path / f'{name}.py').write_text(f'raise ModuleNotFoundError(name={name!r})\n')
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    ended = subprocess.run(
        [sys.executable, '-m', 'spatialllm_ros.dashboard'],
        env=os.environ | {'PYTHONPATH': path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.startswith(f'dashboard: expected the package {name}, found none')
    assert remedy in ended.stderr
