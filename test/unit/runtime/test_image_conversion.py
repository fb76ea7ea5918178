"""Image conversion against images packed by hand and colours computed from BT.601."""

import struct
import zlib
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialllm_ros.errors import ImageError
from spatialllm_ros.runtime.image_conversion import (
    ENCODINGS,
    REJECTION_REASONS,
    UnfitImageError,
    rgb_from_compressed,
    rgb_from_image,
)

LIMIT_PX = 4096
COLOUR = (200, 90, 30)


@dataclass
class Image:
    height: int
    width: int
    encoding: str
    step: int
    data: bytes
    is_bigendian: int = 0


@dataclass
class Compressed:
    data: bytes
    format: str = 'jpeg'


def packed(samples, encoding, padding=0, is_bigendian=0):
    """Lay samples (rows, columns, channels) out as a message would, with padded rows."""
    rows, columns, _ = samples.shape
    kind = '>u2' if is_bigendian else '<u2'
    lines = samples.astype(np.uint8 if samples.dtype == np.uint8 else kind).tobytes()
    row_bytes = len(lines) // rows
    padded = b''.join(
        lines[i * row_bytes : (i + 1) * row_bytes] + b'\xa5' * padding for i in range(rows)
    )
    return Image(rows, columns, encoding, row_bytes + padding, padded, is_bigendian)


def random_rgb(height, width, dtype=np.uint8):
    top = np.iinfo(dtype).max + 1
    return np.random.default_rng(height * width).integers(0, top, (height, width, 3), dtype)


def with_alpha(rgb):
    return np.concatenate([rgb, np.full_like(rgb[..., :1], 7)], axis=2)


REORDER = {
    'rgb': lambda rgb: rgb,
    'bgr': lambda rgb: rgb[..., ::-1],
    'rgba': with_alpha,
    'bgra': lambda rgb: with_alpha(rgb[..., ::-1]),
}


@pytest.mark.parametrize('name', REORDER)
@settings(max_examples=25)
@given(height=st.integers(1, 9), width=st.integers(1, 9), padding=st.integers(0, 5))
def test_eight_bit_colours_keep_every_value(name, height, width, padding):
    rgb = random_rgb(height, width)
    message = packed(REORDER[name](rgb), f'{name}8', padding)
    np.testing.assert_array_equal(rgb_from_image(message, LIMIT_PX), rgb)


@pytest.mark.parametrize('is_bigendian', [0, 1])
@pytest.mark.parametrize('name', REORDER)
@settings(max_examples=25)
@given(height=st.integers(1, 9), width=st.integers(1, 9), padding=st.integers(0, 5))
def test_sixteen_bit_colours_are_scaled(name, is_bigendian, height, width, padding):
    rgb = random_rgb(height, width, np.uint16)
    message = packed(REORDER[name](rgb), f'{name}16', padding, is_bigendian)
    expected = np.rint(rgb / 257.0)
    np.testing.assert_allclose(rgb_from_image(message, LIMIT_PX), expected, atol=1)


@pytest.mark.parametrize(('encoding', 'value', 'is_bigendian', 'grey'), [
    ('mono8', 77, 0, 77),
    ('mono16', 0x4D00, 0, 77),
    ('mono16', 0x4D00, 1, 77),
])  # fmt: skip
def test_grey_becomes_three_equal_channels(encoding, value, is_bigendian, grey):
    dtype = np.uint16 if encoding == 'mono16' else np.uint8
    samples = np.full((3, 5, 1), value, dtype)
    rgb = rgb_from_image(packed(samples, encoding, 3, is_bigendian), LIMIT_PX)
    assert rgb.shape == (3, 5, 3)
    np.testing.assert_array_equal(rgb, grey)


def bt601(red, green, blue):
    """Return limited-range Y, U, V. Source: ITU-R BT.601, 8-bit quantisation."""
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(16 + luma * 219 / 255),
        round(128 + (blue - luma) / 1.772 * 224 / 255),
        round(128 + (red - luma) / 1.402 * 224 / 255),
    )


