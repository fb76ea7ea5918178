"""Transitions, parameters, start and end of the node. Real DDS and processes."""

import gc
import os
import signal
import threading
import weakref
from pathlib import Path

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

import rclpy
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn

from spatialllm_msgs.msg import Status, Watch
from spatialllm_msgs.srv import AskSpatial as AskOnce
from spatialllm_msgs.srv import SetWatches
from spatialllm_ros.node.spatialllm_node import SpatialLLMNode

SHIPPED_NODE = Path(__file__).parents[2] / 'spatialllm_ros/node/main.py'


CYCLES = int(os.environ.get('SPATIALLLM_LIFECYCLES', '12'))
"""How many the test of leaks goes through; memory is judged from 100 on."""

WARM_CYCLES = 3
CHANGE_STATE = '/spatialllm/change_state'
TRANSITIONS = {'configure': 1, 'cleanup': 2, 'activate': 3, 'deactivate': 4}


class Idle:
    """Stands in for a session that nobody asks."""

    engine_name = precision = 'none'

    def check(self, query):
        pass


def change_to(transition):
    request = ChangeState.Request()
    request.transition.id = TRANSITIONS[transition]
    return request


def open_files_and_threads(node):
    folder = Path(f'/proc/{node.pid}')
    return len(os.listdir(folder / 'fd')), len(os.listdir(folder / 'task'))


def resident_kib(node):
    status = Path(f'/proc/{node.pid}/status').read_text()
    return int(status.split('VmRSS:')[1].split()[0])


def test_every_transition_can_be_repeated(start_node, peer):
    node = start_node(autostart='false')
    assert peer.state() == 'unconfigured'
    held = []
    with peer.filming():
        for _ in range(4):
            assert peer.change_state('configure')
            assert peer.ask('ready?').status == Status.BUSY
            for _ in range(2):
                assert peer.change_state('activate')
                peer.ask_until(Status.OK, 'ready?')
                assert peer.change_state('deactivate')
                assert peer.ask('ready?').status == Status.BUSY
            assert peer.change_state('cleanup')
            assert peer.state() == 'unconfigured'
            held.append(open_files_and_threads(node))
    assert held[-1] == held[0], held


