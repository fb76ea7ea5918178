"""Layouts for RViz and Foxglove show what a running node publishes, in types that fit."""

import json
from functools import partial
from pathlib import Path

import pytest
import yaml

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from ros_graph import graph_of

CONFIG = Path(__file__).parents[2] / 'config'

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


def test_layouts_show_topics_that_are_there_in_types_that_fit(start_node, peer):
    start_node(camera__image_topic='/camera/image')
    read = partial(graph_of, peer.node, 'spatialllm')
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
