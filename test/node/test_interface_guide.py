"""The guide to the interface says what a running node has, and all of it."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from ros_graph import graph_of, settles

from spatialllm_ros.node.messages import StatusCode

GUIDE = (Path(__file__).parents[2] / 'docs/guide/interface.md').read_text(encoding='utf-8')
ROWS = [
    [cell.strip().strip('`') for cell in line.strip('|').split('|')]
    for line in GUIDE.splitlines()
    if line.startswith('| `')
]
WATCHES = "watches: [{name: name, question: 'is there a door?', options: [yes, no]}]"
OF_ROS = re.compile(
    r'/rosout|/parameter_events|/tf(_static)?|/spatialllm/(describe_parameters|\w+_parameters'
    r'|get_parameter_types|set_parameters_atomically|get_type_description|get_available_\w+'
    r'|get_transition_graph)'
)


def full_name(name):
    named = name.replace('~', '/spatialllm').replace('<name>', 'name')
    return named if named.startswith('/') else f'/{named}'


@pytest.fixture
def told():
    """Return the guide's topics, services and actions of raw images: {(role, name): row}."""
    rows = {(row[1], full_name(row[0])): row for row in ROWS if not row[1].isdigit()}
    del rows['subscribe', '/image/compressed']
    if not find_spec('vision_msgs'):
        del rows['publish', '/spatialllm/detections']
    return rows


@pytest.fixture
def entities(start_node, peer, tmp_path):
    """Give a function that reads the entities of a running node, without those of every node."""
    (tmp_path / 'watches.yaml').write_text(WATCHES)
    start_node(watches_file=tmp_path / 'watches.yaml', camera__depth_topic='depth')
    return lambda: {
        entity: kind
        for entity, kind in graph_of(peer.node, 'spatialllm').items()
        if not OF_ROS.fullmatch(entity[1])
    }


def quality(node, role, topic):
    """Return how the node publishes or subscribes to a topic, in the guide's words."""
    read = {
        'publish': node.get_publishers_info_by_topic,
        'subscribe': node.get_subscriptions_info_by_topic,
    }[role]
    (profile,) = (one.qos_profile for one in read(topic) if one.node_name == 'spatialllm')
    words = f'{profile.reliability.name}, {profile.durability.name}'
    return words.lower().replace('_', ' ')


def test_topics_services_and_actions_are_the_node_s(told, entities, peer):
    settles(peer, entities, {entity: row[2] for entity, row in told.items()})
    said = {one: row[3] for one, row in told.items() if one[0] in {'publish', 'subscribe'}}
    assert said == {one: quality(peer.node, *one) for one in said}


def test_compressed_images_have_their_own_topic(start_node, peer):
    row = next(row for row in ROWS if row[0] == 'image/compressed')
    start_node(camera__transport='compressed')
    entity = (row[1], full_name(row[0]))
    peer.until(lambda: entity in graph_of(peer.node, 'spatialllm'))
    assert graph_of(peer.node, 'spatialllm')[entity] == row[2]
    assert quality(peer.node, *entity) == row[3]


def test_statuses_are_those_of_the_messages():
    told = {row[0]: int(row[1]) for row in ROWS if row[1].isdigit()}
    assert told == {code.name: int(code) for code in StatusCode}
