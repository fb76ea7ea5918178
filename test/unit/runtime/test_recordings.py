"""Photographs and bags as frames; bags are written here by the MCAP library."""

import math
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap_ros2.writer import Writer
from PIL import Image

from spatialllm_ros.errors import ImageError, InputError, RecordingError
from spatialllm_ros.runtime.recordings import is_bag, read_bag, read_photo

SEPARATOR = '\n' + '=' * 80 + '\n'
COMMON = (
    f'{SEPARATOR}MSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id'
    f'{SEPARATOR}MSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n'
)
DEFINITIONS = {
    'sensor_msgs/msg/Image': (
        'std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\n'
        'uint8 is_bigendian\nuint32 step\nuint8[] data' + COMMON
    ),
    'sensor_msgs/msg/CompressedImage': (
        'std_msgs/Header header\nstring format\nuint8[] data' + COMMON
    ),
    'sensor_msgs/msg/CameraInfo': (
        'std_msgs/Header header\nuint32 height\nuint32 width\nstring distortion_model\n'
        'float64[] d\nfloat64[9] k\nfloat64[9] r\nfloat64[12] p\nuint32 binning_x\n'
        'uint32 binning_y\nsensor_msgs/RegionOfInterest roi'
        f'{SEPARATOR}MSG: sensor_msgs/RegionOfInterest\nuint32 x_offset\nuint32 y_offset\n'
        'uint32 height\nuint32 width\nbool do_rectify' + COMMON
    ),
    'std_msgs/msg/String': 'string data',
}


class Bag:
    """Writes messages one after the other, a tenth of a second apart."""

    def __init__(self, path: Path):
        self.path, self._written = path, []

    def header(self):
        n = len(self._written)
        stamp = {'sec': 100, 'nanosec': n * 100_000_000}
        return {'stamp': stamp, 'frame_id': 'optical'}

    def write(self, topic, kind, **fields):
        self._written.append(
            (topic, f'sensor_msgs/msg/{kind}', fields | {'header': self.header()})
        )

    def image(self, rgb, topic='/camera/image'):
        height, width, _ = rgb.shape
        self.write(
            topic, 'Image', height=height, width=width, encoding='rgb8', is_bigendian=0,
            step=3 * width, data=rgb.tobytes(),
        )  # fmt: skip

    def compressed(self, data, topic='/camera/image/compressed'):
        self.write(topic, 'CompressedImage', format='png', data=data)

    def info(self, focal_px, topic='/camera/camera_info', rectified_px=7.0):
        self.write(
            topic, 'CameraInfo', height=6, width=8, distortion_model='plumb_bob', d=[0.0] * 5,
            k=[focal_px, 0, 4, 0, focal_px, 3, 0, 0, 1], r=[1, 0, 0, 0, 1, 0, 0, 0, 1],
            p=[rectified_px, 0, 4, 0, 0, rectified_px, 3, 0, 0, 0, 1, 0], binning_x=0,
            binning_y=0,
            roi={'x_offset': 0, 'y_offset': 0, 'height': 0, 'width': 0, 'do_rectify': False},
        )  # fmt: skip

    def save(self):
        with self.path.open('wb') as file, Writer(file) as writer:
            kinds = {
                kind: writer.register_msgdef(kind, text) for kind, text in DEFINITIONS.items()
            }
            for n, (topic, kind, fields) in enumerate(self._written):
                writer.write_message(topic, kinds[kind], fields, 100 * 10**9 + n)
        return self.path


@pytest.fixture
def bag(tmp_path):
    return Bag(tmp_path / 'drive.mcap')


def picture(seed=0):
    return np.random.default_rng(seed).integers(256, size=(6, 8, 3), dtype=np.uint8)


def encoded(rgb, suffix='.png'):
    return cv2.imencode(suffix, rgb[..., ::-1])[1].tobytes()


def focals(frames):
    return [frame.camera.fx_px for frame in frames]


def test_raw_images_come_with_the_newest_intrinsics_by_then_or_the_first(bag):
    bag.image(picture(0))
    bag.info(5.0)
    bag.image(picture(1))
    bag.info(6.0)
    bag.image(picture(2))
    frames = list(read_bag(bag.save()))
    assert focals(frames) == [5.0, 5.0, 6.0]
    for seed, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.rgb, picture(seed))
        assert frame.camera.calibrated
        assert (frame.frame_id, frame.camera_name) == ('optical', '/camera/image')
        assert frame.stamp_ns == 100_000_000_000 + 2 * seed * 100_000_000


