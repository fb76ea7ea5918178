"""Recordings: the tour's MCAP file written without ROS, and any bag of images read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mcap.exceptions import McapError
from mcap.reader import McapReader, make_reader
from mcap_ros2.decoder import DecoderFactory
from mcap_ros2.writer import Writer

from spatialllm_ros.demo.definitions import CAMERA_INFO, COMPRESSED_IMAGE, STRING
from spatialllm_ros.demo.shots import Rgb, Shot
from spatialllm_ros.demo.truth import read_truth
from spatialllm_ros.errors import SceneError
from spatialllm_ros.runtime.image_conversion import rgb_from_compressed, rgb_from_image

IMAGE_TOPIC = '/camera/image/compressed'
INFO_TOPIC = '/camera/camera_info'
TRUTH_TOPIC = '/camera/truth'
IMAGE_TYPES = (COMPRESSED_IMAGE[0], 'sensor_msgs/msg/Image')
JPEG_START = b'\xff\xd8'
MAX_SIDE_PX = 16384
FRAME_ID = 'camera_optical_frame'

TOUR = 'recordings/tour.mcap'
START_NS = 1_700_000_000_000_000_000
"""Stamp of the first image; bags count from the epoch."""
CHUNK_BYTES = 4 << 20
"""Holds all images of a world, so that those shown twice take no room."""


def write_recording(path: Path, shots: Iterable[Shot]) -> int:
    """Write images, intrinsics and truth as a bag that ``ros2 bag play`` takes.

    Returns:
        How many images it holds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open('wb') as file, Writer(file, chunk_size=CHUNK_BYTES) as writer:
        image, info, truth = (
            writer.register_msgdef(*definition)
            for definition in (COMPRESSED_IMAGE, CAMERA_INFO, STRING)
        )
        for shot in shots:
            at_ns = START_NS + round(shot.at_s * 1e9)
            stamp = divmod(at_ns, 10**9)
            header = {'stamp': {'sec': stamp[0], 'nanosec': stamp[1]}, 'frame_id': FRAME_ID}
            writer.write_message(INFO_TOPIC, info, {'header': header, **shot.info}, at_ns)
            if shot.truth is not None:
                text = {'data': shot.truth.to_json(stamp)}
                writer.write_message(TRUTH_TOPIC, truth, text, at_ns)
            message = {'header': header, 'format': 'jpeg', 'data': shot.jpeg()}
            writer.write_message(IMAGE_TOPIC, image, message, at_ns)
            count += 1
    return count


def read_shots(path: Path) -> Iterator[Shot]:
    """Yield the images of a bag's first image topic, with the intrinsics and truth beside it.

    Args:
        path: an MCAP file, or a folder that holds some.

    Raises:
        SceneError: there are no images, or the file cannot be read.
        ImageError: an image is damaged or of an unknown encoding.
    """
    info: dict[str, Any] = {}
    truth, start_ns = None, -1
    for kind, at_ns, message in _messages(path):
        if kind == CAMERA_INFO[0]:
            info = _fields(message)
        elif kind == STRING[0]:
            _, truth = read_truth(message.data)
        else:
            start_ns = at_ns if start_ns < 0 else start_ns
            yield Shot(_pixels(kind, message), (at_ns - start_ns) / 1e9, info, truth)
    if start_ns < 0:
        raise SceneError(f'{path}: expected images, found none')


def _messages(path: Path) -> Iterator[tuple[str, int, Any]]:
    """Yield type, time and content of each message that belongs to the images."""
    for file_path in sorted(path.glob('*.mcap')) if path.is_dir() else [path]:
        try:
            with file_path.open('rb') as file:
                reader = make_reader(file, decoder_factories=[DecoderFactory()])
                topics = _topics(file_path, reader)
                for schema, _, record, message in reader.iter_decoded_messages(topics):
                    assert schema is not None, 'a ROS 2 message has a schema'
                    yield schema.name, record.log_time, message
        except (McapError, OSError) as error:
            raise SceneError(f'{file_path}: expected a ROS 2 bag in MCAP, {error}') from error


def _topics(path: Path, reader: McapReader) -> list[str]:
    """Return the first image topic of a bag and the topics that belong to it."""
    summary = reader.get_summary()
    channels = [] if summary is None else summary.channels.values()
    schemas = {} if summary is None else summary.schemas
    kinds = {channel.topic: schemas[channel.schema_id].name for channel in channels}
    images = [topic for topic, kind in kinds.items() if kind in IMAGE_TYPES]
    if not images:
        raise SceneError(f'{path}: expected a topic of images, found {sorted(kinds)}')
    base = PurePosixPath(images[0].removesuffix('/compressed'))
    return [images[0], str(base.with_name('camera_info')), TRUTH_TOPIC]


def _pixels(kind: str, message: Any) -> Rgb | bytes:
    """Return a JPEG file as it is and any other image as an array."""
    if kind != COMPRESSED_IMAGE[0]:
        return rgb_from_image(message, MAX_SIDE_PX)
    data = bytes(message.data)
    return data if data.startswith(JPEG_START) else rgb_from_compressed(message, MAX_SIDE_PX)


def _fields(info: Any) -> dict[str, Any]:
    """Return the fields of a ``CameraInfo`` without its header."""
    plain = {name: getattr(info, name) for name in ('height', 'width', 'distortion_model')}
    numbers = {name: list(getattr(info, name)) for name in ('d', 'k', 'r', 'p')}
    return plain | numbers | {'binning_x': info.binning_x, 'binning_y': info.binning_y}
