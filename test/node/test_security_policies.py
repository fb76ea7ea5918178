"""SROS 2 policies allow what running programs use, as the ROS graph tells it, and nothing else."""

from contextlib import closing
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

import rclpy
from ros_graph import graph_of, settles

from spatialllm_ros.dashboard.ros_client import RosClient

POLICIES = Path(__file__).parents[2] / 'config/security'
WATCHES = "watches: [{name: door, question: 'is there a door?', options: [yes, no]}]"
LEFT_OUT = {
    'tf2_ros': {('subscribe', '/tf'), ('subscribe', '/tf_static')},
    'vision_msgs': {
        ('publish', '/spatialllm/detections'),
        ('subscribe', '/spatialllm/detections'),
    },
}
"""What is not there where a package is not installed."""


@pytest.fixture
def node(start_node, peer, tmp_path):
    """Give a function that reads the entities of a node that does all it can."""
    (tmp_path / 'watches.yaml').write_text(WATCHES)
    start_node(
        use_sim_time=True, camera__depth_topic='depth', watches_file=tmp_path / 'watches.yaml'
    )
    peer.until(lambda: peer.state() == 'active')
    return lambda: graph_of(peer.node, 'spatialllm')


def granted(policy, node):
    """Return what a policy allows a node, {(role, full name)}."""
    (profile,) = ElementTree.parse(POLICIES / policy).iter('profile')
    assert (profile.get('ns'), profile.get('node')) == ('/', node)
    rights = set()
    for block in profile:
        (role,) = block.attrib
        assert block.get(role) == 'ALLOW', 'what is not allowed is denied anyway'
        rights |= {(role, full_name(element.text, node)) for element in block}
    return rights - {
        one for package in LEFT_OUT if not find_spec(package) for one in LEFT_OUT[package]
    }


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


def test_the_node_uses_what_it_may(node, peer):
    rights = granted('node.policy.xml', 'spatialllm')
    settles(peer, lambda: needed(node(), rights), rights)


def test_the_dashboard_uses_what_it_may(node, peer, domain, monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    rights = granted('dashboard.policy.xml', 'spatialllm_dashboard')
    with closing(RosClient('/spatialllm', [])) as dashboard:

        def look():
            for view in list(dashboard.views.by_topic.values()):
                view.want()
            return needed(graph_of(peer.node, 'spatialllm_dashboard'), rights)

        settles(peer, look, rights)


FOR_CLIENTS = {
    'reply': 'request',
    'execute': 'call',
    'publish': 'subscribe',
    'subscribe': 'publish',
}
FOR_OPERATORS = {'lifecycle_msgs', 'rcl_interfaces', 'type_description_interfaces'}
"""Packages of what changes or describes the node itself."""


def test_a_client_may_ask_and_listen(node, peer):
    asker = rclpy.create_node('asker', context=peer.context)

    def asks_and_listens():
        return set(graph_of(peer.node, 'asker')) | {
            (FOR_CLIENTS[role], name)
            for (role, name), kind in node().items()
            if name.startswith('/spatialllm/') or name == '/diagnostics'
            if kind.split('/')[0] not in FOR_OPERATORS and not name.endswith('/set_watches')
        }

    rights = granted('client.policy.xml', 'asker')
    settles(peer, lambda: needed(asks_and_listens(), rights), rights)
    asker.destroy_node()