def test_compressed_images_find_their_intrinsics_too(bag):
    bag.info(5.0)
    bag.compressed(encoded(picture(3)))
    (frame,) = read_bag(bag.save())
    np.testing.assert_array_equal(frame.rgb, picture(3))
    assert focals([frame]) == [5.0]


@pytest.mark.parametrize(('topic', 'focal_px'), [
    ('/camera/image_rect', 7.0), ('/camera/image_rect_color', 7.0), ('/camera/image_raw', 5.0),
    ('/rectifier/image', 5.0),
])  # fmt: skip
@pytest.mark.parametrize('is_compressed', [False, True])
def test_rectified_images_are_described_by_p(bag, topic, focal_px, is_compressed):
    bag.info(5.0, str(Path(topic).with_name('camera_info')), rectified_px=7.0)
    if is_compressed:
        bag.compressed(encoded(picture()), f'{topic}/compressed')
    else:
        bag.image(picture(), topic)
    assert focals(read_bag(bag.save())) == [focal_px]


def test_every_so_many_images_counted_over_the_parts(tmp_path):
    for part in (0, 9, 10):
        one = Bag(tmp_path / f'drive_{part}.mcap')
        for n in range(2):
            one.image(picture(part + n))
        one.save()
    assert is_bag(tmp_path)
    seen = [frame.rgb for frame in read_bag(tmp_path, every=2)]
    for rgb, seed in zip(seen, (0, 9, 10), strict=True):
        np.testing.assert_array_equal(rgb, picture(seed))
    assert len(list(read_bag(tmp_path, every=4))) == 2


def test_parts_without_images_are_passed_over_and_their_intrinsics_kept(tmp_path):
    for part in range(4):
        one = Bag(tmp_path / f'drive_{part}.mcap')
        if part == 0:
            one.info(5.0)
        if part in (1, 3):
            one.image(picture(part))
        one.save()
    frames = list(read_bag(tmp_path))
    assert focals(frames) == [5.0, 5.0]
    for frame, seed in zip(frames, (1, 3), strict=True):
        np.testing.assert_array_equal(frame.rgb, picture(seed))


def test_one_topic_is_read_in_all_parts(tmp_path):
    for part, side in enumerate(('left', 'right')):
        one = Bag(tmp_path / f'drive_{part}.mcap')
        one.image(picture(part), f'/{side}/image')
        one.save()
    with pytest.raises(RecordingError, match=r"found \['/left/image', '/right/image'\]; name"):
        list(read_bag(tmp_path))
    (frame,) = read_bag(tmp_path, topic='/right/image')
    np.testing.assert_array_equal(frame.rgb, picture(1))


def test_channels_without_a_schema_are_passed_over(bag):
    kind = 'sensor_msgs/msg/CompressedImage'
    image = {'header': bag.header(), 'format': 'png', 'data': encoded(picture())}
    with bag.path.open('wb') as file, Writer(file) as writer:
        schema = writer.register_msgdef(kind, DEFINITIONS[kind])
        writer.write_message('/image/compressed', schema, image, 1)
        notes = writer._writer.register_channel('/notes', 'json', schema_id=0)
        writer._writer.add_message(notes, 2, b'{}', 2)
    (frame,) = read_bag(bag.path)
    np.testing.assert_array_equal(frame.rgb, picture())


@pytest.mark.parametrize('fov_deg', [None, 90.0])
def test_a_field_of_view_makes_up_for_missing_intrinsics(bag, fov_deg):
    bag.image(picture())
    (frame,) = read_bag(bag.save(), None if fov_deg is None else math.radians(fov_deg))
    assert frame.camera.calibrated == (fov_deg is not None)
    half = math.radians(30 if fov_deg is None else 45)
    assert frame.camera.fx_px == pytest.approx(4 / math.tan(half))


