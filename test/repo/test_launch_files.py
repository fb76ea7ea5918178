"""What the launch files start, read from the real launch library where it is installed."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip('launch_ros', reason='launch_ros is not in this environment')

from launch import LaunchContext

FOLDER = Path(__file__).parents[2] / 'launch'


def context_with(**configurations: str) -> LaunchContext:
    context = LaunchContext()
    context.launch_configurations.update(configurations)
    return context


@pytest.mark.parametrize(
    ('image', 'camera_info', 'expected'),
    [
        ('/my/camera/image_raw', '', '/my/camera/camera_info'),
        ('image', '', 'camera_info'),
        ('/image', '', '/camera_info'),
        ('/my/camera/image_raw', '/lens', '/lens'),
    ],
)
def test_camera_info_is_beside_the_image(image: str, camera_info: str, expected: str):
    functions = runpy.run_path(str(FOLDER / 'spatialllm.launch.py'))
    context = context_with(
        image=image, camera_info=camera_info, transport='', bundle='', params_file=''
    )
    (node,) = functions['spatialllm_node'](context)
    node._perform_substitutions(context)
    assert dict(node.expanded_remapping_rules) == {
        'image': image,
        'image/compressed': f'{image}/compressed',
        'camera_info': expected,
    }


@pytest.mark.parametrize(
    ('camera', 'image', 'cameras_started'),
    [
        ('tour', '/camera/image', 1),
        ('sim', '/camera/image', 1),
        ('/dev/video0', '/camera/image', 1),
        ('/robot/front/image', '/robot/front/image', 0),
        (str(FOLDER), '/camera/image', 1),  # a folder, as a bag is
    ],
)
def test_demo_camera_starts_unless_a_topic_is_given(camera: str, image: str, cameras_started: int):
    functions = runpy.run_path(str(FOLDER / 'demo.launch.py'))
    context = context_with(camera=camera)
    for action in functions['choose_image'](context):
        action.execute(context)
    assert context.launch_configurations['image'] == image
    assert len(functions['demo_camera'](context)) == cameras_started


def test_every_argument_is_described():
    for path in sorted(FOLDER.glob('*.launch.py')):
        description = runpy.run_path(str(path))['generate_launch_description']()
        for argument in description.get_launch_arguments():
            assert argument.description, argument.name
