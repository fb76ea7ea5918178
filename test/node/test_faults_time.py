"""Time that stands still, jumps and begins anew, as bags and simulators have it. Real DDS."""

import ast
from contextlib import contextmanager

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, TransformStamped
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from spatialllm_msgs.msg import Status, Watch
from spatialllm_msgs.srv import SetWatches

HOUR_S = 3600.0
TICK_S = 0.05
BRIGHT = Watch(name='bright', question='is it bright?', options=['yes', 'no'])


class Bag:
    """Plays the clock, and images of that time; time can be set."""

    def __init__(self, peer, image):
        self._image, self.now_s, self.has_images = image, 0.0, True
        self.stamps = []
        self._clock = peer.node.create_publisher(Clock, '/clock', 1)
        self._images = peer.node.create_publisher(type(image), 'image', 1)
        self._timer = peer.node.create_timer(TICK_S, self._tick)

    @property
    def now(self):
        return Time(sec=int(self.now_s), nanosec=int(self.now_s % 1 * 1e9))

    def _tick(self):
        self.now_s += TICK_S
        now = self.now
        self._clock.publish(Clock(clock=now))
        if self.has_images:
            self._image.header.stamp = now
            self.stamps.append((now.sec, now.nanosec))
            self._images.publish(self._image)

    def begin(self, now_s):
        """Go on at another time, with images."""
        self.now_s, self.has_images = now_s, True
        self.stamps = []

    def stop(self):
        self._timer.cancel()


@pytest.fixture
def playing(start_node, peer, grey_image):
    """A node in simulated time, which starts at 100 s."""

    @contextmanager
    def play(**parameters):
        start_node(use_sim_time='true', **parameters)
        bag = Bag(peer, grey_image())
        bag.begin(100.0)
        peer.ask_until(Status.OK, 'ready?')
        yield bag
        bag.stop()

    return play


@pytest.mark.parametrize(
    'to_s', [0.0, 50.0, 100.0 + HOUR_S, 1e9], ids=['start', 'back', 'on', 'far']
)
def test_time_jumps_with_the_images(playing, peer, accounts, to_s):
    with playing() as bag:
        for start_s in (to_s, 100.0, to_s):
            bag.begin(start_s)
            reply = peer.answers_within_a_second(bag.stamps)
            assert abs(reply.answer.timing.image_age_s) < 1.0
        accounts()


def test_a_bag_is_told_to_need_its_clock_and_the_node_takes_it_while_it_runs(
    scripted, peer, grey_image
):
    bag = Bag(peer, grey_image())
    bag.begin(100.0)
    old = peer.ask_until(Status.STALE_FRAME, 'ready?')
    assert 'use_sim_time' in old.message
    sim_time = Parameter('use_sim_time', value=True).to_parameter_msg()
    (told,) = peer.call(SetParameters, '/spatialllm/set_parameters', parameters=[sim_time]).results
    assert told.successful
    peer.ask_until(Status.OK, 'ready?')
    bag.stop()


def test_a_bag_that_begins_anew_again_and_again(playing, peer, accounts):
    with playing(watch_hz=20.0) as bag:
        peer.call(SetWatches, '/spatialllm/set_watches', watches=[BRIGHT])
        for _ in range(10):
            bag.begin(100.0)
            peer.answers_within_a_second(bag.stamps)
        accounts()


def test_transforms_from_before_a_jump_back_are_forgotten(tell_tf, playing, peer):
    level, on_its_side = (-0.5, 0.5, -0.5, 0.5), (0.0, 0.5**0.5, 0.0, 0.5**0.5)

    def ups(bag):
        """Return up in the optical frame, as it was known of an image of the time that plays."""
        reply = peer.ask('ready?')
        is_of_now = (
            reply.answer.header.stamp.sec,
            reply.answer.header.stamp.nanosec,
        ) in bag.stamps
        return is_of_now and ast.literal_eval(reply.answer.text.partition(' up ')[2])

    def turned(bag, xyzw):
        """Play transforms that say how the camera is turned, until the node has up from them."""
        x, y, z, w = xyzw
        transform = TransformStamped(child_frame_id='camera_optical')
        transform.header.frame_id = 'base_link'
        transform.transform.rotation = Quaternion(x=x, y=y, z=z, w=w)

        def tell():
            transform.header.stamp = bag.now
            tell_tf(transform)

        timer = peer.node.create_timer(TICK_S, tell)
        up = peer.until(lambda: ups(bag))
        timer.cancel()
        return up

    with playing(camera__gravity_from='tf') as bag:
        # By hand: base_link's z axis in the optical frame is the rotation's third row.
        assert turned(bag, level) == pytest.approx((0.0, -1.0, 0.0), abs=1e-9)
        bag.begin(20.0)
        assert turned(bag, on_its_side) == pytest.approx((-1.0, 0.0, 0.0), abs=1e-9)


def test_time_jumps_back_and_the_camera_is_silent(playing, peer, accounts):
    diagnostics = peer.diagnostics()
    with playing() as bag:
        bag.has_images, bag.now_s = False, 10.0
        reply = peer.ask_until(Status.STALE_FRAME, 'ready?')
        assert 'ahead of the clock; has time jumped back' in reply.message
        camera = 'spatialllm: camera camera'
        peer.until(
            lambda: 'ahead of the clock' in diagnostics().get(camera, {}).get('message', '')
        )
        bag.begin(12.0)
        peer.answers_within_a_second(bag.stamps)
        accounts()


def test_time_jumps_on_and_the_camera_is_silent(playing, peer, accounts):
    with playing() as bag:
        bag.has_images, bag.now_s = False, HOUR_S
        reply = peer.ask_until(Status.STALE_FRAME, 'ready?')
        assert 's old' in reply.message
        bag.begin(HOUR_S + 2)
        peer.answers_within_a_second(bag.stamps)
        accounts()


def test_without_a_clock_the_node_still_tells_what_is_wrong(start_node, peer, accounts):
    start_node(use_sim_time='true')
    with peer.filming():  # with stamps of real time
        reply = peer.ask_until(Status.STALE_FRAME, 'ready?')
        assert 'ahead of the clock' in reply.message
        accounts()


def test_a_camera_whose_clock_is_wrong_is_told_so(scripted, peer, grey_image, accounts):
    image = grey_image()
    publisher = peer.node.create_publisher(type(image), 'image', 1)
    for sec, nanosec in ((-(2**31), 0), (-5, 2**32 - 1), (0, 0), (2**31 - 1, 2**32 - 1)):
        image.header.stamp = Time(sec=sec, nanosec=nanosec)
        reply = peer.until(
            lambda: (
                publisher.publish(image)
                or ((r := peer.ask('ready?')).status == Status.STALE_FRAME and r)
            )
        )
        assert ('ahead of' if sec > 0 else 's old') in reply.message
    with peer.filming() as stamps:
        peer.answers_within_a_second(stamps)
    accounts()
