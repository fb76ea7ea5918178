"""Images at random: the node lives, answers, and accounts for all of them. Real DDS.

SPATIALLLM_FUZZ_IMAGES=20000 python -m pytest -s test/node/test_fuzz_images.py
"""

import array
import os
import random
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from at_random import text, whole_number
from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from spatialllm_msgs.msg import Status
from spatialllm_ros.runtime.image_conversion import ENCODINGS

IMAGES = int(os.environ.get('SPATIALLLM_FUZZ_IMAGES', '400'))
SEED = int(os.environ.get('SPATIALLLM_FUZZ_SEED', '0'))

SHIPPED_NODE = Path(__file__).parents[2] / 'spatialllm_ros/node/main.py'
BATCH, TORN, DEEP = 50, 300, QoSProfile(depth=500)
RELIABLE = {'reliability': 'reliable', 'history': 'keep_last', 'depth': 500}

SIZES, OFFSETS = (0, 1, 8, 39), (0, 1, 2**16, 2**32 - 1)
NOT_FINITE = (float('inf'), float('-inf'), float('nan'))
FLOATS = (0.0, -0.0, 1.0, -1.0, 5e-324, 1e-30, 500.0, 1e30, 1e308, *NOT_FINITE)


def header(chance):
    stamp = Time(
        sec=whole_number(chance, 2**32 - 1) - 2**31, nanosec=whole_number(chance, 2**32 - 1)
    )
    return Header(stamp=stamp, frame_id=text(chance, 3))


def damaged(chance, data):
    """Change a few bytes, or the length."""
    data = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        if data:
            data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
    end = chance.choice((None, None, chance.randrange(len(data) + 1)))
    return bytes(data[:end]) + chance.randbytes(chance.choice((0, 0, 9)))


