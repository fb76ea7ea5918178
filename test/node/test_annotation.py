"""Answers drawn into images, and the topic of them."""

import math
import threading

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from sensor_msgs.msg import CompressedImage

from spatialllm_msgs.msg import Status, Watch
from spatialllm_msgs.srv import AskSpatial as AskOnce
from spatialllm_msgs.srv import SetWatches
from spatialllm_ros.errors import GeometryError
from spatialllm_ros.geometry import azimuth, guessed_camera
from spatialllm_ros.node import annotation
from spatialllm_ros.node.annotation_drawing import (
    FONT,
    FONT_SCALE,
    draw_answers,
    ring_and_arrow,
    wrapped,
)
from spatialllm_ros.node.annotation_topics import Pictures
from spatialllm_ros.node.annotation_words import Answered, answer_words, object_phrase
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.schema import Answer, AnswerKind, Frame, LocatedObject, Query

WHERE = Query('where is the red car?')


def frame(grey=128, width=640, height=480):
    rgb = np.full((height, width, 3), grey, np.uint8)
    return Frame(rgb, guessed_camera(width, height, 1.0), 7, 'optical', 'front')


def answer(text='yes', kind=AnswerKind.YES_NO, confidence=0.93, pose=None):
    return Answer(text, kind, confidence, 7, 'optical', 'front', pose=pose)


def located(centre=(0.5, -0.3, 4.0), heading_rad=None):
    return answer('a place', AnswerKind.POSE, pose=LocatedObject(centre, (0, 0), heading_rad))


@pytest.mark.parametrize(('question', 'phrase'), [
    ('where is the red car?', 'red car'),
    ('locate where the crate on the shelf is.', 'crate on the shelf'),
    ('where can the camera see the mug?', 'mug'),
    ('Find the dog.', 'dog'),
    ('can you find a car on the floor?', 'can you find a car on the floor?'),
    ('what is the mug next to?', 'what is the mug next to?'),
    ('how many cars are in view?', 'how many cars are in view?'),
])  # fmt: skip
def test_a_locating_question_names_its_object(question, phrase):
    assert object_phrase(question) == phrase


@pytest.mark.parametrize('name', PHRASINGS)
def test_wordings_of_every_type_are_told_apart_from_locating_ones(name):
    phrases = {'a': 'red crate on the shelf', 'b': 'mug', 'c': 'large car'}
    for wording in (*PHRASINGS[name].train, *PHRASINGS[name].evaluation):
        question = wording.format_map(phrases)
        assert object_phrase(question) == (phrases['a'] if name == 'locate' else question)


def test_confidence_is_told_by_what_it_means():
    assert answer_words(answer()) == 'yes (93% sure)'
    place = located((0.0, 3.0, 4.0), math.pi / 2)
    assert answer_words(place) == '5.0 m away, heading 90 degrees (93% for these very words)'
    words = answer_words(answer('3.4 m', AnswerKind.NUMBER, 1e-5))
    assert words == '3.4 m (below 1% for these very words)'


@given(
    st.text(st.characters(codec='ascii', categories=['L', 'N', 'Zs']), min_size=1),
    st.integers(150, 900),
)
def test_lines_fit_and_lose_no_word(text, width_px):
    lines = wrapped(text, width_px, most_lines=10_000)
    assert ''.join(lines).replace(' ', '') == ''.join(text.split())
    assert all(cv2.getTextSize(line, FONT, FONT_SCALE, 1)[0][0] <= width_px for line in lines)


def test_what_does_not_fit_ends_in_dots():
    lines = wrapped('a long question ' * 50, 400, most_lines=3)
    assert len(lines) == 3
    assert lines[-1].endswith(' ...')


@given(
    st.tuples(*[st.floats(-3, 3)] * 2, st.floats(1, 20)),
    st.floats(0, math.tau, exclude_max=True),
)
def test_the_ring_lies_level_and_the_arrow_has_the_heading(centre, heading_rad):
    camera = guessed_camera(640, 480, 1.0)
    ring, arrow = ring_and_arrow(located(centre, heading_rad), camera)
    up = np.array([0.0, -1.0, 0.0])  # of a level camera, y being down
    np.testing.assert_allclose(ring @ up, np.full(len(ring), -centre[1]), atol=1e-9)
    radii = np.linalg.norm(ring - centre, axis=1)
    np.testing.assert_allclose(radii, np.full(len(ring), 0.12 * math.hypot(*centre)))
    np.testing.assert_allclose(arrow[0], centre)
    turn = azimuth(arrow[1] - arrow[0], centre, up) - heading_rad
    assert math.cos(turn) == pytest.approx(1.0)


@pytest.mark.parametrize('size', [(8, 6), (640, 480), (5000, 40), (3000, 4000)])
def test_pictures_have_a_bounded_size_and_keep_their_shape(size):
    before = frame(width=size[0], height=size[1])
    image = draw_answers(before, [Answered(WHERE, located(heading_rad=1.0))])
    height, width = image.shape[:2]
    assert max(width, height) <= 1280
    assert width >= 480 or height == 1280
    assert width / height == pytest.approx(size[0] / size[1], rel=0.1)
    assert (before.rgb == 128).all()


