"""Camera topics whose quality of service is overridden, and publishers that offer less."""

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo

from spatialllm_msgs.msg import Status

RATE_HZ = 20.0
"""Of the camera: so many images are a second's, in which diagnostics are told."""

OVERRIDE = 'qos_overrides./image.subscription.{}'
INFO_OVERRIDE = 'qos_overrides./camera_info.subscription.reliability'
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
LENS = CameraInfo(width=8, height=6, k=[8.0, 0.0, 3.5, 0.0, 8.0, 2.5, 0.0, 0.0, 1.0])
METRIC = 'how far is the red car?'
"""Refused without intrinsics."""


def test_a_publisher_that_offers_too_little_is_named_once(start_node, peer):
    node = start_node(**{OVERRIDE.format('reliability'): 'reliable'})
    diagnostics = peer.diagnostics()
    with peer.filming() as stamps:  # best effort
        message = peer.until(
            lambda: (
                (m := diagnostics().get('spatialllm: camera camera', {}).get('message', ''))
                and '/peer offers' in m  # whose name may come a moment later
                and m
            )
        )
        peer.until(lambda: len(stamps) > 40)
        assert peer.ask('ready?').status == Status.NO_FRAME
    assert '/spatialllm expected reliability reliable' in message
    assert '/peer offers best_effort' in message
    assert 'qos_overrides./image.subscription.reliability' in message
    assert node.log.count('/peer offers best_effort') == 1


def test_images_do_not_hide_that_the_intrinsics_of_their_camera_do_not_come(start_node, peer):
    start_node(**{INFO_OVERRIDE: 'reliable'})
    diagnostics = peer.diagnostics()

    def told():
        camera = diagnostics().get('spatialllm: camera camera', {})
        return int(camera.get('frames received', 0)) > RATE_HZ and camera['message']

    with peer.filming(info=CameraInfo()):  # best effort
        message = peer.until(told)
    assert message.startswith('/camera_info: /spatialllm expected reliability reliable')
    assert '/peer offers best_effort' in message


def test_the_life_cycle_keeps_overrides(start_node, peer):
    start_node(**{OVERRIDE.format('depth'): 3, OVERRIDE.format('reliability'): 'best_effort'})
    with peer.filming():
        for _ in range(2):
            peer.ask_until(Status.OK, 'ready?')
            for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
                assert peer.change_state(transition)
        peer.ask_until(Status.OK, 'ready?')


def test_a_quality_that_cannot_be_is_refused_with_the_reason(start_node, peer):
    node = start_node(autostart='false', **{OVERRIDE.format('reliability'): 'perfect'})
    assert peer.change_state('configure')
    assert not peer.change_state('activate')
    assert peer.state() == 'inactive'
    assert 'qos_overrides of image' in node.log
    assert 'perfect' in node.log
    assert peer.ask('ready?').status == Status.BUSY


@pytest.fixture
def kept_lens(peer):
    """A publisher of intrinsics, which it published once, before any node was there."""
    publisher = peer.node.create_publisher(CameraInfo, 'camera_info', LATCHED)
    publisher.publish(LENS)
    return publisher


def listeners(peer):
    """Return the durability of each subscription to the intrinsics."""
    found = peer.node.get_subscriptions_info_by_topic('/camera_info')
    return sorted(one.qos_profile.durability.name for one in found)


def test_intrinsics_that_were_published_once_are_heard(kept_lens, start_node, peer):
    node = start_node()
    with peer.filming():
        peer.ask_until(Status.OK, METRIC)
        for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
            assert peer.change_state(transition)
        peer.ask_until(Status.OK, METRIC)
    assert 'incompatible' not in node.log


def test_only_who_keeps_intrinsics_is_asked_for_them(kept_lens, scripted, peer):
    peer.until(lambda: listeners(peer) == ['TRANSIENT_LOCAL', 'VOLATILE'])
    peer.run(lambda: peer.node.destroy_publisher(kept_lens))
    peer.until(lambda: listeners(peer) == ['VOLATILE'])
    assert peer.change_state('deactivate')
    assert peer.change_state('activate')
    with peer.filming(info=LENS):  # best effort, volatile
        peer.ask_until(Status.OK, METRIC)
    assert listeners(peer) == ['VOLATILE']


def test_intrinsics_are_heard_from_both_kinds_of_publishers(kept_lens, scripted, peer):
    with peer.filming():
        peer.ask_until(Status.OK, METRIC)
    wrong = CameraInfo(width=8, height=6)
    with peer.filming(info=wrong):
        peer.ask_until(Status.UNCALIBRATED, METRIC)
