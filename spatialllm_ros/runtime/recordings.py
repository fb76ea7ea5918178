"""Camera frames out of files: photographs, and ROS 2 bags in MCAP, without ROS."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import SEEK_END
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from spatialllm_ros.errors import ImageError, RecordingError
from spatialllm_ros.geometry import guessed_camera, horizontal_fov_rad
from spatialllm_ros.runtime.camera_info import read_camera
from spatialllm_ros.runtime.exif import focal_35mm_of
from spatialllm_ros.runtime.frame_store import NANOSECONDS
from spatialllm_ros.runtime.image_conversion import (
    MAX_SIDE_PX,
    Rgb,
    rgb_from_compressed,
    rgb_from_file,
    rgb_from_image,
)
from spatialllm_ros.schema import CameraModel, Frame

_log = logging.getLogger(__name__)

BAG_SUFFIX, SQLITE_SUFFIX = '.mcap', '.db3'
MAGIC = b'\x89MCAP0\r\n'
"""Begins and ends every MCAP file. Source: https://mcap.dev/spec."""
CONVERTERS: dict[str, Callable[[Any, int], Rgb]] = {
    'sensor_msgs/msg/Image': rgb_from_image,
    'sensor_msgs/msg/CompressedImage': rgb_from_compressed,
}
"""How the messages of a topic become pixels, by its type."""

ASSUMED_FOV_RAD = math.radians(60)
"""Horizontal, of a camera that nothing is known of."""

PHOTO_TO_CALIBRATE = 'its EXIF tells no lens: give its horizontal field of view by --fov-deg'
BAG_TO_CALIBRATE = (
    'record the CameraInfo of its images, or give their horizontal field of view by --fov-deg'
)


def is_bag(path: Path) -> bool:
    """Tell whether a path is a bag: one file, or a folder of them as ``ros2 bag`` writes."""
    return path.suffix in {BAG_SUFFIX, SQLITE_SUFFIX} or path.is_dir()


def read_photo(path: Path, fov_rad: float | None = None) -> Frame:
    """Return a JPEG or PNG file as a frame, upright, its time that of the file.

    Args:
        path: of the file.
        fov_rad: horizontal field of view; None for what EXIF tells, if it does.

    Raises:
        ImageError: there is no such file, or it is no image.
    """
    try:
        data, modified_ns = path.read_bytes(), path.stat().st_mtime_ns
        rgb = rgb_from_file(data, MAX_SIDE_PX, is_turned_upright=True)
    except OSError as error:
        raise ImageError(f'{path}: expected an image file, found {error.strerror}') from error
    except ImageError as error:
        raise ImageError(f'{path}: {error}') from error
    height_px, width_px = rgb.shape[:2]
    if fov_rad is None and (focal := focal_35mm_of(data)) is not None:
        fov_rad = horizontal_fov_rad(focal, width_px, height_px)
    camera = _pinhole(rgb, fov_rad)
    return Frame(rgb, camera, modified_ns, '', str(path), PHOTO_TO_CALIBRATE)


def read_bag(
    path: Path, fov_rad: float | None = None, topic: str = '', every: int = 1
) -> Iterator[Frame]:
    """Yield the images of one topic, in the order in which they were recorded.

    The intrinsics are those of ``camera_info`` beside the topic; its P is taken for a topic with
    ``rect`` in its name, which ``image_proc`` gives to rectified images, and K for any other. A
    compressed topic counts by the name of the one that was compressed.

    Args:
        path: an MCAP file, or a folder of them.
        fov_rad: horizontal field of view where no ``CameraInfo`` fits; None if it is unknown.
        topic: of the images; empty for the only one that there is.
        every: gives the first of each so many images.

    Raises:
        RecordingError: the file is missing or damaged, or has no such topic.
        ImageError: an image is damaged or of an unknown encoding.
    """
    reader = _BagReader(fov_rad, _choose_topic(path, topic), every)
    for part in _files(path):
        with _opened(part) as file:
            yield from reader.frames(file)


@contextmanager
def _opened(part: Path) -> Iterator[IO[bytes]]:
    """Open a file of a bag, and name it in whatever is raised while it is read."""
    try:
        with part.open('rb') as file:
            yield file
    except ImageError as error:
        raise ImageError(f'{part}: {error}') from error
    except RecordingError as error:
        raise RecordingError(f'{part}: {error}') from error
    except Exception as error:  # on damage the library raises nothing narrower
        raise RecordingError(
            f'{part}: expected a ROS 2 bag in MCAP, found {error!r}; try mcap doctor'
        ) from error