@pytest.mark.parametrize('grey', [0, 255])
def test_words_stand_out_on_dark_and_light(grey):
    """By the contrast that WCAG 2.1 asks of text, 4.5 to 1 between relative luminances."""
    image = draw_answers(frame(grey), [Answered(Query('is it?'), answer())])
    red, green, blue = (_linear(image[-80:, :, i]) for i in range(3))
    luminances = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert (luminances.max() + 0.05) / (np.median(luminances) + 0.05) >= 4.5


def _linear(channel):
    share = channel / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def test_a_ring_is_drawn_where_the_object_is():
    image = draw_answers(frame(0), [Answered(WHERE, located((1.0, -1.0, 5.0)))])
    focal_px = 320 / math.tan(0.5)
    at = np.array([319.5 + focal_px / 5, 239.5 - focal_px / 5])
    rows, columns = np.nonzero(image.max(2))
    near = np.hypot(columns - at[0], rows - at[1]) < 0.2 * focal_px
    middle = np.array([columns[near].min() + columns[near].max(), at[1] * 2]) / 2
    assert near.sum() > 100
    np.testing.assert_allclose(middle, at, atol=6)


def test_an_object_around_the_camera_is_left_out():
    drawn = [
        draw_answers(frame(), [Answered(WHERE, located((0, 0, z)))])[:300] for z in (0.05, 4.0)
    ]
    assert (drawn[0] == 128).all()
    assert (drawn[1] != 128).any()


def test_many_long_answers_leave_the_upper_half_free():
    query = Query('is the one before the other? ' * 40)
    image = draw_answers(frame(), [Answered(query, answer())] * 4)
    assert (image[: 480 // 2 - 8] == 128).all()


def test_nothing_is_drawn_while_nobody_looks(peer, monkeypatch):
    drawn, arrived = threading.Event(), threading.Event()
    real = annotation.draw_answers
    monkeypatch.setattr(annotation, 'draw_answers', lambda *a: drawn.set() or real(*a))
    topic = annotation.AnnotatedImages(peer.node)
    topic.show(frame(), WHERE, answer())
    messages = []

    def take(message):
        messages.append(message)
        arrived.set()

    peer.node.create_subscription(CompressedImage, topic._publisher.topic_name, take, 1)
    peer.until(topic._publisher.get_subscription_count)
    assert not drawn.is_set()
    peer.until(lambda: topic.show(frame(), WHERE, answer()) or arrived.wait(0.2))
    topic.close()
    file = np.frombuffer(messages[0].data, np.uint8)
    assert cv2.imdecode(file, cv2.IMREAD_COLOR).shape == (480, 640, 3)


def test_the_node_annotates_under_the_image_s_header(scripted, peer):
    messages = []
    peer.node.create_subscription(
        CompressedImage, '/spatialllm/annotated/compressed', messages.append, 1
    )
    with peer.filming() as stamps:
        peer.until(lambda: peer.ask('where is the red car?') and messages)
        header = messages[0].header
        assert (header.stamp.sec, header.stamp.nanosec) in stamps
    assert header.frame_id == 'camera_optical'
    assert messages[0].format == 'jpeg'


def test_standing_answers_are_drawn_though_nobody_asks(scripted, peer):
    messages = []
    peer.node.create_subscription(
        CompressedImage, '/spatialllm/annotated/compressed', messages.append, 1
    )
    bright = Watch(name='bright', question='is it bright?', options=['yes', 'no'])
    peer.call(SetWatches, '/spatialllm/set_watches', watches=[bright])
    with peer.filming() as stamps:
        first, later = peer.until(lambda: len(messages) > 1 and messages[:2])
    for message in (first, later):
        assert (message.header.stamp.sec, message.header.stamp.nanosec) in stamps
    assert first.header.stamp != later.header.stamp


def test_an_answer_that_cannot_be_drawn_is_left_out_and_the_next_is_drawn(start_node, peer):
    """A camera that looks straight down sees no heading of what is straight below it."""
    node = start_node(camera__gravity_from='angles', camera__pitch_deg='90.0')
    messages, ask = [], peer.client(AskOnce, '/spatialllm/ask_once').call_async
    peer.node.create_subscription(
        CompressedImage, '/spatialllm/annotated/compressed', messages.append, 1
    )
    with peer.filming():
        peer.until(lambda: peer.ask('ready?') and messages)
        asked = ('ready?', 'where is the straight car?', 'bright?', 'what colour?')
        replies = [peer.result(r) for r in [ask(AskOnce.Request(question=q)) for q in asked]]
        assert [r.status for r in replies] == [0, Status.ENGINE_ERROR, 0, 0]
        peer.until(lambda: 'a picture of an answer is left out' in node.log)
        seen = len(messages)
        peer.until(lambda: peer.ask('ready?') and len(messages) > seen)


def test_no_topic_s_failure_reaches_who_shows_an_answer(peer, monkeypatch):
    def fail(*_):
        raise GeometryError('expected a heading, found none')

    monkeypatch.setattr(annotation.AnnotatedImages, 'show', fail)
    pictures = Pictures(peer.node)
    pictures.show(frame(), WHERE, answer())
    pictures.close()
