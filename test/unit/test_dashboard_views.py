"""Camera images for browsers, without a browser and without DDS."""

import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not in this environment')

from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image

from spatialllm_ros.dashboard import views
from spatialllm_ros.dashboard.views import View, Views, bounded, by_interest
from spatialllm_ros.errors import ImageError, NoFrameError

RED, BLUE = (200, 30, 40), (20, 60, 220)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    clock = SimpleNamespace(now_s=1000.0)
    monkeypatch.setattr(views.time, 'monotonic', lambda: clock.now_s)
    return clock


def raw(colour, width=32, height=24):
    data = array.array('B', bytes(colour) * (width * height))
    return Image(height=height, width=width, encoding='rgb8', step=3 * width, data=data)


def colour_of(file):
    """Return the mean colour of a JPEG file, red first, and its (height, width)."""
    bgr = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    return bgr.mean((0, 1))[::-1], bgr.shape[:2]


def test_the_newest_image_is_shown(clock):
    view = View(Image)
    view.take(raw(BLUE))
    view.take(raw(RED))
    colour, size = colour_of(view.jpeg())
    assert np.abs(colour - RED).max() < 4
    assert (size, view.number) == ((24, 32), 2)


def test_compressed_images_are_shown_too(clock):
    view = View(CompressedImage)
    _, file = cv2.imencode('.png', np.full((24, 32, 3), RED[::-1], np.uint8))
    view.take(CompressedImage(format='png', data=array.array('B', file.tobytes())))
    assert np.abs(colour_of(view.jpeg())[0] - RED).max() < 4


@pytest.mark.parametrize('in_millimetres', [False, True])
def test_depth_images_are_the_brighter_the_nearer(clock, in_millimetres):
    columns_m = np.repeat(np.float32([0.5, 2.5, 7.5, 30.0, 0.0]), 16)
    samples = np.uint16(columns_m * 1000) if in_millimetres else columns_m
    rows = np.tile(samples, (24, 1))
    view = View(Image)
    view.take(
        Image(
            height=24, width=80, encoding='16UC1' if in_millimetres else '32FC1',
            step=rows.strides[0], data=array.array('B', rows.tobytes()),
        )
    )  # fmt: skip
    grey = cv2.imdecode(np.frombuffer(view.jpeg(), np.uint8), cv2.IMREAD_GRAYSCALE)
    shown = grey.reshape(24, 5, 16)[:, :, 4:12].mean((0, 2))
    np.testing.assert_allclose(shown, (242.25, 191.25, 63.75, 0, 0), atol=4)


def test_what_no_depth_image_knows_is_black(clock):
    rows = np.full((8, 8), np.nan, np.float32)
    rows[0], rows[1], rows[2] = -np.inf, np.inf, -1.0
    view = View(Image)
    data = array.array('B', rows.tobytes())
    view.take(Image(height=8, width=8, encoding='32FC1', step=32, data=data))
    assert colour_of(view.jpeg())[0].max() == 0


def test_the_camera_s_own_images_are_offered_first():
    topics = [
        '/cam/aligned_depth_to_color/image_raw', '/spatialllm/annotated/compressed',
        '/cam/color/image_raw',
    ]  # fmt: skip
    assert by_interest(topics) == [topics[2], topics[0], topics[1]]


def test_images_are_made_at_a_bounded_rate_for_all_who_look(clock):
    view = View(Image)
    view.take(raw(RED))
    first = view.jpeg()
    view.take(raw(BLUE))
    clock.now_s += 0.09
    assert view.jpeg() is first
    clock.now_s += 0.02
    second = view.jpeg()
    assert np.abs(colour_of(second)[0] - BLUE).max() < 4
    clock.now_s += 10
    assert view.jpeg() is second  # nothing new has come


def test_a_number_is_that_of_the_image_that_is_served(clock):
    view = View(Image)
    view.take(raw(RED))
    assert view.number == 1
    view.jpeg()
    view.take(raw(BLUE))
    clock.now_s += 0.05
    assert view.number == 1
    assert np.abs(colour_of(view.jpeg())[0] - RED).max() < 4
    clock.now_s += 0.06
    assert view.number == 2
    assert np.abs(colour_of(view.jpeg())[0] - BLUE).max() < 4


def test_what_cannot_be_shown_is_said_until_the_next_image(clock):
    view = View(Image)
    with pytest.raises(NoFrameError):
        view.jpeg()
    view.take(Image(height=2, width=2, encoding='32FC3', step=24, data=bytes(48)))
    for _ in range(2):
        with pytest.raises(ImageError, match="found '32FC3'"):
            view.jpeg()
    assert "found '32FC3'" in view.problem
    clock.now_s += 1
    view.take(raw(RED))
    assert view.jpeg()
    assert view.problem == ''


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_images_are_no_larger_than_a_page_shows(width, height):
    small = bounded(np.zeros((height, width, 3), np.uint8))
    assert max(small.shape[:2]) == min(960, max(width, height))
    scale = max(small.shape[:2]) / max(width, height)
    for before, after in ((height, small.shape[0]), (width, small.shape[1])):
        assert after == max(1, round(before * scale)) or abs(after - before * scale) <= 1


class FakeNode:
    """Remembers what is subscribed to."""

    def __init__(self):
        self.topics = []

    def create_subscription(self, kind, topic, take, quality):
        assert quality.depth == 1
        self.topics.append(topic)
        return topic

    def destroy_subscription(self, topic):
        self.topics.remove(topic)


def test_only_what_somebody_looks_at_is_subscribed_to(clock):
    node, offered = FakeNode(), {'/a': 'sensor_msgs/msg/Image', '/b': 'sensor_msgs/msg/Image'}
    images = Views(node)
    images.update(offered)
    assert (set(images.by_topic), node.topics) == ({'/a', '/b'}, [])
    images.by_topic['/b'].want()
    images.update(offered)
    images.update(offered)
    assert node.topics == ['/b']
    clock.now_s += 3.1
    images.update(offered)
    assert node.topics == []


def test_a_topic_stays_while_the_node_restarts_and_somebody_looks(clock):
    node, images = FakeNode(), None
    images = Views(node)
    images.update({'/a': 'sensor_msgs/msg/Image'})
    view = images.by_topic['/a']
    view.want()
    images.update({})
    assert images.by_topic == {'/a': view}
    clock.now_s += 3.1
    images.update({})
    assert images.by_topic == {}
    with pytest.raises(NoFrameError, match="found '/a'"):
        images.jpeg('/a')
