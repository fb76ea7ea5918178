"""Recordings: the tour's MCAP file written without ROS, and any bag of images read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from mcap_ros2.writer import Writer

from spatialllm_ros.demo.definitions import CAMERA_INFO, COMPRESSED_IMAGE, STRING
from spatialllm_ros.demo.shots import Shot, info_fields, jpeg_file
from spatialllm_ros.demo.truth import Stamp, Truth, read_truth
from spatialllm_ros.runtime.frame_store import NANOSECONDS
from spatialllm_ros.runtime.recordings import read_bag

IMAGE_TOPIC = '/camera/image/compressed'
INFO_TOPIC = '/camera/camera_info'
TRUTH_TOPIC = '/camera/truth'
FRAME_ID = 'camera_optical_frame'

TOUR = 'recordings/tour.mcap'
START_NS = 1_700_000_000_000_000_000
"""Stamp of the first image; bags count from the epoch."""
CHUNK_BYTES = 4 << 20
"""Holds all images of a world, so that those shown twice take no room."""


def write_recording(path: Path, shots: Iterable[Shot]) -> int:
    """Write images, intrinsics and truth as a bag that ``ros2 bag play`` takes.

    What is there already is replaced once everything is written.

    Returns:
        How many images it holds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'{path.name}.unfinished')
    count = 0
    with unfinished.open('wb') as file, Writer(file, chunk_size=CHUNK_BYTES) as writer:
        image, info, truth = (
            writer.register_msgdef(*definition)
            for definition in (COMPRESSED_IMAGE, CAMERA_INFO, STRING)
        )
        for shot in shots:
            at_ns = START_NS + round(shot.at_s * NANOSECONDS)
            stamp = divmod(at_ns, NANOSECONDS)
            header = {'stamp': {'sec': stamp[0], 'nanosec': stamp[1]}, 'frame_id': FRAME_ID}
            if shot.info:
                writer.write_message(INFO_TOPIC, info, {'header': header, **shot.info}, at_ns)
            if shot.truth is not None:
                text = {'data': shot.truth.to_json(stamp)}
                writer.write_message(TRUTH_TOPIC, truth, text, at_ns)
            message = {'header': header, 'format': 'jpeg', 'data': jpeg_file(shot.rgb)}
            writer.write_message(IMAGE_TOPIC, image, message, at_ns)
            count += 1
    unfinished.rename(path)
    return count


def read_shots(path: Path, topic: str = '') -> Iterator[Shot]:
    """Yield the images of a bag, with intrinsics (but no distortion) and truth where it has them.

    Args:
        path: an MCAP file, or a folder of them.
        topic: of the images; empty for the only one that there is.

    Raises:
        RecordingError: it cannot be read, or does not have that topic, or only one.
        ImageError: an image is damaged or of an unknown encoding.
        SceneError: what stands for the truth is something else.
    """
    truths: dict[Stamp, Truth] | None = None
    first_ns = 0
    for frame in read_bag(path, topic=topic):
        if truths is None:  # the file is known to be a bag by now
            truths, first_ns = read_truths(path), frame.stamp_ns
        info = info_fields(frame.camera) if frame.camera.calibrated else {}
        at_s = (frame.stamp_ns - first_ns) / NANOSECONDS
        yield Shot(frame.rgb, at_s, info, truths.get(divmod(frame.stamp_ns, NANOSECONDS)))


def read_truths(path: Path) -> dict[Stamp, Truth]:
    """Return what a bag says is true of its images, by their stamps; nothing if it says nothing.

    Raises:
        SceneError: what stands for the truth is something else.
    """
    truths = {}
    for file_path in sorted(path.glob('*.mcap')) if path.is_dir() else [path]:
        with file_path.open('rb') as file:
            reader = make_reader(file, decoder_factories=[DecoderFactory()])
            for decoded in reader.iter_decoded_messages([TRUTH_TOPIC]):
                stamp, truth = read_truth(decoded.decoded_message.data)
                truths[stamp] = truth
    return truths
