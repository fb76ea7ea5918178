"""Who may import whom: the table of layers, held against every import of the package."""

import ast
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / 'spatialllm_ros'

CORE = {'errors', 'footprints', 'geometry', 'output_files', 'relations', 'schema', 'numpy'}
TRUTH = CORE | {'scenes', 'questions', 'PIL', 'cv2', 'tokenizers', 'tqdm', 'yaml'}
RUNTIME = CORE | {'runtime', 'cv2', 'mcap', 'mcap_ros2', 'onnxruntime', 'tokenizers', 'yaml'}
ROS = {
    *('action_msgs', 'ament_index_python', 'builtin_interfaces', 'cv_bridge', 'diagnostic_msgs'),
    *('geometry_msgs', 'lifecycle_msgs', 'rcl_interfaces', 'rclpy', 'sensor_msgs', 'std_msgs'),
    *('spatialllm_msgs', 'tf2_ros', 'vision_msgs', 'visualization_msgs', 'rosgraph_msgs'),
    'std_srvs',
}
NODE = CORE | ROS | {'node', 'runtime', 'cv2'}
OFFLINE = (
    (TRUTH | RUNTIME)
    | {'model', 'learning', 'image_annotation', 'evaluation', 'deploy'}
    | {
        'accelerate',
        'matplotlib',
        'ml_dtypes',
        'onnx',
        'onnxscript',
        'peft',
        'safetensors',
        'torch',
    }
    | {'transformers'}
)

# File patterns, relative to the package, and what they may import beside the standard library;
# the first that fits counts.
LAYERS = {
    '__init__.py': set(),
    '*.py': CORE,
    'scenes/jobs.py': TRUTH | {'ray'},
    'scenes/simulated*.py': TRUTH | {'mujoco'},
    'scenes/*.py': TRUTH,
    'questions/*.py': TRUTH,
    'runtime/engines/tensorrt*.py': RUNTIME | {'tensorrt'},
    'runtime/engines/torch*.py': RUNTIME | {'deploy', 'torch'},  # deploy opens the weights
    'runtime/exif.py': RUNTIME | {'PIL'},
    'runtime/cli.py': RUNTIME | {'deploy', 'evaluation'},  # imported when they are asked for
    'runtime/**/*.py': RUNTIME,
    'node/watch_file.py': NODE | {'yaml'},
    'node/*.py': NODE,
    'demo/*.py': NODE | TRUTH | RUNTIME | {'demo', 'evaluation'},
    'dashboard/*.py': NODE | {'dashboard', 'nicegui', 'starlette'},
    'deploy/tensorrt*.py': CORE | {'deploy', 'onnx', 'runtime', 'tensorrt'},
    'model/**/*.py': OFFLINE,
    'learning/**/*.py': OFFLINE,
    'image_annotation/*.py': OFFLINE,
    'evaluation/**/*.py': OFFLINE,
    'deploy/**/*.py': OFFLINE,
}


def files_by_layer() -> dict[Path, set[str]]:
    """Return what each file of the package may import."""
    allowed: dict[Path, set[str]] = {}
    for pattern, names in LAYERS.items():
        for path in PACKAGE.glob(pattern):
            allowed.setdefault(path, names)
    return allowed


def foreign_imports(path: Path) -> set[str]:
    """Return the packages a file imports beside the standard library, and of ours the layers."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: imports are absolute'
            modules |= {f'{node.module}.{alias.name}' for alias in node.names}
    names = {module.removeprefix('spatialllm_ros.').split('.')[0] for module in modules}
    return names - sys.stdlib_module_names - {'__version__'}


def test_every_file_has_a_layer():
    assert set(PACKAGE.rglob('*.py')) == set(files_by_layer())


@pytest.mark.parametrize('path', sorted(files_by_layer()), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_table(path: Path):
    excess = foreign_imports(path) - files_by_layer()[path]
    assert not excess, f'{path.relative_to(ROOT)} may not import {sorted(excess)}'


@pytest.mark.parametrize('layer', ['runtime', 'node', 'demo', 'dashboard'])
def test_a_robot_imports_no_torch(layer: str):
    """Import every module of a layer where torch and transformers cannot be imported."""
    if layer != 'runtime' and not find_spec('rclpy'):
        pytest.skip('rclpy is not in this environment')
    program = (
        'import sys, importlib, pathlib\n'
        "sys.modules.update({'torch': None, 'transformers': None})\n"
        "for path in pathlib.Path('spatialllm_ros', sys.argv[1]).rglob('*.py'):\n"
        "    if not path.stem.startswith(('torch', 'tensorrt', '__main__')):\n"
        "        importlib.import_module('.'.join(path.with_suffix('').parts))\n"
    )
    command = [sys.executable, '-c', program, layer]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_run_time_requirements_bring_no_torch():
    """Walk what the pinned run-time set installs, through each distribution's own metadata."""
    lines = [
        line.split('#')[0].strip()
        for name in ('run', 'onboard', 'dashboard')
        for line in (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    ]
    waiting = [Requirement(line).name for line in lines if line and not line.startswith('-')]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop().lower()
        if name in seen:
            continue
        seen.add(name)
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({'extra': ''}):
                waiting.append(requirement.name)
    assert not seen & {'torch', 'transformers'}
