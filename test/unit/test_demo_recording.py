"""The recorded tour as ROS itself reads it, and as the demo reads it back."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not in this environment')

from ament_index_python.packages import get_package_share_directory
from mcap.reader import make_reader
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import String

from spatialllm_ros.demo.definitions import CAMERA_INFO, COMPRESSED_IMAGE, STRING
from spatialllm_ros.demo.recording import START_NS, read_shots, write_recording
from spatialllm_ros.demo.shots import Shot, info_fields
from spatialllm_ros.demo.truth import Truth, read_truth
from spatialllm_ros.errors import RecordingError
from spatialllm_ros.schema import CameraModel, QuestionRecord

CAMERA = CameraModel(96, 64, 80.0, 81.0, 47.5, 31.5)
TRUTH = Truth('sim-7', (QuestionRecord('sim-7', 'count', 'how many cars?', (), '2'),))


def picture(seed):
    """Return a smooth picture, which JPEG keeps well."""
    rough = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), np.uint8)
    return cv2.resize(rough, (96, 64), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def shots():
    return [Shot(picture(i), i / 15, info_fields(CAMERA), TRUTH) for i in range(4)]


@pytest.fixture
def path(tmp_path, shots):
    path = tmp_path / 'tour.mcap'
    assert write_recording(path, shots) == len(shots)
    return path


def test_ros_deserialises_every_message(path, shots):
    kinds = {CAMERA_INFO[0]: CameraInfo, COMPRESSED_IMAGE[0]: CompressedImage, STRING[0]: String}
    read = {}
    with path.open('rb') as file:
        reader = make_reader(file)
        assert reader.get_header().profile == 'ros2'
        for schema, channel, record in reader.iter_messages():
            assert (schema.encoding, channel.message_encoding) == ('ros2msg', 'cdr')
            message = deserialize_message(record.data, kinds[schema.name])
            read.setdefault(channel.topic, []).append((record.log_time, message))
    assert {topic: len(messages) for topic, messages in read.items()} == {
        '/camera/image/compressed': 4, '/camera/camera_info': 4, '/camera/truth': 4,
    }  # fmt: skip
    for number, shot in enumerate(shots):
        at_ns, image = read['/camera/image/compressed'][number]
        assert at_ns - START_NS == round(number * 1e9 / 15)
        assert image.header.stamp.sec * 10**9 + image.header.stamp.nanosec == at_ns
        bgr = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(bgr[..., ::-1].astype(int) - shot.rgb).mean() < 6
        info = read['/camera/camera_info'][number][1]
        assert info.header == image.header
        assert (info.width, info.height) == (96, 64)
        assert info.k.tolist() == [80, 0, 47.5, 0, 81, 31.5, 0, 0, 1]
        assert info.p.tolist() == [80, 0, 47.5, 0, 0, 81, 31.5, 0, 0, 0, 1, 0]
        stamp = (image.header.stamp.sec, image.header.stamp.nanosec)
        assert read_truth(read['/camera/truth'][number][1].data) == (stamp, TRUTH)


@pytest.mark.parametrize('definition', [CAMERA_INFO, COMPRESSED_IMAGE, STRING])
def test_definitions_are_those_of_ros(definition):
    name, text = definition
    for part in f'MSG: {name}\n{text}'.split(f'{"=" * 80}\n'):
        title, *lines = part.splitlines()
        package, *_, kind = title.removeprefix('MSG: ').split('/')
        own = Path(get_package_share_directory(package)) / 'msg' / f'{kind}.msg'
        assert fields(lines) == fields(own.read_text().splitlines()), title


def fields(lines):
    """Return type and name of each field; a type of the own package may go without its name."""
    bare = (re.sub(r'\s*#.*', '', line).split() for line in lines)
    return [(words[0].split('/')[-1], words[1]) for words in bare if words]


def test_it_is_read_back(path, shots):
    read = list(read_shots(path))
    assert [shot.at_s for shot in read] == pytest.approx([0, 1 / 15, 2 / 15, 3 / 15])
    assert all(shot.truth == TRUTH for shot in read)
    assert all(shot.info == info_fields(CAMERA) for shot in read)
    for shot, written in zip(read, shots, strict=True):
        assert np.abs(shot.rgb.astype(int) - written.rgb).mean() < 6


def test_images_without_truth_and_intrinsics(tmp_path):
    path = tmp_path / 'bare.mcap'
    write_recording(path, [Shot(picture(0), 0.0, {}), Shot(picture(1), 0.1, {})])
    assert [(shot.info, shot.truth) for shot in read_shots(path)] == [({}, None)] * 2


def test_images_shown_twice_take_no_room(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (10, 120, 160, 3), np.uint8)
    once = [Shot(rgb, i / 15, info_fields(CAMERA), TRUTH) for i, rgb in enumerate(noise)]
    twice = once + [replace(shot, at_s=shot.at_s + 1) for shot in once]
    for name, shots in (('once', once), ('twice', twice)):
        write_recording(tmp_path / name, shots)
    assert (tmp_path / 'twice').stat().st_size < 1.1 * (tmp_path / 'once').stat().st_size


def test_what_is_no_bag_is_named(tmp_path):
    path = tmp_path / 'noise.mcap'
    path.write_bytes(b'not a bag')
    with pytest.raises(RecordingError, match=re.escape(str(path))):
        list(read_shots(path))


def test_a_broken_recording_leaves_the_one_before(path, shots):
    before = path.read_bytes()

    def breaking():
        yield shots[0]
        raise RuntimeError('the renderer broke')

    with pytest.raises(RuntimeError, match='renderer'):
        write_recording(path, breaking())
    assert path.read_bytes() == before
