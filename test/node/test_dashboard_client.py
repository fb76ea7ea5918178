"""The dashboard's ROS side, beside a real node in another process."""

import signal
import time
from contextlib import ExitStack

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.action import ActionServer

from spatialllm_msgs.action import AskSpatial
from spatialllm_msgs.msg import Watch
from spatialllm_msgs.srv import SetWatches
from spatialllm_ros.dashboard import ros_client
from spatialllm_ros.dashboard.__main__ import parser
from spatialllm_ros.dashboard.board import MOST_OPEN
from spatialllm_ros.dashboard.ros_client import RosClient
from spatialllm_ros.errors import BusyError

BRIGHT = {'name': 'bright', 'question': 'is it bright?', 'options': ['yes', 'no']}


@pytest.fixture
def look_at(domain, monkeypatch):
    """A function that gives a client of the node of a full name; to be called once."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    with ExitStack() as at_the_end:

        def look_at(target, namespace='/'):
            client = RosClient(target, ['--ros-args', '-r', f'__ns:={namespace}'])
            at_the_end.callback(client.close)
            return client

        yield look_at


@pytest.fixture
def client(look_at):
    return look_at('/spatialllm')


class PausingHandle:
    """An action client's handle that pauses once it has sent, so that the response comes first."""

    def __init__(self, handle):
        self._handle = handle

    def __getattr__(self, name):
        method = getattr(self._handle, name)

        def send_and_pause(request):
            number = method(request)
            time.sleep(0.2)
            return number

        return send_and_pause if name.startswith('send_') else method


def end_of(peer, exchange):
    peer.until(lambda: not exchange.is_open)
    return exchange.status


def test_an_answer_comes_with_its_words_times_and_camera(scripted, peer, client):
    peer.until(lambda: client.board.is_well)
    with peer.filming():
        peer.ask_until(0, 'ready?')
        bright = client.ask('is it bright?', options=('yes', 'no'))
        assert end_of(peer, bright) == 'OK'
    assert (bright.words, bright.camera, bright.confidence) == ('yes', 'camera', 0.5)
    assert 0 < sum(bright.parts_s.values()) < bright.latency_s
    assert client.board.cameras == ('camera',)


def test_what_the_node_refuses_ends_with_its_reason(scripted, peer, client):
    peer.until(lambda: client.board.is_present)
    refused = client.ask('x' * 1001)
    assert end_of(peer, refused) == 'BAD_QUESTION'
    assert 'expected a question in words' in refused.words


def test_words_stream_until_somebody_cancels(scripted, peer, client):
    peer.until(lambda: client.board.is_present)
    with peer.filming():
        peer.ask_until(0, 'ready?')
        talk = client.ask('talk without end')
        peer.until(lambda: len(talk.words) > 20)
        client.cancel(talk)
        assert end_of(peer, talk) == 'CANCELLED'


def test_a_question_can_be_cancelled_at_once(scripted, peer, client):
    peer.until(lambda: client.board.is_present)
    with peer.filming():
        peer.ask_until(0, 'ready?')
        talk = client.ask('talk without end')
        client.cancel(talk)
        assert end_of(peer, talk) == 'CANCELLED'


def test_no_response_comes_too_early(scripted, peer, client, monkeypatch):
    peer.until(lambda: client.board.is_present)
    with peer.filming():
        peer.ask_until(0, 'ready?')
        action = client._action
        monkeypatch.setattr(action, '_client_handle', PausingHandle(action._client_handle))
        assert end_of(peer, client.ask('is it bright?')) == 'OK'
        talk = client.ask('talk without end')
        peer.until(lambda: talk.words)
        client.cancel(talk)
        assert end_of(peer, talk) == 'CANCELLED'
        # What rclpy holds until the response to the cancelling has come.
        peer.until(lambda: not action._pending_cancel_requests)


def test_a_question_that_cannot_be_sent_ends_with_the_reason(scripted, peer, client):
    peer.until(lambda: client.board.is_present)
    unsent = client.ask('is \ud83d bright?')  # half a character
    assert end_of(peer, unsent) == 'NOT_SENT'
    assert unsent.words.startswith('expected to send the question, found UnicodeEncodeError')
    with peer.filming():
        peer.ask_until(0, 'ready?')
        assert end_of(peer, client.ask('is it bright?')) == 'OK'


@pytest.fixture
def newer_node(peer):
    """An action server that ends every goal with a status that this version does not know."""

    def execute(goal):
        goal.abort()
        return AskSpatial.Result(status=99, message='too dark')

    server = ActionServer(peer.node, AskSpatial, '/spatialllm/ask', execute)
    yield server
    peer.run(server.destroy)


def test_a_status_that_nobody_knows_ends_a_question_and_not_the_dashboard(
    newer_node, peer, client
):
    peer.until(lambda: client.board.is_present)
    for _ in range(2):
        asked = client.ask('is it bright?')
        assert end_of(peer, asked) == 'UNKNOWN_STATUS'
        assert 'found 99; is it of another version?; too dark' in asked.words
    assert client.is_listening


def test_a_message_that_cannot_be_used_does_not_end_the_dashboard(peer, client):
    diagnostics = peer.node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def model(state, period):
        told = [KeyValue(key='told every (s)', value=period)]
        return DiagnosticStatus(name='spatialllm: model', message=state, values=told)

    def hear(*statuses):
        diagnostics.publish(DiagnosticArray(status=statuses))
        return client.board.state == statuses[0].message

    peer.until(lambda: hear(model('odd', 'now and then')) or not client.is_listening)
    peer.until(lambda: hear(model('active', '1.0')) or not client.is_listening)
    assert client.is_listening


