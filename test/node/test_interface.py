"""What files say of the node's interface is what a running node shows in the graph."""

import json
from contextlib import suppress
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest
import rclpy  # noqa: F401 -- this file belongs to the environment with ROS
import yaml

CONFIG = Path(__file__).parents[2] / 'config'
WATCH = "watches: [{name: door, question: 'is there a door?', options: [yes, no]}]"
LEFT_OUT = {
    'tf2_ros': {('subscribe', '/tf'), ('subscribe', '/tf_static')},
    'vision_msgs': {('publish', '/spatialllm/detections')},
}
"""What the node goes without where a package is not installed."""


def graph_of(ros_node, name, namespace='/'):
    """Return a node's entities, {(role, name): type}; an action counts once."""
    if (name, namespace) not in ros_node.get_node_names_and_namespaces():
        return {}
    reads = {
        'publish': ros_node.get_publisher_names_and_types_by_node,
        'subscribe': ros_node.get_subscriber_names_and_types_by_node,
        'reply': ros_node.get_service_names_and_types_by_node,
        'request': ros_node.get_client_names_and_types_by_node,
    }
    found = {}
    for role, read in reads.items():
        for entity, (kind,) in read(name, namespace):
            action, _, part = entity.partition('/_action/')
            if not part:
                found[role, entity] = kind
            elif part == 'send_goal':
                goal_role = 'execute' if role == 'reply' else 'call'
                found[goal_role, action] = kind.removesuffix('_SendGoal')
    return found


@pytest.fixture
def uses(start_node, peer, tmp_path):
    """Give a function that reads the entities of a node that does all it can."""
    watches = tmp_path / 'watches.yaml'
    watches.write_text(WATCH)

    def start(**parameters):
        start_node(watches_file=watches, **parameters)
        peer.until(lambda: peer.state() == 'active')
        return lambda: graph_of(peer.node, 'spatialllm')

    return start


def settles(peer, read, expected):
    """Assert that something read from the graph, which grows piece by piece, becomes this."""
    with suppress(AssertionError):
        peer.until(lambda: read() == expected)
    assert read() == expected


def granted(policy, node):
    """Return what a policy allows a node, {(role, full name)}."""
    (profile,) = ElementTree.parse(CONFIG / 'security' / policy).iter('profile')
    assert (profile.get('ns'), profile.get('node')) == ('/', node)
    rights = set()
    for block in profile:
        (role,) = block.attrib
        assert block.get(role) == 'ALLOW', 'what is not allowed is denied anyway'
        rights |= {(role, full_name(element.text, node)) for element in block}
    return rights


def full_name(name, node):
    return f'/{node}{name[1:]}' if name.startswith('~') else f'/{name.lstrip("/")}'


def needed(entities, rights):
    """Return the rights that entities need; a name that fits a pattern needs the pattern."""
    return {
        next(
            (right for right in rights if right[0] == role and fnmatch(name, right[1])),
            (role, name),
        )
        for role, name in entities
    }


def test_the_policy_of_the_node_allows_what_it_uses_and_nothing_else(uses, peer):
    rights = granted('node.policy.xml', 'spatialllm')
    rights -= {one for package in LEFT_OUT if not find_spec(package) for one in LEFT_OUT[package]}
    read = uses(use_sim_time=True, camera__depth_topic='depth')
    settles(peer, lambda: needed(read(), rights), rights)


SHOWS = {
    'rviz_default_plugins/Image': {'sensor_msgs/msg/CompressedImage'},
    'rviz_default_plugins/Camera': {'sensor_msgs/msg/Image'},
    'rviz_default_plugins/MarkerArray': {'visualization_msgs/msg/MarkerArray'},
    'Image': {'sensor_msgs/msg/CompressedImage'},
    '3D': {
        *('sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'),
        'visualization_msgs/msg/MarkerArray',
    },
    'RawMessages': {'spatialllm_msgs/msg/SpatialAnswer', 'std_msgs/msg/String'},
    'DiagnosticSummary': {'diagnostic_msgs/msg/DiagnosticArray'},
}
"""The types that displays and panels can show."""


def rviz_topics():
    """Return what the RViz file shows, [(class of the display, topic)]."""
    layout = yaml.safe_load((CONFIG / 'spatialllm.rviz').read_text())
    displays = layout['Visualization Manager']['Displays']
    return [(one['Class'], one['Topic']['Value']) for one in displays if 'Topic' in one]


def foxglove_panels():
    """Return the panels of the Foxglove layout, [(kind, configuration)]."""
    layout = json.loads((CONFIG / 'foxglove.json').read_text())
    return [(name.split('!')[0], panel) for name, panel in layout['configById'].items()]


def foxglove_topics():
    """Return what the Foxglove layout shows, [(kind of the panel, topic)]."""
    shown = []
    for kind, panel in foxglove_panels():
        topics = [panel.get('topicPath'), panel.get('topicToRender'), *panel.get('topics', [])]
        topics.append(panel.get('imageMode', {}).get('imageTopic'))
        shown += [(kind, topic) for topic in topics if topic]
    return shown


def test_layouts_show_topics_that_are_there_in_types_that_fit(uses, peer):
    read = uses(camera__image_topic='/camera/image')
    peer.until(lambda: ('subscribe', '/camera/image') in read())
    kinds = {
        name: kind for (role, name), kind in read().items() if role in {'publish', 'subscribe'}
    }
    shown = [*rviz_topics(), *foxglove_topics()]
    assert {kind for kind, _ in shown} == SHOWS.keys()
    assert [(kind, topic) for kind, topic in shown if kinds.get(topic) not in SHOWS[kind]] == []
    ((_, question),) = [panel for panel in foxglove_panels() if panel[0] == 'Publish']
    assert read()['subscribe', question['topicName']] == question['datatype']
    assert json.loads(question['value'])['data']


def test_every_panel_of_the_foxglove_layout_has_its_place():
    layout = json.loads((CONFIG / 'foxglove.json').read_text())
    waiting, placed = [layout['layout']], []
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            placed.append(part)
        else:
            waiting += [part['first'], part['second']]
    assert sorted(placed) == sorted(layout['configById'])
