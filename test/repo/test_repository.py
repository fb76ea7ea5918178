"""What the repository promises about itself: versions, manifests, sizes, launch files."""

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import setuptools

import spatialllm_ros

ROOT = Path(__file__).parents[2]
FOLDERS = ('spatialllm_ros', 'training', 'export', 'launch', 'test', 'tools')
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob('*.py'))
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.py'))
ROS_FOLDERS = {('spatialllm_ros', layer) for layer in ('node', 'demo', 'dashboard')}
MANIFEST = ElementTree.parse(ROOT / 'package.xml').getroot()

# Imports that need no entry in package.xml: from wheels alone, or this package itself.
NOT_ROS_DEPENDENCIES = {
    *('spatialllm_ros', 'mcap', 'mujoco', 'PIL', 'tokenizers'),
    *('nicegui', 'starlette'),  # of the dashboard, which says what to install
}
ROSDEP_KEYS = {
    'cv2': 'python3-opencv',
    'mcap_ros2': 'mcap-ros2-support',  # which brings mcap
    'numpy': 'python3-numpy',
    'onnxruntime': 'python3-onnxruntime-pip',
    'yaml': 'python3-yaml',
}


@pytest.fixture
def setup_arguments(monkeypatch: pytest.MonkeyPatch) -> dict:
    """Run setup.py and return what it passes to setuptools."""
    passed: dict = {}
    monkeypatch.setattr(setuptools, 'setup', passed.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / 'setup.py'))
    return passed


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


def requirement_names(name: str) -> set[str]:
    """Return the distributions a requirement file names."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return {re.split(r'[=<>\[ ]', line)[0] for line in lines if line and line[0] not in '#-'}


def test_versions_are_equal(setup_arguments: dict):
    interfaces = ElementTree.parse(ROOT / 'spatialllm_msgs' / 'package.xml').getroot()
    version = MANIFEST.findtext('version')
    assert interfaces.findtext('version') == version
    assert setup_arguments['version'] == version
    assert spatialllm_ros.__version__ == version
    assert f'\n{version} (' in (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8')


def test_only_one_package_is_installed(setup_arguments: dict):
    assert {name.split('.')[0] for name in setup_arguments['packages']} == {'spatialllm_ros'}


@pytest.mark.parametrize('folder', ['training', 'export', 'test'])
def test_scripts_are_not_packages(folder: str):
    assert not list((ROOT / folder).rglob('__init__.py'))


def test_every_module_is_installed(setup_arguments: dict):
    folders = {path.parent for path in (ROOT / 'spatialllm_ros').rglob('*.py')}
    names = {'.'.join(folder.relative_to(ROOT).parts) for folder in folders}
    assert names <= set(setup_arguments['packages']), 'a folder lacks its __init__.py'


def test_installed_needs_are_tested_ones(setup_arguments: dict):
    needs = {re.split('[><=]', text)[0] for text in setup_arguments['install_requires']}
    assert needs <= requirement_names('run') | requirement_names('onboard')


@pytest.mark.parametrize(
    'path', sorted((ROOT / 'requirements').glob('*.txt')), ids=lambda p: p.name
)
def test_every_requirement_is_pinned(path: Path):
    for line in path.read_text(encoding='utf-8').splitlines():
        assert not line or line[0] in '#-' or '==' in line, line


def test_both_environments_agree():
    """What both install, they install in the same version."""
    pins: dict[str, str] = {}
    for name in ('colcon', 'onboard', 'run', 'train', 'export', 'dev'):
        for line in (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines():
            if line and line[0] not in '#-':
                package, version = line.split('#')[0].strip().split('==')
                assert pins.setdefault(package, version) == version, package


def test_imports_of_the_node_are_declared():
    declared = {
        element.text for tag in ('depend', 'exec_depend') for element in MANIFEST.iter(tag)
    }
    imported = set()
    for path in SOURCES:
        if path.relative_to(ROOT).parts[:2] in ROS_FOLDERS or path in LAUNCH_FILES:
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split('.')[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported.add(str(node.module).split('.')[0])
    foreign = imported - set(sys.stdlib_module_names) - NOT_ROS_DEPENDENCIES
    assert {ROSDEP_KEYS.get(name, name) for name in foreign} <= declared


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path):
    assert len(path.read_text(encoding='utf-8').splitlines()) <= 400
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 80, f'{node.name} is longer than 80 lines'


@pytest.mark.parametrize('folder', ['training', 'export'])
def test_scripts_are_thin(folder: str):
    for path in (ROOT / folder).glob('*.py'):
        assert len(path.read_text(encoding='utf-8').splitlines()) <= 80, path.name


def test_readme_is_short():
    readme = ROOT / 'README.md'
    if not readme.exists():
        pytest.skip('README.md is not written yet')
    assert len(readme.read_text(encoding='utf-8').splitlines()) <= 150


def node_parameters() -> set[str]:
    """Return the fields of the node's parameter dataclass, the one home of its defaults."""
    path = ROOT / 'spatialllm_ros' / 'node' / 'parameters.py'
    if not path.exists():
        return set()
    return {
        statement.target.id
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_hold_no_node_default(path: Path):
    """A launch argument named like a parameter is empty by default: the node's value holds."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'DeclareLaunchArgument':
            name = node.args[0].value
            default = {word.arg: word.value for word in node.keywords}.get('default_value')
            if name in node_parameters():
                assert isinstance(default, ast.Constant), name
                assert default.value == '', name


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_are_pure(path: Path):
    """They may be loaded only to be looked at: no processes, no evaluation, no file writing."""
    called = {
        getattr(node.func, 'id', getattr(node.func, 'attr', ''))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
    }
    assert not called & {'eval', 'exec', 'open', 'system', 'run', 'Popen', 'check_output'}
    assert 'subprocess' not in path.read_text(encoding='utf-8')


def test_committed_files_stay_small():
    """A clone stays quick: the bundle has 40 MB, any other file 6 MB."""
    listed = subprocess.run(
        ['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    sizes = {name: (ROOT / name).stat().st_size for name in listed.stdout.splitlines()}
    bundle = sum(size for name, size in sizes.items() if name.startswith('models/nano/'))
    assert bundle <= 40e6
    assert [
        name for name, size in sizes.items() if size > 6e6 and 'models/nano/' not in name
    ] == []
