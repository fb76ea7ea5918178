"""SIGINT and SIGTERM at any moment: the node ends in time; callers are told. Real processes."""

import os
import random
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from spatialllm_msgs.msg import Status, Watch
from spatialllm_msgs.srv import SetWatches

SHIPPED_NODE = Path(__file__).parents[2] / 'spatialllm_ros/node/main.py'

PATIENCE_S = 5.0
"""After SIGINT, ros2 launch sends SIGTERM after so long, and SIGKILL after as long again."""

MOMENTS = int(os.environ.get('SPATIALLLM_SIGNALS', '3'))
"""How many random ones are tried."""
LATEST_S = 2.0

both = pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])


def catches_signals(node):
    status = Path(f'/proc/{node.pid}/status').read_text()
    caught = int(status.split('SigCgt:')[1].split()[0], 16)
    return caught >> (signal.SIGTERM - 1) & 1


@both
def test_while_the_model_is_loaded(start_node, peer, number):
    node = start_node(stdin=subprocess.PIPE, bundle='slow')
    peer.until(lambda: 'loading' in node.log)
    node.signal(number)
    node.write(b'!')
    assert node.exit_status() == 0


@pytest.fixture
def silent_server():
    """Return the URL of a server that takes requests and never answers."""
    listening = socket.create_server(('127.0.0.1', 0))
    yield f'http://127.0.0.1:{listening.getsockname()[1]}/v1'
    listening.close()


@both
@pytest.mark.parametrize('autostart', ['true', 'false'])
def test_while_a_model_is_waited_for_that_never_comes(
    start_node, peer, silent_server, number, autostart
):
    node = start_node(
        SHIPPED_NODE, engine='remote', server_url=silent_server, server_model='any',
        autostart=autostart,
    )  # fmt: skip
    if autostart == 'false':
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
        peer.client(ChangeState, '/spatialllm/change_state').call_async(request)
    peer.until(lambda: is_connected_to(silent_server))
    node.signal(number)
    assert node.exit_status(PATIENCE_S) == 128 + number
    assert 'the model' in node.log


def is_connected_to(url):
    """Tell whether anybody is, by the kernel's table of connections (state 01)."""
    port = f':{int(url.split(":")[2].split("/")[0]):04X}'
    rows = [line.split() for line in Path('/proc/net/tcp').read_text().splitlines()[1:]]
    return any(remote.endswith(port) and state == '01' for _, _, remote, state, *_ in rows)


@both
def test_as_early_as_can_be(start_node, peer, number):
    node = start_node(SHIPPED_NODE)
    peer.until(lambda: catches_signals(node))
    node.signal(number)
    assert node.exit_status() in in_time_or_while_loading(number)


def in_time_or_while_loading(number):
    """Return how a node may end that was perhaps in the midst of loading."""
    return {0, 128 + number}


@both
def test_before_it_is_configured(start_node, peer, number):
    node = start_node(autostart='false')
    assert peer.state() == 'unconfigured'
    node.signal(number)
    assert node.exit_status(PATIENCE_S) == 0


@both
def test_while_it_is_idle(scripted, number):
    scripted.signal(number)
    assert scripted.exit_status(PATIENCE_S) == 0


def test_again_and_again(scripted, peer):
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        goal, heard = peer.send_goal('talk without end')
        peer.until(lambda: heard)
        result = goal.get_result_async()
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            scripted.signal(number)
        assert peer.result(result).result.status == Status.CANCELLED
    assert scripted.exit_status(PATIENCE_S) == 0


@both
def test_while_much_is_going_on(start_node, peer, number):
    node = start_node(camera__encode_ahead_hz=60.0)
    endless = [Watch(name=f'w{n}', question='talk without end') for n in range(8)]
    peer.call(SetWatches, '/spatialllm/set_watches', watches=endless)
    with peer.filming(rate_hz=100.0):
        peer.ask_until(Status.OK, 'ready?')
        goals = [peer.send_goal('talk without end') for _ in range(8)]
        results = [goal.get_result_async() for goal, _ in goals]
        peer.until(lambda: any(heard for _, heard in goals))
        node.signal(number)
        for result in results:
            assert peer.result(result).result.status == Status.CANCELLED
    assert node.exit_status(PATIENCE_S) == 0


@pytest.mark.parametrize('seed', range(MOMENTS))
def test_at_random_moments(start_node, peer, seed):
    chance = random.Random(seed)
    node = start_node(SHIPPED_NODE)
    with peer.filming():
        peer.until(lambda: catches_signals(node))
        delay_s, number = (
            chance.uniform(0, LATEST_S),
            chance.choice([signal.SIGINT, signal.SIGTERM]),
        )
        timer = threading.Timer(delay_s, node.signal, [number])
        timer.start()
        while timer.is_alive():
            peer.ask_in_passing('is there a red car?')
        expected = in_time_or_while_loading(number)
        assert node.exit_status() in expected, f'signal {number} after {delay_s:.3f} s'
