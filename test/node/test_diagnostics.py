"""What is told of cameras, latency and standing questions."""

from collections import Counter

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CompressedImage, Image

from spatialllm_msgs.msg import Status
from spatialllm_ros.node import diagnostics as module
from spatialllm_ros.node.diagnostics import (
    GrowthRates,
    camera_status,
    latency_values,
    model_status,
    watch_status,
)
from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.runtime.frame_store import FrameCounts


def values(status):
    return {pair.key: pair.value for pair in status.values}


def test_latencies_are_told_by_percentile():
    told = latency_values([number / 1000 for number in range(101)])
    assert list(told.values()) == ['0.050', '0.095', '0.099']
    assert all('101 answers' in name for name in told)
    assert latency_values([]) == {}


def test_rates_are_those_between_two_looks(monkeypatch):
    now_s = [100.0]
    monkeypatch.setattr(module.time, 'monotonic', lambda: now_s[0])
    rates = GrowthRates()
    assert rates.per_second('a', 50) == 0.0
    now_s[0] += 2.0
    assert rates.per_second('a', 80) == 15.0
    assert rates.per_second('b', 7) == 0.0
    assert rates.per_second('a', 80) == 0.0


def test_a_camera_warns_with_its_problem():
    counts = FrameCounts(received=7, used=3, superseded=2, rejected={'size': 1}, waiting=1)
    well = camera_status('node', 'front', counts, {'rate received (Hz)': '15.0'}, '')
    assert (well.level, well.message) == (DiagnosticStatus.OK, 'images arrive')
    assert values(well)['frames rejected for size'] == '1'
    assert values(well)['rate received (Hz)'] == '15.0'
    ill = camera_status('node', 'front', counts, {}, 'nothing will come')
    assert (ill.level, ill.message) == (DiagnosticStatus.WARN, 'nothing will come')


def test_every_status_is_counted():
    told = values(model_status('node', 'active', {}, Counter({StatusCode.BUSY: 3})))
    assert told['questions BUSY'] == '3'
    assert {f'questions {code.name}' for code in StatusCode} <= set(told)


def test_standing_questions_that_fail_are_named():
    status = watch_status('node', {'a': ('yes (90%)', ''), 'b': ('no answer yet', 'too old')})
    assert (status.level, status.message) == (DiagnosticStatus.WARN, 'b: too old')
    assert values(status) == {'a': 'yes (90%)', 'b': 'no answer yet'}
    assert watch_status('node', {}).level == DiagnosticStatus.OK


def test_a_topic_without_images_is_named_with_its_publishers(start_node, peer):
    node = start_node(camera_names='[front]', front__image_topic='front/image_rw')
    diagnostics = peer.diagnostics()

    def told(publishers):
        words = f'no image has arrived on /front/image_rw (publishers: {publishers})'
        peer.until(
            lambda: diagnostics().get('spatialllm: camera front', {}).get('message') == words
        )
        return words

    silent = told(0)
    refused = peer.ask_until(Status.NO_FRAME, 'ready?')
    assert "camera 'front' on /front/image_rw, found none" in refused.message
    peer.until(lambda: silent in node.log)
    peer.node.create_publisher(Image, 'front/image_rw', 1)
    told(1)
    assert node.log.count('no image has arrived') == 1


def test_images_of_another_kind_on_a_topic_are_told(start_node, peer):
    start_node()
    diagnostics = peer.diagnostics()
    peer.node.create_publisher(CompressedImage, 'image', 1)
    words = (
        'no image has arrived on /image (publishers: 1, of sensor_msgs/msg/CompressedImage; '
        'expected sensor_msgs/msg/Image: see the parameters image_topic and transport)'
    )
    peer.until(lambda: diagnostics().get('spatialllm: camera camera', {}).get('message') == words)


def test_topics_of_intrinsics_and_depth_are_named_in_full(start_node, peer):
    topics = {'camera__info_topic': 'lens', 'camera__depth_topic': 'depth'}
    start_node(namespace='/robot', **topics)
    diagnostics = peer.diagnostics()
    with peer.filming(topic='/robot/image'):
        message = peer.until(
            lambda: (
                (m := diagnostics().get('robot/spatialllm: camera camera', {}).get('message', ''))
                and 'no CameraInfo' in m
                and m
            )
        )
    assert 'no CameraInfo has arrived on /robot/lens: ' in message
    assert 'no depth image has arrived on /robot/depth' in message


def test_rates_ages_engine_and_latency_of_a_running_node(scripted, peer):
    diagnostics = peer.diagnostics()
    with peer.filming(rate_hz=10.0):
        peer.ask_until(Status.OK, 'ready?')
        model, camera = peer.until(
            lambda: (
                (d := diagnostics()).get('spatialllm: camera camera', {}).get('rate used (Hz)')
                and float(d['spatialllm: camera camera']['rate received (Hz)']) > 1
                and (d['spatialllm: model'], d['spatialllm: camera camera'])
            )
        )
    assert (model['engine'], model['precision']) == ('a script', 'scripted')
    assert any(name.startswith('latency of 95 %') for name in model)
    assert float(camera['age of the newest frame (s)']) < 30
    peer.until(
        lambda: 's old' in diagnostics()['spatialllm: camera camera']['message']  # it has stopped
    )
