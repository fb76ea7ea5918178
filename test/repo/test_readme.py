"""What the README says of interfaces, parameters and files is what is there."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

import rclpy

from spatialllm_ros.demo.environment import free_domain
from spatialllm_ros.node import parameters
from spatialllm_ros.node.ask_interfaces import AskInterfaces
from spatialllm_ros.node.messages import StatusCode

ROOT = Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
PARAMETERS = (ROOT / 'docs/guide/parameters.md').read_text(encoding='utf-8')


def test_the_table_of_parameters_is_the_node_s():
    assert parameters.table() in PARAMETERS, 'python -m spatialllm_ros.node.parameters'


def test_every_status_is_named():
    sentence = re.search(r'A request ends as (.*?), and says why', README, re.DOTALL)[1]
    assert set(re.findall(r'`(\w+)`', sentence)) == {code.name for code in StatusCode}


def test_every_interface_of_the_node_is_named():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=free_domain())
    node = rclpy.create_node('node', context=context)
    bare = offered(node)
    AskInterfaces(node)
    names = offered(node) - bare
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert {'~/ask', '~/ask_once', '~/question'} <= names
    assert {name for name in names if f'`{name}`' not in README} == set()


def offered(node):
    """Return the names of a node's topics and services, an action's parts as one."""
    own = [
        *node.get_publisher_names_and_types_by_node('node', '/'),
        *node.get_subscriber_names_and_types_by_node('node', '/'),
        *node.get_service_names_and_types_by_node('node', '/'),
    ]
    return {name.split('/_action')[0].replace('/node/', '~/') for name, _ in own}


def test_the_table_of_accuracy_is_the_evaluation_s():
    scores = json.loads((ROOT / 'docs/results/nano-held-out.json').read_text())
    rows = [
        f'| `{name}` | {own["accuracy"]:.3f} | {own["blind"]:.3f} | {own["majority"]:.3f} '
        f'| {own["n"]} |'
        for name, own in scores['types'].items()
    ]
    said = [line for line in README.splitlines() if re.match(r'\| `\w+` \| \d\.\d+ \|', line)]
    assert len(said) >= 12
    assert set(said) <= set(rows)
    assert f'mean of the twelve {scores["mean_twelve"]:.3f}' in ' '.join(README.split()).lower()


LINKS = re.findall(r'\]\((?!http)([^)#]+)', README)
SCRIPTS = re.findall(r'(?:python|source) (?!install/)([\w/]+\.\w+)', README)  # what is not built
LAUNCHED = [f'launch/{name}' for name in re.findall(r'ros2 launch \w+ (\S+)', README)]


@pytest.mark.parametrize('path', sorted({*LINKS, *SCRIPTS, *LAUNCHED}))
def test_every_file_that_is_named_is_there(path):
    assert (ROOT / path).is_file()


def test_every_make_target_that_is_named_is_there():
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    targets = set(re.findall(r'`?make ([a-z-]+)', README))
    assert targets
    assert [name for name in targets if f'\n{name}:' not in makefile] == []
