"""How late the executor is: against a callback that keeps its thread for a known time."""

import threading

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from spatialllm_ros.node.punctuality import PERIOD_S, Punctuality

KEPT_S = 0.3


@pytest.fixture
def punctuality(peer):
    measured = Punctuality(peer.node)
    peer.run(measured.start)
    yield measured
    peer.run(measured.stop)


def test_what_keeps_the_thread_makes_it_late(punctuality, peer):
    peer.run(lambda: threading.Event().wait(KEPT_S))
    peer.until(lambda: peer.run(punctuality.take_latest_s) >= KEPT_S - PERIOD_S)


def test_what_was_told_is_not_told_again(punctuality, peer):
    peer.run(lambda: threading.Event().wait(KEPT_S))
    first_s = peer.until(
        lambda: (late_s := peer.run(punctuality.take_latest_s)) >= KEPT_S - PERIOD_S and late_s
    )
    assert peer.run(punctuality.take_latest_s) < first_s


def test_a_running_node_tells_how_late_it_was(scripted, peer):
    diagnostics = peer.diagnostics()
    latest = peer.until(
        lambda: diagnostics().get('spatialllm: model', {}).get('executor late at most (ms)')
    )
    assert float(latest) >= 0