def yuv_message(encoding, height, width, padding):
    y, u, v = bt601(*COLOUR)
    pairs = {
        'yuyv': [y, u, y, v], 'yuv422_yuy2': [y, u, y, v],
        'uyvy': [u, y, v, y], 'yuv422': [u, y, v, y],
        'nv12': [u, v], 'nv21': [v, u],
    }  # fmt: skip
    fill = [0] * padding
    if encoding.startswith('nv'):
        lines = [[y] * width + fill] * height
        lines += [pairs[encoding] * (width // 2) + fill] * (height // 2)
    else:
        lines = [pairs[encoding] * (width // 2) + fill] * height
    return Image(height, width, encoding, len(lines[0]), b''.join(map(bytes, lines)))


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('encoding', ['yuyv', 'yuv422_yuy2', 'uyvy', 'yuv422', 'nv12', 'nv21'])
def test_yuv_gives_the_colour_back(encoding, padding):
    rgb = rgb_from_image(yuv_message(encoding, 4, 6, padding), LIMIT_PX)
    assert rgb.shape == (4, 6, 3)
    np.testing.assert_allclose(rgb, np.broadcast_to(COLOUR, rgb.shape), atol=3)


@pytest.mark.parametrize('depth', [8, 16])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_patterns_start_at_the_first_pixel(pattern, depth):
    value = dict(zip('rgb', COLOUR, strict=True))
    cell = np.array([value[c] for c in pattern]).reshape(2, 2)
    mosaic = np.tile(cell, (4, 4))[..., None]
    samples = mosaic.astype(np.uint8) if depth == 8 else (mosaic * 257).astype(np.uint16)
    rgb = rgb_from_image(packed(samples, f'bayer_{pattern}{depth}', 4), LIMIT_PX)
    np.testing.assert_allclose(rgb, np.broadcast_to(COLOUR, rgb.shape), atol=1)


def test_the_result_of_padded_rows_is_contiguous():
    message = packed(random_rgb(4, 4), 'rgb8', 8)
    assert rgb_from_image(message, LIMIT_PX).flags.c_contiguous


GOOD = packed(random_rgb(4, 6), 'rgb8')


@pytest.mark.parametrize(('change', 'reason', 'words'), [
    ({'data': GOOD.data[:-1]}, 'layout', ['at least 72 bytes', 'found 71']),
    ({'data': b''}, 'layout', ['at least 72 bytes', 'found 0']),
    ({'step': 17}, 'layout', ['step of at least 18', 'found 17']),
    ({'encoding': 'rgb9'}, 'encoding', ['rgb8', 'nv12', "found 'rgb9'"]),
    ({'encoding': 'x' * 5000}, 'encoding', ["found '" + 'x' * 40 + "'"]),
    ({'encoding': '32FC1'}, 'encoding', ["found '32FC1'"]),
    ({'height': 0, 'width': 0}, 'size', ['1x1 to 4096x4096', 'found 0x0']),
    ({'height': 20_000, 'width': 20_000}, 'size', ['1x1 to 4096x4096', 'found 20000x20000']),
    ({'encoding': 'yuyv', 'width': 5}, 'layout', ['multiples of 2 and 1', 'found 5x4']),
    ({'encoding': 'nv12', 'height': 3}, 'layout', ['multiples of 2 and 2', 'found 6x3']),
    ({'encoding': 'nv12', 'data': bytes(72)}, 'layout', ['at least 108 bytes', '6 rows of step']),
])  # fmt: skip
def test_what_does_not_fit_is_named(change, reason, words):
    with pytest.raises(UnfitImageError) as refusal:
        rgb_from_image(replace(GOOD, **change), LIMIT_PX)
    assert refusal.value.reason == reason
    assert reason in REJECTION_REASONS
    for word in words:
        assert word in str(refusal.value)


@settings(max_examples=300)
@given(
    height=st.integers(0, 8),
    width=st.integers(0, 8),
    encoding=st.sampled_from([*ENCODINGS, '', '8UC3']),
    step=st.integers(0, 80),
    data=st.binary(max_size=700),
    is_bigendian=st.integers(0, 255),
)
def test_garbage_is_converted_or_refused(height, width, encoding, step, data, is_bigendian):
    message = Image(height, width, encoding, step, data, is_bigendian)
    try:
        rgb = rgb_from_image(message, LIMIT_PX)
    except ImageError:
        return
    assert rgb.shape == (height, width, 3)
    assert rgb.dtype == np.uint8


def encoded(extension, rgb):
    done, data = cv2.imencode(extension, rgb[..., ::-1])
    assert done
    return data.tobytes()


def smooth_rgb(height=48, width=64):
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 4, columns * 3, np.full_like(rows, 60)], axis=2).astype(np.uint8)


def test_png_is_exact():
    rgb = random_rgb(11, 7)
    np.testing.assert_array_equal(
        rgb_from_compressed(Compressed(encoded('.png', rgb), 'rgb8; png compressed '), LIMIT_PX),
        rgb,
    )


def test_jpeg_is_close():
    rgb = smooth_rgb()
    decoded = rgb_from_compressed(Compressed(encoded('.jpg', rgb)), LIMIT_PX)
    assert np.abs(decoded.astype(int) - rgb).mean() < 3


def test_an_exif_orientation_does_not_turn_the_image():
    jpeg = encoded('.jpg', smooth_rgb(48, 64))
    tiff = b'II*\0' + struct.pack('<IH', 8, 1) + struct.pack('<HHIHHI', 0x0112, 3, 1, 6, 0, 0)
    segment = b'Exif\0\0' + tiff
    turned = jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(segment) + 2) + segment + jpeg[2:]
    assert rgb_from_compressed(Compressed(turned), LIMIT_PX).shape == (48, 64, 3)


def png_claiming(width, height):
    header = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack('>I', 13) + header + struct.pack('>I', zlib.crc32(header))
    return b'\x89PNG\r\n\x1a\n' + chunk + b'\0\0\0\0IEND\xaeB`\x82'


JPEG, PNG = encoded('.jpg', smooth_rgb()), encoded('.png', smooth_rgb())


@pytest.mark.parametrize(('data', 'words'), [
    (b'', 'whole JPEG or PNG'),
    (b'GIF89a' + bytes(40), 'whole JPEG or PNG'),
    (JPEG[:-2], 'whole JPEG or PNG'),
    (PNG[:-12], 'whole JPEG or PNG'),
    (b'\xff\xd8\xff\xd9', 'frame header'),
    (b'\xff\xd8\xff\xfe\x00\x02' + bytes(9) + b'\xff\xd9', 'frame header'),
    (png_claiming(20_000, 20_000), 'found 20000x20000'),
    (png_claiming(0, 0), 'found 0x0'),
    (png_claiming(8, 8), 'damaged'),
    (b'\x89PNG\r\n\x1a\nIEND', 'whole JPEG or PNG'),
])  # fmt: skip
def test_bad_files_are_refused(data, words):
    with pytest.raises(ImageError, match=words):
        rgb_from_compressed(Compressed(data), LIMIT_PX)


HEIC = bytes.fromhex('0000001866747970') + b'heic' + bytes(4) + b'mif1heic'


@pytest.mark.parametrize(('data', 'kind'), [
    (HEIC, 'HEIC'),
    (HEIC.replace(b'ftypheic', b'ftypmif1'), 'HEIC'),
    (HEIC.replace(b'ftypheic', b'ftypavif'), 'AVIF'),
    (encoded('.webp', smooth_rgb()), 'WebP'),
    (encoded('.bmp', smooth_rgb()), 'BMP'),
    (encoded('.tiff', smooth_rgb()), 'TIFF'),
    (b'GIF87a' + bytes(40), 'GIF'),
])  # fmt: skip
def test_images_of_other_kinds_are_called_by_name(data, kind):
    with pytest.raises(ImageError, match=f'found {kind}; convert it to JPEG$'):
        rgb_from_compressed(Compressed(data), LIMIT_PX)


def test_a_large_jpeg_is_refused_before_decoding():
    position = JPEG.index(b'\xff\xc0') + 5
    claiming = JPEG[:position] + struct.pack('>HH', 20_000, 20_000) + JPEG[position + 4 :]
    with pytest.raises(ImageError, match='found 20000x20000'):
        rgb_from_compressed(Compressed(claiming), LIMIT_PX)


def test_depth_is_not_a_picture():
    with pytest.raises(ImageError, match='compressedDepth'):
        rgb_from_compressed(Compressed(PNG, '16UC1; compressedDepth png'), LIMIT_PX)


@settings(max_examples=150, deadline=None)
@given(cuts=st.lists(st.tuples(st.integers(20, len(PNG) - 1), st.integers(0, 255)), max_size=6))
def test_damaged_files_are_decoded_or_refused(cuts):
    for original in (JPEG, PNG):
        data = bytearray(original)
        for position, value in cuts:
            data[position % len(data)] = value
        try:
            rgb = rgb_from_compressed(Compressed(bytes(data)), 256)
        except ImageError:
            continue
        assert max(rgb.shape[:2]) <= 256