def test_intrinsics_of_another_size_are_noted_and_not_used(bag, caplog):
    bag.info(5.0)
    bag.image(np.zeros((3, 4, 3), np.uint8))
    bag.image(np.zeros((3, 4, 3), np.uint8))
    frames = list(read_bag(bag.save()))
    assert not any(frame.camera.calibrated for frame in frames)
    assert caplog.text.count('describes an image of 8x6 pixels') == 1


def test_one_of_several_topics_has_to_be_named(bag):
    bag.image(picture(1), '/left/image')
    bag.image(picture(2), '/right/image')
    path = bag.save()
    with pytest.raises(
        RecordingError, match=r"found \['/left/image', '/right/image'\]; .* --topic"
    ):
        list(read_bag(path))
    (frame,) = read_bag(path, topic='/right/image')
    np.testing.assert_array_equal(frame.rgb, picture(2))
    with pytest.raises(RecordingError, match='on /belly/image, found them on'):
        list(read_bag(path, topic='/belly/image'))


def test_a_bag_without_images(bag):
    bag.info(5.0)
    with pytest.raises(RecordingError, match=r'one topic of images, found \[\]'):
        list(read_bag(bag.save()))


def test_what_is_no_bag(tmp_path):
    with pytest.raises(RecordingError, match=r'nowhere\.mcap: expected a \.mcap file'):
        list(read_bag(tmp_path / 'nowhere.mcap'))
    with pytest.raises(RecordingError, match='ros2 bag convert'):
        list(read_bag(tmp_path))
    other = tmp_path / 'other.mcap'
    for content in (b'', b'SQLite format 3\0' + bytes(500)):
        other.write_bytes(content)
        with pytest.raises(RecordingError, match=r'other\.mcap: expected a ROS 2 bag in MCAP'):
            list(read_bag(other))


def test_a_bag_in_sqlite_can_be_converted(tmp_path):
    path = tmp_path / 'drive.db3'
    path.write_bytes(b'SQLite format 3\0' + bytes(500))
    assert is_bag(path)
    with pytest.raises(RecordingError, match=r'drive\.db3: .* MCAP.* ros2 bag convert'):
        list(read_bag(path))


def test_photographs_in_a_folder_are_named_one_by_one(tmp_path):
    (tmp_path / 'kitchen.jpg').write_bytes(encoded(picture(), '.jpg'))
    with pytest.raises(RecordingError) as refused:
        list(read_bag(tmp_path))
    assert f'photographs have to be named: {tmp_path}/*.jpg' in str(refused.value)


def test_an_unfinished_recording_can_be_recovered(bag):
    bag.image(picture())
    data = bag.save().read_bytes()
    # The footer's record: opcode, length, then the start of the summary. Source: MCAP format.
    footer = len(data) - 8 - 29
    bag.path.write_bytes(data[: footer + 9] + bytes(8) + data[footer + 17 :])
    with pytest.raises(RecordingError, match='mcap recover'):
        list(read_bag(bag.path))


@pytest.mark.parametrize('share', [0.1, 0.5, 0.99])
def test_a_recording_that_was_cut_off_can_be_recovered(bag, share):
    bag.image(picture())
    data = bag.save().read_bytes()
    bag.path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(RecordingError, match=r'drive\.mcap: expected a finished .*mcap recover'):
        list(read_bag(bag.path))


def test_a_damaged_image_names_its_file(bag):
    bag.compressed(b'no picture')
    with pytest.raises(ImageError, match=r'drive\.mcap: expected a whole JPEG or PNG'):
        list(read_bag(bag.save()))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)