def test_few_questions_wait_at_once(scripted, peer, client):
    peer.until(lambda: client.board.is_present)
    with peer.filming():
        peer.ask_until(0, 'ready?')
        waiting = [client.ask('talk without end') for _ in range(MOST_OPEN)]
        with pytest.raises(BusyError, match='wait for one, or cancel it'):
            client.ask('another?')
        for exchange in waiting:
            client.cancel(exchange)
        assert {end_of(peer, exchange) for exchange in waiting} <= {'CANCELLED', 'BUSY'}


def test_a_node_that_leaves_takes_its_open_questions_along(start_node, peer, client):
    absent = client.ask('anybody there?')
    assert absent.status == 'NO_NODE'
    assert 'expected the node /spatialllm, found none' in absent.words
    node = start_node()
    peer.until(lambda: client.board.is_well)
    with peer.filming():
        peer.ask_until(0, 'ready?')
        talk = client.ask('talk without end')
        peer.until(lambda: talk.words)
        node.signal(signal.SIGTERM)
        assert end_of(peer, talk) in {'CANCELLED', 'NO_NODE'}
    peer.until(lambda: 'found none' in client.board.state)
    assert not client.board.is_well
    start_node()
    peer.until(lambda: client.board.is_well)


def test_a_node_that_hangs_is_noticed_and_not_waited_for(scripted, peer, client, monkeypatch):
    monkeypatch.setattr(ros_client, 'REPLY_TIMEOUT_S', 2.0)
    peer.until(lambda: client.board.is_well)
    scripted.signal(signal.SIGSTOP)
    asked = client.ask('anybody there?')
    assert end_of(peer, asked) == 'NO_NODE'
    assert asked.words == 'the node did not reply within 2 s'
    peer.until(lambda: 'it says nothing of itself' in client.board.state)
    scripted.signal(signal.SIGCONT)
    peer.until(lambda: client.board.is_well)


def test_two_robots_on_one_graph_are_told_apart(start_node, peer, look_at):
    start_node(namespace='/r1')
    start_node(
        namespace='/r2', camera_names='[arm]', autostart='false', diagnostics_period_s='0.1'
    )
    diagnostics, client, seen = peer.diagnostics(), look_at('/r1/spatialllm'), set()

    def both_are_heard():
        seen.add((client.board.state, client.board.cameras))
        told = {'r1/spatialllm: camera camera', 'r2/spatialllm: model'}
        return client.board.is_well and told <= set(diagnostics())

    peer.until(both_are_heard)
    assert {cameras for _, cameras in seen} <= {(), ('camera',)}
    assert 'unconfigured' not in {state for state, _ in seen}


def test_without_a_slash_the_node_is_looked_for_in_the_own_namespace(start_node, peer, look_at):
    start_node(namespace='/r1')
    client = look_at('spatialllm', namespace='/r1')
    peer.until(lambda: client.board.is_well)
    assert client.target == '/r1/spatialllm'
    peer.until(lambda: '/r1/image' in client.views.by_topic)


def test_another_namespace_is_named_in_full(start_node, peer, look_at):
    start_node(namespace='/r1')
    client = look_at('/r1/spatialllm', namespace='/operator')
    peer.until(lambda: client.board.is_well)


def test_a_node_that_seldom_tells_of_itself_is_not_given_up(start_node, peer, client):
    start_node(diagnostics_period_s='6.0')
    told, seen = [], set()
    peer.node.create_subscription(DiagnosticArray, '/diagnostics', told.append, 10)

    def twice():
        seen.add(client.board.state)
        return client.board.is_well and len(told) > 1

    peer.until(twice)
    assert seen <= {'looking for the node', client._absence, ros_client.UNHEARD, 'active'}


@pytest.mark.parametrize('name', ['', '/', 'a//b', '/my robot', '/spatialllm/', '/8', '~x'])
def test_a_name_that_no_node_can_have_is_refused_with_the_reason(name, capsys):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(['--node', name])
    assert ended.value.code == 2
    assert "--node: expected a node's name (spatialllm, /robot/spa" in capsys.readouterr().err


def test_a_node_s_name_may_lack_its_first_slash(look_at):
    assert parser().parse_args([]).node == 'spatialllm'
    given = parser().parse_args(['--node', 'r1/spatialllm']).node
    assert look_at(given).target == '/r1/spatialllm'


def test_standing_questions_come_and_go(scripted, peer, client):
    peer.call(SetWatches, '/spatialllm/set_watches', watches=[Watch(**BRIGHT)])
    with peer.filming():
        peer.until(lambda: client.board.watches)
    (answer,) = client.board.watches.values()
    assert (answer.name, answer.question, answer.text) == ('bright', 'is it bright?', 'yes')
    peer.call(SetWatches, '/spatialllm/set_watches', watches=[])
    peer.until(lambda: not client.board.watches)


def test_the_images_that_the_node_reads_and_draws_can_be_looked_at(scripted, peer, client):
    peer.until(lambda: '/image' in client.views.by_topic)
    assert '/spatialllm/annotated/compressed' in client.views.by_topic
    view = client.views.by_topic['/image']
    with peer.filming():
        peer.until(lambda: view.want() or view.number)
    assert view.jpeg().startswith(b'\xff\xd8')
