"""A node in its own process and a peer that talks to it over real DDS, in their own domain."""

import array
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

try:
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import TransformStamped
    from lifecycle_msgs.srv import ChangeState, GetState
    from rclpy.action import ActionClient
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import CameraInfo, Image
    from std_msgs.msg import Header

    from spatialllm_msgs.action import AskSpatial
    from spatialllm_msgs.msg import Status
    from spatialllm_msgs.srv import AskSpatial as AskOnce
    from spatialllm_ros.demo.environment import free_domain

    ABSENT = ''
except ImportError as error:
    ABSENT = str(error)

ROOT = Path(__file__).parents[2]
SCRIPTED_NODE = Path(__file__).with_name('scripted_node.py')
SHIPPED_NODE = ROOT / 'spatialllm_ros/node/main.py'
STAND_IN = ROOT / 'test/fakes/stand_in_for_tf2'
PROFILE = ROOT / 'config/fastdds_shm.xml'
DEADLINE_S = 30.0
"""Ends a test that hangs; nothing is asserted of it."""

CALLS = 3
"""How often a service is called that does not respond."""

RATE_HZ = 20.0
"""Of the camera."""

FATES = ('used', 'superseded', 'rejected', 'waiting')
"""What becomes of images."""

TRANSITIONS = {'configure': 1, 'cleanup': 2, 'activate': 3, 'deactivate': 4}


class Peer:
    """A ROS node of the test: publishes images, asks, and waits for what it sees."""

    def __init__(self, domain):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node('peer', context=self.context)
        self.asked, self.replies = 0, Counter()
        self._clients = {}
        self._action = ActionClient(self.node, AskSpatial, '/spatialllm/ask')
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._stopping = False
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self):
        while not self._stopping:
            self._executor.spin_once(timeout_sec=0.2)

    def close(self):
        self._stopping = True
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def result(self, future):
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        assert done.wait(DEADLINE_S), 'no response within the deadline'
        return future.result()

    def run(self, work):
        """Return what a function returns on the executor's thread."""
        return self.result(self._executor.create_task(work))

    def request(self, send):
        """Send on the executor's thread, and return the response.

        rclpy drops a response that is taken before the sender has noted its request.
        """
        return self.result(self.run(send))

    def until(self, predicate):
        """Return the first true value of a predicate."""
        deadline = time.monotonic() + DEADLINE_S
        while not (value := predicate()):
            assert time.monotonic() < deadline, f'never true: {predicate}'
            time.sleep(0.01)
        return value

    def client(self, kind, name):
        if name not in self._clients:  # each one costs memory in the node, too
            self._clients[name] = self.node.create_client(kind, name)
        client = self._clients[name]
        assert client.wait_for_service(DEADLINE_S), f'no service {name}'
        return client

    def call(self, kind, name, **request):
        """Call a service for which once more does no harm, and return its response."""
        client = self.client(kind, name)
        # On a busy machine the first response may leave before DDS knows where it is awaited.
        for _ in range(CALLS - 1):
            future, done = client.call_async(kind.Request(**request)), threading.Event()
            future.add_done_callback(lambda _, done=done: done.set())
            if done.wait(DEADLINE_S / CALLS):
                return future.result()
        return self.result(client.call_async(kind.Request(**request)))

    def ask(self, question, **more):
        self.asked += 1
        reply = self.call(AskOnce, '/spatialllm/ask_once', question=question, **more)
        self.replies[reply.status] += 1
        return reply

    def ask_in_passing(self, question):
        """Ask where there may be nobody; does not wait for the reply."""
        client = self._clients.get('in passing')
        if client is None:
            client = self.node.create_client(AskOnce, '/spatialllm/ask_once')
            self._clients['in passing'] = client
        if client.wait_for_service(0.05):
            client.call_async(AskOnce.Request(question=question))

    def ask_until(self, status, question, **more):
        """Ask again and again until the reply has a status, and return it."""
        return self.until(lambda: (r := self.ask(question, **more)).status == status and r)

    def send_goal(self, question, **more):
        """Return the accepted goal and the list of its partial texts."""
        assert self._action.wait_for_server(DEADLINE_S), 'no action server'
        self.asked += 1
        heard = []
        goal = self.request(
            lambda: self._action.send_goal_async(
                AskSpatial.Goal(question=question, **more),
                feedback_callback=lambda message: heard.append(message.feedback.partial_text),
            )
        )
        assert goal.accepted
        return goal, heard

    def change_state(self, transition):
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[transition]
        client = self.client(ChangeState, '/spatialllm/change_state')
        return self.result(client.call_async(request)).success

    def state(self):
        return self.call(GetState, '/spatialllm/get_state').current_state.label

    def diagnostics(self):
        """Return a function that gives the newest diagnostics, {name: {key: value}}."""
        newest = {}

        def take(array):
            for status in array.status:
                values = {pair.key: pair.value for pair in status.values}
                newest[status.name] = values | {'message': status.message}

        self.node.create_subscription(DiagnosticArray, '/diagnostics', take, 10)
        return lambda: newest

    def answers_within_a_second(self, stamps, question='is there a car?', **more):
        """Ask until an answer is about an image of those that are being filmed.

        The camera's own images are the clock: one that is starved of time slows down as well.
        """

        def answer():
            reply = self.ask(question, **more)
            stamp = reply.answer.header.stamp
            return reply.status == Status.OK and (stamp.sec, stamp.nanosec) in stamps and reply

        reply = self.until(answer)
        assert len(stamps) <= RATE_HZ, f'answered after {len(stamps)} images'
        return reply

    @contextmanager
    def filming(self, image=None, info=None, topic='image', rate_hz=RATE_HZ):
        """Publish an image with fresh stamps; gives the list of the stamps."""
        image = image or grey_image()
        quality = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        images = self.node.create_publisher(type(image), topic, quality)
        infos = self.node.create_publisher(CameraInfo, 'camera_info', quality)
        stamps = []

        def publish():
            image.header.stamp = self.node.get_clock().now().to_msg()
            stamps.append((image.header.stamp.sec, image.header.stamp.nanosec))
            if info is not None:
                info.header = image.header
                infos.publish(info)
            images.publish(image)

        timer = self.node.create_timer(1 / rate_hz, publish)
        try:
            yield stamps
        finally:
            # Not destroyed before close: the spinning thread may just be looking at them.
            timer.cancel()


