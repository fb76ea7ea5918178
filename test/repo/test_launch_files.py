"""What the launch files start, read from the real launch library where it is installed."""

import runpy
from pathlib import Path

import pytest
import yaml

pytest.importorskip('launch_ros', reason='launch_ros is not in this environment')

from launch import LaunchContext

FOLDER = Path(__file__).parents[2] / 'launch'


def context_with(**configurations: str) -> LaunchContext:
    context = LaunchContext()
    context.launch_configurations.update(configurations)
    return context


def launched_node(**given: str):
    """Return the node that the launch file describes, and the parameters it is given."""
    functions = runpy.run_path(str(FOLDER / 'spatialllm.launch.py'))
    description = functions['generate_launch_description']()
    context = LaunchContext()
    for argument in description.get_launch_arguments():
        context.launch_configurations[argument.name] = given.get(argument.name, '')
    (node,) = functions['spatialllm_node'](context)
    return node, parameters_of(node, context)


def parameters_of(node, context: LaunchContext) -> dict:
    """Return the parameters that a node is given."""
    node._perform_substitutions(context)
    parameters = {}
    for path, is_file in node._Node__expanded_parameter_arguments:
        if is_file:
            written = Path(path).read_text(encoding='utf-8').replace('!!python/tuple', '')
            (of_node,) = yaml.safe_load(written).values()
            parameters |= of_node['ros__parameters']
    return parameters


def test_what_is_given_of_the_only_camera_holds_over_a_file_of_parameters(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('/**: {ros__parameters: {camera.image_topic: /a, camera.info_topic: /b}}\n')
    node, parameters = launched_node(
        image='/my/image_raw', camera_info='/lens', transport='compressed', params_file=str(path)
    )
    assert node.expanded_remapping_rules is None
    assert parameters == {
        'camera.image_topic': '/my/image_raw',
        'camera.info_topic': '/lens',
        'camera.transport': 'compressed',
    }
    _, parameters = launched_node(params_file=str(path))
    assert parameters == {'camera.image_topic': '/a', 'camera.info_topic': '/b'}


@pytest.mark.parametrize(('given', 'expected'), [('true', True), ('false', False)])
def test_time_may_come_from_a_bag_or_a_simulator(given: str, expected: bool):
    assert launched_node(use_sim_time=given)[1] == {'use_sim_time': expected}


def test_nothing_given_leaves_all_to_the_node():
    assert launched_node()[1] == {}
    _, parameters = launched_node(cameras='front')
    assert parameters == {'camera_names': ['front'], 'front.image_topic': 'front/image'}


def test_several_cameras_are_read_in_their_namespaces():
    node, parameters = launched_node(
        cameras='front, rear',
        image='image_raw',
        camera_info='info',
        transport='compressed',
        depth='depth/image_rect',
    )
    assert node.expanded_remapping_rules is None
    assert parameters == {
        'camera_names': ['front', 'rear'],
        'front.image_topic': 'front/image_raw',
        'front.info_topic': 'front/info',
        'front.depth_topic': 'front/depth/image_rect',
        'front.transport': 'compressed',
        'rear.image_topic': 'rear/image_raw',
        'rear.info_topic': 'rear/info',
        'rear.depth_topic': 'rear/depth/image_rect',
        'rear.transport': 'compressed',
    }


def test_a_slash_before_a_topic_of_several_cameras_is_no_second_one():
    _, parameters = launched_node(
        cameras='front', image='/image_raw', camera_info='/info', depth='/depth'
    )
    assert parameters == {
        'camera_names': ['front'],
        'front.image_topic': 'front/image_raw',
        'front.info_topic': 'front/info',
        'front.depth_topic': 'front/depth',
    }


def test_the_depth_of_the_only_camera_is_a_parameter():
    _, parameters = launched_node(depth='/depth/image_rect')
    assert parameters == {'camera.depth_topic': '/depth/image_rect'}


def test_a_file_of_parameters_comes_before_what_is_given(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('/**: {ros__parameters: {bundle: a, max_batch: 4}}\n')
    _, parameters = launched_node(params_file=str(path), bundle='b')
    assert parameters == {'bundle': 'b', 'max_batch': 4}


@pytest.mark.parametrize(
    ('camera', 'image', 'cameras_started'),
    [
        ('tour', 'camera/image', 1),
        ('sim', 'camera/image', 1),
        ('/dev/video0', 'camera/image', 1),
        ('/robot/front/image', '/robot/front/image', 0),
        (str(FOLDER), 'camera/image', 1),  # a folder, as a bag is
    ],
)
def test_demo_camera_starts_unless_a_topic_is_given(camera: str, image: str, cameras_started: int):
    functions = runpy.run_path(str(FOLDER / 'demo.launch.py'))
    context = context_with(camera=camera, topic='')
    for action in functions['choose_image'](context):
        action.execute(context)
    assert context.launch_configurations['image'] == image
    assert len(functions['demo_camera'](context)) == cameras_started


def test_the_demo_shows_the_topic_of_a_bag_that_is_named():
    functions = runpy.run_path(str(FOLDER / 'demo.launch.py'))
    context = context_with(camera='drive.mcap', topic='/left/image')
    (camera,) = functions['demo_camera'](context)
    given = parameters_of(camera, context)
    assert given == {'source': 'drive.mcap', 'topic': '/left/image'}


@pytest.mark.parametrize('asked', ['true', 'false'])
def test_the_dashboard_starts_where_it_is_asked_for(asked: str):
    functions = runpy.run_path(str(FOLDER / 'spatialllm.launch.py'))
    context = context_with(dashboard=asked, dashboard_arguments='--host 0.0.0.0 --port 9000')
    (page,) = functions['dashboard'](context)
    assert page.condition.evaluate(context) == (asked == 'true')
    words = [''.join(part.perform(context) for part in word) for word in page.cmd]
    assert words[1:5] == ['--host', '0.0.0.0', '--port', '9000']


def test_every_argument_is_described():
    for path in sorted(FOLDER.glob('*.launch.py')):
        description = runpy.run_path(str(path))['generate_launch_description']()
        for argument in description.get_launch_arguments():
            assert argument.description, argument.name