def image(chance, now):
    """A raw image: whole, or with some of its fields at random."""
    encoding = chance.choice(list(ENCODINGS))
    width, height = chance.randrange(1, 40), chance.randrange(1, 40)
    step = width * ENCODINGS[encoding].channels * ENCODINGS[encoding].sample_bytes
    step += chance.choice((0, 0, 3))
    fields = {
        'width': width, 'height': height, 'encoding': encoding, 'step': step,
        'is_bigendian': chance.randrange(2), 'header': Header(stamp=now, frame_id='optical'),
        'data': array.array('B', chance.randbytes(step * (height + (height + 1) // 2))),
    }  # fmt: skip
    at_random = {
        'width': lambda: whole_number(chance, 2**32 - 1),
        'height': lambda: whole_number(chance, 2**32 - 1),
        'step': lambda: whole_number(chance, 2**32 - 1),
        'is_bigendian': lambda: chance.randrange(256),
        'encoding': lambda: chance.choice((text(chance, 2), '32FC1', '16UC1', '8UC3', 'RGB8')),
        'header': lambda: header(chance),
        'data': lambda: array.array('B', chance.randbytes(whole_number(chance, 3000) % 3001)),
    }
    for name in chance.sample(list(fields), chance.choice((0, 0, 1, 1, 2, 7))):
        fields[name] = at_random[name]()
    return Image(**fields)


def compressed(chance, now):
    """A JPEG or PNG image, whole or damaged."""
    size = (chance.randrange(1, 40), chance.randrange(1, 40), chance.choice((1, 3)))
    pixels = np.frombuffer(chance.randbytes(int(np.prod(size))), np.uint8).reshape(size)
    file = cv2.imencode(chance.choice(('.jpg', '.png')), pixels)[1].tobytes()
    if chance.random() < 0.8:
        file = damaged(chance, file)
    kind = chance.choice(('jpeg', 'png', 'rgb8; jpeg compressed bgr8', text(chance, 2)))
    stamped = chance.choice((Header(stamp=now, frame_id='optical'), header(chance)))
    return CompressedImage(header=stamped, format=kind, data=array.array('B', file))


def intrinsics(chance, _):
    """Of an image of some size, with numbers at random."""
    info = CameraInfo(
        width=chance.randrange(40), height=chance.randrange(40), header=header(chance)
    )
    info.k = [chance.choice(FLOATS) for _ in range(9)]
    info.p = [chance.choice(FLOATS) for _ in range(12)]
    info.d = [chance.choice(FLOATS) for _ in range(chance.randrange(9))]
    info.distortion_model = text(chance, 2)
    info.binning_x = chance.choice((0, 1, whole_number(chance, 2**32 - 1)))
    info.roi.width, info.roi.x_offset = (
        chance.choice((0, chance.randrange(40))),
        chance.choice(OFFSETS),
    )
    return info


@pytest.fixture
def start_reliable(start_node, peer):
    """Start the shipped node with two cameras whose images get lost nowhere."""

    def start(**more):
        overrides = {
            f'qos_overrides./{topic}.subscription.{policy}': value
            for topic in IMAGE_TOPICS
            for policy, value in RELIABLE.items()
        }
        node = start_node(
            SHIPPED_NODE, camera_names='[raw, files]', raw__image_topic='/raw/image',
            files__image_topic='/files/image', files__transport='compressed',
            diagnostics_period_s=0.1, overrides=overrides, **more,
        )  # fmt: skip
        peer.until(lambda: peer.state() == 'active')
        return node

    return start


def answers_still(peer, camera):
    reply = peer.ask('is there a red car?', options=['yes', 'no'], camera=camera)
    assert reply.status in {Status.OK, Status.NO_FRAME, Status.STALE_FRAME}


INFO_TOPICS = ('raw/camera_info', 'files/camera_info')
IMAGE_TOPICS = ('raw/image', 'files/image/compressed')

KINDS = {
    'raw/image': (Image, image),
    'files/image/compressed': (CompressedImage, compressed),
    'raw/camera_info': (CameraInfo, intrinsics),
    'files/camera_info': (CameraInfo, intrinsics),
}


class Sender:
    """Publishes on the topics of cameras.

    Attributes:
        whole: how many messages by topic.
        doubtful: how many more of which DDS may have delivered none.
    """

    def __init__(self, peer):
        self.whole, self.doubtful = Counter(), Counter()
        self._clock = peer.node.get_clock()
        self._publishers = {
            topic: peer.node.create_publisher(kind, f'/{topic}', DEEP)
            for topic, (kind, _) in KINDS.items()
        }

    def send(self, topic, message, is_torn=False):
        (self.doubtful if is_torn else self.whole)[topic] += 1
        self._publishers[topic].publish(message)

    def send_at_random(self, chance, topic):
        self.send(topic, KINDS[topic][1](chance, self._clock.now().to_msg()))

    def send_torn(self, chance, topic):
        message = KINDS[topic][1](chance, self._clock.now().to_msg())
        self.send(topic, damaged(chance, serialize_message(message)), is_torn=True)

    def greet(self, topic):
        """Send what may come before the node has heard of the sender."""
        self.send(topic, serialize_message(KINDS[topic][0]()), is_torn=True)


def test_images_at_random(start_reliable, peer, accounts):
    start_reliable(raw__encode_ahead_hz=30.0, files__encode_ahead_hz=30.0)
    chance, sender, diagnostics = random.Random(SEED), Sender(peer), peer.diagnostics()

    def received(topic):
        camera = diagnostics().get(f'spatialllm: camera {topic.split("/")[0]}', {})
        return int(camera.get('frames received', 0))

    for topic in IMAGE_TOPICS:
        peer.until(lambda topic=topic: sender.greet(topic) or received(topic))
    accounts()
    greeted = {topic: received(topic) for topic in IMAGE_TOPICS}

    for number in range(IMAGES):
        sender.send_at_random(chance, chance.choice(IMAGE_TOPICS))
        if chance.random() < 0.5:
            sender.send_at_random(chance, chance.choice(INFO_TOPICS))
        if number % BATCH == 0 or number == IMAGES - 1:
            for topic in IMAGE_TOPICS:
                least = greeted[topic] + sender.whole[topic]
                peer.until(lambda topic=topic, least=least: received(topic) >= least)
            answers_still(peer, chance.choice(('raw', 'files')))
    _, cameras = accounts()
    for topic, camera in zip(IMAGE_TOPICS, cameras, strict=True):
        found = int(camera['frames received'])
        assert greeted[topic] + sender.whole[topic] <= found
        assert found <= sender.whole[topic] + sender.doubtful[topic]
        print(topic, camera)


def test_torn_messages(start_node, peer, accounts):
    """What no publisher of ROS sends; in the node's own quality of service.

    A reliable subscription with a deep queue is another matter: Fast DDS then delivers nothing
    behind a message that it cannot read.
    """
    start_node(camera__image_topic='/raw/image')
    chance, sender = random.Random(SEED), Sender(peer)
    with peer.filming(topic='/raw/image'):
        peer.ask_until(Status.OK, 'ready?')
    for _ in range(TORN):
        sender.send_torn(chance, 'raw/image')
        sender.send_torn(chance, 'raw/camera_info')
    with peer.filming(topic='/raw/image') as stamps:
        peer.answers_within_a_second(stamps)
    accounts()