@given(data=st.data())
def test_damaged_bags_are_read_or_refused(tmp_path, data):
    bag = Bag(tmp_path / 'damaged.mcap')
    bag.info(5.0)
    bag.image(picture())
    content = bytearray(bag.save().read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    bag.path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        frames = list(read_bag(bag.path))
    except InputError:
        return
    assert all(frame.rgb.ndim == 3 for frame in frames)


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_a_photograph(tmp_path, suffix):
    path = tmp_path / f'kitchen{suffix}'
    rgb = cv2.resize(picture(), (40, 30))
    path.write_bytes(encoded(rgb, suffix))
    frame = read_photo(path, math.radians(90))
    assert np.abs(frame.rgb.astype(int) - rgb).mean() < (1 if suffix == '.png' else 25)
    assert (frame.camera.fx_px, frame.camera.calibrated) == (pytest.approx(20.0), True)
    assert frame.stamp_ns == path.stat().st_mtime_ns
    assert not read_photo(path).camera.calibrated


def exif_of(order, focal_35mm, orientation=1):
    """Return EXIF with the fields that matter, as TIFF 6.0 lays them out, in a byte order."""
    head = {'<': b'II*\0', '>': b'MM\0*'}[order] + struct.pack(f'{order}I', 8)
    turned = struct.pack(f'{order}HHIHH', 0x0112, 3, 1, orientation, 0)
    where = struct.pack(f'{order}HHII', 0x8769, 4, 1, 8 + 2 + 2 * 12 + 4)
    focal = struct.pack(f'{order}HHIHH', 0xA405, 3, 1, focal_35mm, 0)
    first = struct.pack(f'{order}H', 2) + turned + where + bytes(4)
    return b'Exif\0\0' + head + first + struct.pack(f'{order}H', 1) + focal + bytes(4)


def with_exif(jpeg, exif):
    """Return a JPEG file with a comment and EXIF before its first segment."""
    comment = b'\xff\xfe' + struct.pack('>H', 6) + b'what'
    return jpeg[:2] + comment + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('orientation', [1, 6])
def test_exif_tells_the_lens_of_a_photograph(tmp_path, order, orientation):
    """By hand: 27 mm on film of 43.267 mm across is 31.2 px on an image of 50 px across."""
    jpeg = encoded(np.zeros((30, 40, 3), np.uint8), '.jpg')
    path = tmp_path / 'phone.jpg'
    path.write_bytes(with_exif(jpeg, exif_of(order, 27, orientation)))
    camera = read_photo(path).camera
    assert (camera.width_px, camera.height_px) == ((40, 30) if orientation == 1 else (30, 40))
    assert camera.calibrated
    assert camera.fx_px == camera.fy_px == pytest.approx(27 * 50 / 43.2666, rel=1e-5)
    told = read_photo(path, math.radians(90)).camera
    assert told.fx_px == pytest.approx(camera.width_px / 2)


def test_exif_of_another_writer(tmp_path):
    tags = Image.Exif()
    tags[0x010F] = 'a maker with a long name'
    tags.get_ifd(0x8769)[0x920A] = 4.2  # the focal length itself, which tells nothing
    tags.get_ifd(0x8769)[0xA405] = 50
    path = tmp_path / 'camera.jpg'
    Image.new('RGB', (36, 24)).save(path, exif=tags)
    assert read_photo(path).camera.fx_px == pytest.approx(50)


def test_without_a_focal_length_the_lens_is_unknown(tmp_path):
    jpeg = encoded(np.zeros((30, 40, 3), np.uint8), '.jpg')
    exif, path = exif_of('<', 27), tmp_path / 'phone.jpg'
    for data in (jpeg, with_exif(jpeg, exif_of('<', 0)), with_exif(jpeg, b'Exif\0\0')):
        path.write_bytes(data)
        assert not read_photo(path).camera.calibrated
    for end in range(6, len(exif) - 12):  # cut short before the value
        path.write_bytes(with_exif(jpeg, exif[:end]))
        assert not read_photo(path).camera.calibrated


def test_a_photograph_taken_upright_is_upright(tmp_path):
    jpeg = encoded(np.zeros((30, 40, 3), np.uint8), '.jpg')
    tiff = b'II*\0' + struct.pack('<IH', 8, 1) + struct.pack('<HHIHHI', 0x0112, 3, 1, 6, 0, 0)
    segment = b'Exif\0\0' + tiff
    path = tmp_path / 'turned.jpg'
    path.write_bytes(
        jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(segment) + 2) + segment + jpeg[2:]
    )
    frame = read_photo(path)
    assert frame.rgb.shape == (40, 30, 3)
    assert (frame.camera.width_px, frame.camera.height_px) == (30, 40)


def test_what_is_no_photograph(tmp_path):
    path = tmp_path / 'notes.txt'
    path.write_text('no picture')
    with pytest.raises(ImageError, match=r'notes\.txt: expected a whole JPEG or PNG'):
        read_photo(path)
    with pytest.raises(ImageError, match=r'absent\.png: .* No such file'):
        read_photo(tmp_path / 'absent.png')
