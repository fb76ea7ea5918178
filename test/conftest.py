"""Which test files an environment can run, told from what they import.

Two environments test this repository: .venv has ROS and no torch, .venv-train the reverse. A file
that imports what the running one lacks is left to the other, and the header says how many were.
"""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

OFFLINE_LAYERS = {
    *('scenes', 'questions', 'model', 'learning', 'image_annotation', 'evaluation', 'deploy'),
}
OFFLINE_PACKAGES = {'accelerate', 'matplotlib', 'mujoco', 'onnx', 'torch', 'transformers'}
ROS_LAYERS = {'node', 'demo', 'dashboard'}
ROS_PACKAGES = {'rclpy', 'spatialllm_msgs'}
SCRIPT_TESTS = Path(__file__).parent / 'scripts'

left_out: list[Path] = []

# A busy machine is no failure: examples are not timed.
settings.register_profile('untimed', deadline=None)
settings.load_profile('untimed')


@cache
def imported_names(path: Path) -> frozenset[str]:
    """Return the packages a file imports, and of this one its layers."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {f'{node.module}.{alias.name}' for alias in node.names}
    return frozenset(module.removeprefix('spatialllm_ros.').split('.')[0] for module in modules)


def is_training(path: Path) -> bool:
    """Tell whether a test file belongs to the training environment."""
    offline = imported_names(path) & (OFFLINE_LAYERS | OFFLINE_PACKAGES)
    return (bool(offline) and not is_ros(path)) or SCRIPT_TESTS in path.parents


def is_ros(path: Path) -> bool:
    """Tell whether a test file needs ROS and the built interfaces."""
    return bool(imported_names(path) & (ROS_LAYERS | ROS_PACKAGES))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave a file out where what it imports cannot be there."""
    if not collection_path.match('test_*.py'):
        return None
    lacking = (is_training(collection_path) and not find_spec('torch')) or (
        is_ros(collection_path) and not find_spec('rclpy')
    )
    if lacking:
        left_out.append(collection_path)
    return lacking or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests by environment."""
    for item in items:
        if is_training(item.path):
            item.add_marker('training')
        if is_ros(item.path):
            item.add_marker('ros')


def pytest_report_collectionfinish() -> str:
    """Say what was left to the other environment."""
    return f'{len(left_out)} test files left to the other environment' if left_out else ''
