"""The demo's camera over real DDS."""

import itertools
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not in this environment')

from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from spatialllm_ros.demo.processes import given
from spatialllm_ros.demo.recording import write_recording
from spatialllm_ros.demo.shots import Shot, info_fields
from spatialllm_ros.demo.truth import Truth, read_truth
from spatialllm_ros.schema import CameraModel, QuestionRecord

CAMERA_NODE = Path(__file__).parents[2] / 'spatialllm_ros/demo/camera_node.py'
TRUTH = Truth('sim-7', (QuestionRecord('sim-7', 'count', 'how many cars?', (), '2'),))
GREYS = (20, 80, 140, 200)


@pytest.fixture
def bag(tmp_path):
    info = info_fields(CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5))
    greys = [np.full((48, 64, 3), grey, np.uint8) for grey in GREYS]
    path = tmp_path / 'some.mcap'
    write_recording(path, [Shot(rgb, i / 10, info, TRUTH) for i, rgb in enumerate(greys)])
    return path


def listen(peer, kind, topic):
    heard = []
    peer.node.create_subscription(kind, topic, heard.append, 50)
    return heard


def stamp_of(message):
    return message.header.stamp.sec, message.header.stamp.nanosec


def test_every_image_comes_with_intrinsics_and_truth_of_its_stamp(start_node, peer, bag):
    infos, truths = listen(peer, CameraInfo, 'camera_info'), listen(peer, String, 'truth')
    raw = listen(peer, Image, 'image')
    jpegs = listen(peer, CompressedImage, 'image/compressed')
    begun_ns = peer.node.get_clock().now().nanoseconds
    start_node(CAMERA_NODE, source=bag)
    peer.until(lambda: min(map(len, (raw, jpegs, infos, truths))) > 2 * len(GREYS))
    known = dict(map(read_truth, [text.data for text in list(truths)]))
    described = {stamp_of(info): info for info in list(infos)}
    # Topics are joined one after the other, and what came just now may be half heard.
    first, last = max(min(known), min(described)), min(max(known), max(described))
    whole = [message for message in raw if first <= stamp_of(message) <= last]
    assert len(whole) >= len(GREYS)
    for message in whole:
        assert known[stamp_of(message)] == TRUTH
        assert described[stamp_of(message)].k[0] == 60.0
        assert (message.width, message.height, message.encoding) == (64, 48, 'rgb8')
        assert message.step == 64 * 3
        assert message.header.frame_id == 'camera_optical_frame'
        assert stamp_of(message)[0] * 10**9 + stamp_of(message)[1] > begun_ns
    shown = [int(np.mean(message.data)) for message in raw]
    expected = itertools.islice(itertools.cycle(GREYS), GREYS.index(nearest(shown[0])), None)
    assert [nearest(grey) for grey in shown] == list(itertools.islice(expected, len(shown)))
    bgr = cv2.imdecode(np.frombuffer(jpegs[0].data, np.uint8), cv2.IMREAD_COLOR)
    assert bgr.shape == (48, 64, 3)
    assert jpegs[0].format == 'jpeg'


def nearest(grey):
    return min(GREYS, key=lambda known: abs(known - grey))


def test_images_keep_the_recording_s_rate(start_node, peer, bag):
    raw = listen(peer, Image, 'image')
    start_node(CAMERA_NODE, source=bag)
    peer.until(lambda: len(raw) > 12)
    times_s = [sec + nanosec / 1e9 for sec, nanosec in map(stamp_of, raw)]
    # Three gaps of 0.1 s and one of 1/15 s a round; no image is early, late ones delay the rest.
    assert times_s[12] - times_s[0] >= 3 * (3 * 0.1 + 1 / 15) - 0.01


def test_it_begins_when_it_is_watched_and_ends_after_so_many(start_node, peer, bag):
    truths = listen(peer, String, 'truth')
    camera = start_node(CAMERA_NODE, source=bag, images=6)
    peer.until(lambda: peer.node.count_publishers('truth'))
    assert not truths
    raw = listen(peer, Image, 'image')
    peer.until(lambda: len(truths) == 6)
    peer.until(lambda: len(raw) >= 5)
    camera.signal(signal.SIGINT)
    assert camera.exit_status() == 0
    assert len(truths) == 6


def test_a_long_gap_between_images_does_not_hold_up_a_signal(start_node, peer, tmp_path):
    grey = np.full((48, 64, 3), 90, np.uint8)
    write_recording(tmp_path / 'gap.mcap', [Shot(grey, at_s, {}) for at_s in (0.0, 3600.0)])
    raw = listen(peer, Image, 'image')
    camera = start_node(CAMERA_NODE, source=tmp_path / 'gap.mcap')
    peer.until(lambda: raw)
    camera.signal(signal.SIGINT)
    assert camera.exit_status() == 0


def test_a_file_s_name_may_be_a_number(start_node, peer, bag, monkeypatch):
    bag.rename(bag.parent / '20261126')
    monkeypatch.chdir(bag.parent)
    _, source = given({'source': '20261126'})
    name, _, value = source.partition(':=')
    raw = listen(peer, Image, 'image')
    start_node(CAMERA_NODE, **{name: value})
    peer.until(lambda: raw)


@pytest.mark.parametrize(('source', 'words'), [
    ('/nowhere/at/all', "found '/nowhere/at/all'"),
    ('/dev/video99', 'expected a camera at /dev/video99'),
])  # fmt: skip
def test_a_source_that_is_not_there_ends_it_with_the_reason(start_node, source, words):
    camera = start_node(CAMERA_NODE, source=source)
    assert camera.exit_status() == 2
    assert words in camera.log


@pytest.mark.parametrize('images', ['-1', '1.5', 'some'])
def test_a_number_that_cannot_be_ends_it_with_the_reason(start_node, images):
    camera = start_node(CAMERA_NODE, images=images)
    assert camera.exit_status() == 2
    assert 'demo_camera: images: ' in camera.log
