"""Camera topics whose quality of service is overridden, and publishers that offer less."""

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from spatialllm_msgs.msg import Status

OVERRIDE = 'qos_overrides./image.subscription.{}'


def test_a_publisher_that_offers_too_little_is_named_once(start_node, peer):
    node = start_node(**{OVERRIDE.format('reliability'): 'reliable'})
    diagnostics = peer.diagnostics()
    with peer.filming() as stamps:  # best effort
        message = peer.until(
            lambda: (
                (m := diagnostics().get('spatialllm: camera camera', {}).get('message', ''))
                and 'reliability' in m
                and m
            )
        )
        peer.until(lambda: len(stamps) > 40)
        assert peer.ask('ready?').status == Status.NO_FRAME
    assert '/spatialllm expected reliability reliable' in message
    assert '/peer offers best_effort' in message
    assert 'qos_overrides./image.subscription.reliability' in message
    assert node.log.count('/peer offers best_effort') == 1


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
