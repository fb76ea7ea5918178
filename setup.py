"""The ament_python package spatialllm_ros; package.xml is the version of record."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = 'spatialllm_ros'
SHARED_FOLDERS = ('launch', 'config', 'config/security', 'models/nano', 'recordings')


def files_in(folder: str) -> list[str]:
    """Return the plain files of a folder; none where the folder is not there yet."""
    return sorted(str(path) for path in Path(folder).glob('*') if path.is_file())


def tested(name: str) -> list[str]:
    """Return the pinned requirements of one tested set, without comments and includes."""
    # A symlink install runs a link to this file in another folder.
    folder = Path(__file__).resolve().parent / 'requirements'
    lines = (folder / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    pins = [line.split('#')[0].strip() for line in lines]
    return [pin for pin in pins if pin and not pin.startswith('-')]


setup(
    name=NAME,
    version='0.1.0',
    description='Answers to spatial questions about what a robot sees, as a ROS 2 node',
    license='Apache-2.0',
    maintainer='spatialllm_ros maintainers',
    maintainer_email='maintainers@spatialllm-ros.example',
    # Only this package: training/ and export/ hold scripts and must not become global modules.
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        *[(f'share/{NAME}/{folder}', files_in(folder)) for folder in SHARED_FOLDERS],
    ],
    zip_safe=False,
    python_requires='>=3.11',
    # Lower bounds, so that a robot keeps the NumPy and OpenCV of its ROS installation.
    install_requires=[
        'numpy>=1.26',
        'onnxruntime>=1.24',
        'opencv-python-headless>=4.6',
        'tokenizers>=0.20',
        'PyYAML>=6',
        'mcap>=1.2',
        'mcap-ros2-support>=0.5',
    ],
    extras_require={
        'gpu': ['onnxruntime-gpu', 'tensorrt'],
        'test': ['pytest', 'hypothesis', 'packaging'],  # colcon test looks here for pytest
        'train': tested('train'),
        'export': tested('export'),
        'tensorrt': tested('tensorrt'),
        'dashboard': tested('dashboard'),
    },
    entry_points={
        'console_scripts': [
            'spatialllm = spatialllm_ros.runtime.cli:main',
            'spatialllm_node = spatialllm_ros.node.main:main',
            'spatialllm_dashboard = spatialllm_ros.dashboard.__main__:main',
            'demo_camera = spatialllm_ros.demo.camera_node:main',
            'demo_questioner = spatialllm_ros.demo.questioner:main',
        ],
    },
)