def test_life_cycles_leave_nothing_behind(start_node, peer, tmp_path):
    path = tmp_path / 'watches.yaml'
    path.write_text('watches: [{name: colour, question: what colour}]')
    node = start_node(autostart='false', watches_file=path)
    held, resident = [], []
    with peer.filming():
        for _ in range(CYCLES):
            for transition in ('configure', 'activate', 'deactivate', 'cleanup'):
                assert peer.change_state(transition)
                if transition == 'activate':
                    peer.ask_until(Status.OK, 'ready?')
            resident.append(resident_kib(node))
            held.append(open_files_and_threads(node))
            if len(held) > WARM_CYCLES:  # a thread that has been joined is gone a moment later
                peer.until(lambda: open_files_and_threads(node) == held[WARM_CYCLES])
    if CYCLES >= 100:
        middle, end = resident[CYCLES // 4], resident[-1]
        assert end < 1.02 * middle, resident[:: CYCLES // 20]


def test_life_cycles_leave_no_timer_behind(domain):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = SpatialLLMNode(lambda _: Idle(), context=context)
    timers = []
    for _ in range(3):
        for change in (node.trigger_configure, node.trigger_activate, node.trigger_deactivate):
            assert change() == TransitionCallbackReturn.SUCCESS
        timers.append(len(list(node.timers)))
        node.trigger_cleanup()
    timers.append(len(list(node.timers)))
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert timers == [1] * 4, 'that of diagnostics'


@pytest.fixture
def node_beside(domain):
    """Start a node in this process, with a way to load its model, and spin it in a thread."""
    context, ending, threads = rclpy.Context(), threading.Event(), []
    rclpy.init(context=context, domain_id=domain)

    def start(load):
        node = SpatialLLMNode(load, context=context)
        executor = SingleThreadedExecutor(context=context)

        def spin():
            while not ending.is_set():
                executor.spin_once(timeout_sec=0.2)
            executor.shutdown()
            node.destroy_node()

        executor.add_node(node)
        threads.append(threading.Thread(target=spin))
        threads[0].start()

    yield start
    ending.set()
    for thread in threads:
        thread.join()
    rclpy.shutdown(context=context)


def test_a_model_that_is_cleaned_up_or_cannot_be_used_is_freed(node_beside, peer):
    held = []

    def load(_):
        session = Idle()
        held.append(weakref.ref(session))
        return session

    def in_memory():
        return sum(model() is not None for model in held)

    gc.disable()  # or chance would free it
    try:
        node_beside(load)
        with peer.filming():
            for _ in range(3):
                for transition in ('configure', 'activate', 'deactivate', 'cleanup'):
                    assert peer.change_state(transition)
                peer.until(lambda: in_memory() == 0)
        assert set_parameter(peer, 'watches_file', '/nowhere/at/all') == (True, '')
        assert not peer.change_state('configure')
        assert (in_memory(), len(held)) == (0, 4)
    finally:
        gc.enable()


def test_deactivating_ends_what_runs_and_what_waits(scripted, peer):
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        running, heard = peer.send_goal('talk without end')
        peer.until(lambda: heard)
        waiting, _ = peer.send_goal('ready?')
        assert peer.change_state('deactivate')
        for goal in (running, waiting):
            ended = peer.result(goal.get_result_async())
            assert ended.status == GoalStatus.STATUS_ABORTED
            assert ended.result.status == Status.CANCELLED
        assert peer.change_state('activate')
        peer.ask_until(Status.OK, 'ready?', max_frame_age=Duration(nanosec=5 * 10**8))


def test_no_caller_is_left_without_a_reply_by_a_cleanup(start_node, peer):
    start_node(diagnostics_period_s='0.1')
    diagnostics, change = peer.diagnostics(), peer.client(ChangeState, CHANGE_STATE).call_async
    ask = peer.client(AskOnce, '/spatialllm/ask_once').call_async
    transitions = [change_to(name) for name in ('deactivate', 'cleanup', 'configure', 'activate')]

    def are_open(number):
        return diagnostics().get('spatialllm: model', {}).get('questions open') == number

    with peer.filming():
        for _ in range(CYCLES):
            peer.ask_until(Status.OK, 'ready?')
            peer.until(lambda: are_open('0'))
            running, late = (peer.send_goal('talk without end')[0] for _ in range(2))
            result = peer.run(running.get_result_async)
            once = ask(AskOnce.Request(question='talk without end'))
            peer.until(lambda: are_open('3'))
            changed = [change(transition) for transition in transitions]
            assert all(peer.result(one).success for one in changed)
            assert peer.result(once).status == Status.CANCELLED
            assert peer.result(result).result.status == Status.CANCELLED
            assert peer.request(late.get_result_async).result.status == Status.CANCELLED


def test_no_request_to_watch_is_left_without_a_reply_by_a_cleanup(scripted, peer):
    change = peer.client(ChangeState, CHANGE_STATE).call_async
    client = peer.client(SetWatches, '/spatialllm/set_watches')
    request = SetWatches.Request(watches=[Watch(name='bright', question='is it bright?')])

    def thrice():
        return [peer.run(lambda: client.call_async(request)) for _ in range(3)]  # see Peer.request

    told = []
    for _ in range(CYCLES):
        for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
            asked, changed = thrice(), change(change_to(transition))
            asked += thrice()
            assert peer.result(changed).success
            told += [peer.result(reply) for reply in asked]
    assert {reply.status for reply in told} == {Status.OK, Status.BUSY}
    assert all('configure' in reply.message for reply in told if reply.status == Status.BUSY)


def test_who_asks_a_node_that_was_cleaned_up_is_told(scripted, peer):
    ask = peer.client(AskOnce, '/spatialllm/ask_once').call_async
    assert peer.ask('ready?').status == Status.NO_FRAME
    assert peer.change_state('deactivate')
    assert peer.change_state('cleanup')
    told = peer.result(ask(AskOnce.Request(question='ready?')))
    assert (told.status, 'configure' in told.message) == (Status.BUSY, True)
    goal, _ = peer.send_goal('ready?')
    assert peer.request(goal.get_result_async).result.status == Status.BUSY
    refused = peer.call(SetWatches, '/spatialllm/set_watches', watches=[])
    assert (refused.status, refused.topics, 'configure' in refused.message) == (
        Status.BUSY, [], True,
    )  # fmt: skip


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_node_after_the_callers_were_told(scripted, peer, number):
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        goal, heard = peer.send_goal('talk without end')
        result = goal.get_result_async()
        peer.until(lambda: heard)
        scripted.signal(number)
        assert peer.result(result).result.status == Status.CANCELLED
    assert scripted.exit_status() == 0


def test_what_cannot_be_configured_says_why(start_node, peer):
    node = start_node(autostart='false', bundle='broken')
    diagnostics = peer.diagnostics()
    assert not peer.change_state('configure')
    assert peer.state() == 'unconfigured'
    assert 'expected a script, found a broken one' in node.log
    peer.until(
        lambda: (
            'found a broken one'
            in diagnostics().get('spatialllm: model', {'message': ''})['message']
        )
    )
    assert set_parameter(peer, 'bundle', 'whole') == (True, '')
    assert peer.change_state('configure')


def test_a_failure_that_nobody_expects_is_told_until_the_next_try(start_node, peer):
    node = start_node(autostart='false', bundle='burning', diagnostics_period_s='0.1')
    node.may_trace = True

    def message():
        return diagnostics().get('spatialllm: model', {}).get('message', '')

    diagnostics = peer.diagnostics()
    assert not peer.change_state('configure')
    words = "unconfigured: expected to become inactive, found RuntimeError('no memory is left')"
    peer.until(lambda: message().startswith(words))
    assert 'the log' in message()
    assert peer.state() == 'unconfigured'
    assert set_parameter(peer, 'bundle', 'whole') == (True, '')
    assert peer.change_state('configure')
    peer.until(lambda: message() == 'inactive')


def test_starting_by_itself_with_a_missing_bundle_ends_with_the_reason(start_node):
    node = start_node(SHIPPED_NODE, bundle='/nowhere/at/all')
    assert node.exit_status() == 1
    assert '/nowhere/at/all' in node.log


@pytest.mark.parametrize(('parameters', 'words'), [
    ({'max_frame_age_s': '0.0'}, 'max_frame_age_s: expected a decimal number from 0.05'),
    ({'max_frame_age_s': '1'}, 'max_frame_age_s: expected a decimal number'),
    ({'max_fame_age_s': '1.0'}, 'max_fame_age_s: there is no such parameter'),
    ({'camera_names': '[a, b]'}, "b.image_topic: another camera has 'image' too"),
    ({'camera_names': '[]'}, 'camera_names needs at least one'),
    ({'camera.image_topic': 'front//image_raw'}, "image_topic: expected a topic's name, found"),
    ({'camera.info_topic': 'my-info'}, "camera.info_topic: expected a topic's name, found 'my-i"),
    ({'camera.depth_topic': 'a//b'}, "camera.depth_topic: expected a topic's name, found 'a//b'"),
    ({'use_cv_bridge': 'maybe'}, "use_cv_bridge: expected true or false, found 'maybe'"),
])  # fmt: skip
def test_parameters_that_cannot_be_end_the_node_with_the_reason(start_node, parameters, words):
    node = start_node(overrides=parameters)
    assert node.exit_status() == 2
    assert words in node.log


def test_a_topic_that_cannot_be_is_refused_when_the_node_is_configured(start_node, peer):
    node = start_node(autostart='false')
    assert set_parameter(peer, 'camera.depth_topic', 'a//b') == (True, '')
    assert not peer.change_state('configure')
    assert "camera.depth_topic: expected a topic's name, found 'a//b'" in node.log


def set_parameter(peer, name, value):
    """Set a text or a number, and return whether it was done and why not."""
    kind = ParameterType.PARAMETER_STRING if isinstance(value, str) else 3
    held = {'string_value': value} if isinstance(value, str) else {'double_value': value}
    parameter = Parameter(name=name, value=ParameterValue(type=kind, **held))
    response = peer.call(SetParameters, '/spatialllm/set_parameters', parameters=[parameter])
    return response.results[0].successful, response.results[0].reason


def test_parameters_are_checked_when_set_and_fixed_while_configured(start_node, peer):
    start_node(autostart='false')
    assert set_parameter(peer, 'max_frame_age_s', 2.5) == (True, '')
    done, reason = set_parameter(peer, 'max_frame_age_s', 0.0)
    assert not done
    assert '0.05' in reason
    done, reason = set_parameter(peer, 'camera.transport', 'theora')
    assert (done, reason) == (
        False,
        "camera.transport: expected one of raw, compressed, found 'theora'",
    )
    assert not set_parameter(peer, 'nonsense', 1.0)[0]
    assert peer.change_state('configure')
    done, reason = set_parameter(peer, 'engine', 'onnx')
    assert not done
    assert reason.startswith('engine: read when the node is configured')
    # As it is already: `ros2 param load` of what `ros2 param dump` wrote sets them all.
    assert set_parameter(peer, 'camera.transport', 'raw') == (True, '')


def test_live_parameters_have_their_effect_at_once(scripted, peer):
    diagnostics = peer.diagnostics()
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
    peer.ask_until(Status.STALE_FRAME, 'ready?')
    assert set_parameter(peer, 'max_frame_age_s', 3600.0) == (True, '')
    assert peer.ask('ready?').status == Status.OK
    assert set_parameter(peer, 'answer_timeout_s', 0.2) == (True, '')
    assert peer.ask('talk without end').status == Status.TIMEOUT
    assert set_parameter(peer, 'diagnostics_period_s', 0.1) == (True, '')
    assert set_parameter(peer, 'camera.encode_ahead_hz', 60.0) == (True, '')
    done, reason = set_parameter(peer, 'watch_min_confidence', 1.5)
    assert not done
    assert '1.5' in reason
    with peer.filming():
        peer.until(
            lambda: (
                int(diagnostics().get('spatialllm: camera camera', {}).get('frames used', 0)) > 3
            )
        )