def _files(path: Path) -> list[Path]:
    if path.suffix == SQLITE_SUFFIX:
        raise RecordingError(
            f'{path}: expected a bag in MCAP, found one in SQLite; convert it by ros2 bag convert '
            '(storage_id: mcap)'
        )
    if path.is_file():
        return [path]
    # ros2 bag numbers the parts without leading zeros.
    files = sorted(path.glob(f'*{BAG_SUFFIX}'), key=lambda part: (len(part.name), part.name))
    if not files:
        raise RecordingError(
            f'{path}: expected a {BAG_SUFFIX} file or a folder with some, found none; other bags '
            'can be converted by ros2 bag convert (storage_id: mcap), and photographs have to be '
            f'named: {path}/*.jpg'
        )
    return files


class _BagReader:
    """Reads the parts of one bag, one after the other."""

    def __init__(self, fov_rad: float | None, topic: str, every: int) -> None:
        self._fov_rad, self._topic, self._every = fov_rad, topic, every
        self._info: Any = None
        self._remark = ''
        self._seen = 0

    def frames(self, file: IO[bytes]) -> Iterator[Frame]:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        info_topic = str(_base(self._topic).with_name('camera_info'))
        # The first image may have been recorded before the first intrinsics.
        for first in islice(reader.iter_decoded_messages([info_topic]), 1):
            self._info = self._info or first.decoded_message
        for schema, channel, _, message in reader.iter_decoded_messages([self._topic, info_topic]):
            if channel.topic == info_topic:
                self._info = message
                continue
            if self._seen % self._every == 0:
                assert schema is not None, 'the topic was chosen by its schema'
                yield self._frame(CONVERTERS[schema.name](message, MAX_SIDE_PX), message.header)
            self._seen += 1

    def _frame(self, rgb: Rgb, header: Any) -> Frame:
        stamp_ns = header.stamp.sec * NANOSECONDS + header.stamp.nanosec
        camera = self._camera(rgb)
        return Frame(rgb, camera, stamp_ns, header.frame_id, self._topic, BAG_TO_CALIBRATE)

    def _camera(self, rgb: Rgb) -> CameraModel:
        if self._info is None:
            return _pinhole(rgb, self._fov_rad)
        height_px, width_px = rgb.shape[:2]
        is_rectified = 'rect' in _base(self._topic).name
        reading = read_camera(self._info, width_px, height_px, ASSUMED_FOV_RAD, is_rectified)
        if reading.remark not in {'', self._remark}:
            _log.warning('%s: %s', self._topic, reading.remark)
        self._remark = reading.remark
        return reading.camera if reading.camera.calibrated else _pinhole(rgb, self._fov_rad)


def _base(topic: str) -> PurePosixPath:
    """Return the topic that a compressed one is named after."""
    return PurePosixPath(topic.removesuffix('/compressed'))


def _pinhole(rgb: Rgb, fov_rad: float | None) -> CameraModel:
    height_px, width_px = rgb.shape[:2]
    if fov_rad is None:
        return guessed_camera(width_px, height_px, ASSUMED_FOV_RAD)
    return replace(guessed_camera(width_px, height_px, fov_rad), calibrated=True)


def _choose_topic(path: Path, wanted: str) -> str:
    """Return the topic to be read: not every part of a bag has images, or intrinsics."""
    images = sorted({topic for part in _files(path) for topic in _image_topics(part)})
    if wanted and wanted not in images:
        raise RecordingError(f'{path}: expected images on {wanted}, found them on {images}')
    if not wanted and len(images) != 1:
        raise RecordingError(
            f'{path}: expected one topic of images, found {images}; name the one to be read by '
            '--topic'
        )
    return wanted or images[0]


def _image_topics(part: Path) -> set[str]:
    with _opened(part) as file:
        summary = None if _is_cut_off(file) else make_reader(file).get_summary()
        if summary is None:
            raise RecordingError(
                'expected a finished recording, found one without its index; run mcap recover '
                'on it'
            )
        typed = [c for c in summary.channels.values() if c.schema_id]  # 0 says that it has none
        kinds = {c.topic: summary.schemas[c.schema_id].name for c in typed}
    return {topic for topic, kind in kinds.items() if kind in CONVERTERS}


def _is_cut_off(file: IO[bytes]) -> bool:
    """Tell whether a recording begins and does not end; leaves the file at its beginning."""
    begins = file.read(len(MAGIC)) == MAGIC
    file.seek(-len(MAGIC) if begins else 0, SEEK_END)
    ends = file.read() == MAGIC
    file.seek(0)
    return begins and not ends