@pytest.fixture(name='grey_image')
def grey_image_fixture():
    return grey_image


def grey_image(**fields):
    """Return an 8x6 grey rgb8 image of the optical frame, with fields changed."""
    given = {'height': 6, 'width': 8, 'encoding': 'rgb8', 'step': 24, 'data': bytes([128] * 144)}
    given |= fields
    return Image(
        header=Header(frame_id='camera_optical'),
        **given | {'data': array.array('B', given['data'])},
    )


class NodeProcess:
    """A running node and what it wrote.

    Attributes:
        may_trace: whether something happens that nobody expects, and is logged in full.
    """

    def __init__(self, process, log_path):
        self._process, self._log_path = process, log_path
        self.may_trace = False

    @property
    def log(self):
        return self._log_path.read_text(encoding='utf-8', errors='replace')

    @property
    def pid(self):
        return self._process.pid

    def signal(self, number):
        self._process.send_signal(number)

    def write(self, data):
        self._process.stdin.write(data)
        self._process.stdin.close()

    def exit_status(self, within_s=DEADLINE_S):
        return self._process.wait(within_s)


@pytest.fixture
def domain():
    if ABSENT:
        pytest.skip(f'needs rclpy and the built interfaces: {ABSENT}')
    os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', str(PROFILE))
    os.environ.setdefault('FASTDDS_DEFAULT_PROFILES_FILE', str(PROFILE))
    return free_domain()


@pytest.fixture
def peer(domain):
    peer = Peer(domain)
    yield peer
    peer.close()


@pytest.fixture
def accounts(peer):
    """Give a function that waits until every question has ended, and sees where all went."""
    newest = peer.diagnostics()

    def account():
        asked = peer.asked
        model = peer.until(
            lambda: (
                int((m := newest().get('spatialllm: model', {})).get('questions received', -1))
                >= asked
                and m['questions open'] == '0'
                and dict(m)
            )
        )
        questions = {
            name.split()[1]: int(number)
            for name, number in model.items()
            if name.startswith('questions ') and name.split()[1].isupper()
        }
        assert sum(questions.values()) == int(model['questions received'])
        cameras = [values for name, values in newest().items() if ': camera ' in name]
        for camera in cameras:
            fates = sum(int(camera[f'frames {fate}']) for fate in FATES)
            assert int(camera['frames received']) == fates
        return questions, cameras

    return account


@pytest.fixture
def start_node(domain, tmp_path):
    """Start a node with parameters; at the end it must leave in peace when asked to."""
    started = []

    def start(
        script=SCRIPTED_NODE, stdin=subprocess.DEVNULL, overrides=(), files=(), namespace='/',
        **parameters,
    ):  # fmt: skip
        given = {name.replace('__', '.'): value for name, value in parameters.items()}
        values = [f'{name}:={value}' for name, value in (given | dict(overrides)).items()]
        arguments = [part for path in files for part in ('--params-file', str(path))]
        arguments += ['-r', f'__ns:={namespace}']
        arguments += [part for value in values for part in ('-p', value)]
        log_path = tmp_path / f'node{len(started)}.log'
        environment = os.environ | {
            'ROS_DOMAIN_ID': str(domain),
            'ROS_LOG_DIR': str(tmp_path),
            'PYTHONPATH': os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]),
        }
        with log_path.open('w') as log:
            process = subprocess.Popen(
                [sys.executable, str(script), '--ros-args', *arguments],
                stdin=stdin, stdout=log, stderr=subprocess.STDOUT, env=environment,
            )  # fmt: skip
        started.append((process, NodeProcess(process, log_path)))
        return started[-1][1]

    yield start
    for process, node in started:
        if process.poll() is None:
            process.terminate()
            assert process.wait(DEADLINE_S) == 0, node.log
        assert node.may_trace or 'Traceback' not in node.log, node.log


@pytest.fixture(params=['scripted', 'nano'])
def answering(request, start_node, peer):
    """A node, active: once with a scripted session, once with the shipped model."""
    node = start_node(SHIPPED_NODE if request.param == 'nano' else SCRIPTED_NODE)
    peer.until(lambda: peer.state() == 'active')
    return node


@pytest.fixture
def scripted(start_node, peer):
    """A node with a scripted session, active."""
    node = start_node()
    peer.until(lambda: peer.state() == 'active')
    return node


@pytest.fixture(params=['tf2_ros', 'stand-in'])
def tell_tf(request, peer, monkeypatch):
    """A function that publishes a TransformStamped to nodes that are started from now on."""
    if request.param == 'tf2_ros':
        pytest.importorskip('tf2_ros', reason='tf2_ros is not installed')
        message = pytest.importorskip('tf2_msgs.msg').TFMessage
        publisher = peer.node.create_publisher(message, '/tf', 100)
        return lambda transform: publisher.publish(message(transforms=[transform]))
    path = os.pathsep.join([str(STAND_IN), os.environ['PYTHONPATH']])
    monkeypatch.setenv('PYTHONPATH', path)
    return peer.node.create_publisher(TransformStamped, '/tf', 100).publish
