"""Camera messages into RGB arrays, by NumPy and OpenCV alone.

Knows the fields of ``sensor_msgs/Image`` and ``CompressedImage`` but imports neither: any object
with those fields will do. What comes from outside is checked before memory is spent on it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.errors import ImageError

Rgb = NDArray[np.uint8]
"""(H, W, 3) uint8, red first."""


class UnfitImageError(ImageError):
    """An image that is dropped; ``reason`` is the word under which it is counted."""

    def __init__(self, reason: str, message: str) -> None:
        """Say why in one of ``REJECTION_REASONS`` and in words."""
        super().__init__(message)
        self.reason = reason


REJECTION_REASONS = ('size', 'encoding', 'layout', 'file')
"""Size out of bounds; encoding unknown; step and data too short; file damaged or of no use."""


class ImageMessage(Protocol):
    """The fields of ``sensor_msgs/Image`` that describe its pixels."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedMessage(Protocol):
    """The fields of ``sensor_msgs/CompressedImage`` that describe its pixels."""

    format: str
    data: Any


@dataclass(frozen=True)
class Encoding:
    """How the samples of an image message lie in memory and become RGB.

    Attributes:
        channels: samples per pixel in one row of the message.
        sample_bytes: 1 or 2.
        colour_code: OpenCV's conversion to RGB; None where the samples are RGB already.
        shares_chroma: columns and rows that one colour sample covers; sizes are its multiples.
        has_chroma_plane: whether ``height / 2`` rows of colour follow the rows of brightness.
    """

    channels: int
    sample_bytes: int
    colour_code: int | None
    shares_chroma: tuple[int, int] = (1, 1)
    has_chroma_plane: bool = False


# OpenCV names a Bayer pattern by its second row, hence its BayerBG for what ROS calls rggb.
_PER_DEPTH: dict[str, tuple[int, int | None]] = {
    'rgb': (3, None),
    'bgr': (3, cv2.COLOR_BGR2RGB),
    'rgba': (4, cv2.COLOR_RGBA2RGB),
    'bgra': (4, cv2.COLOR_BGRA2RGB),
    'mono': (1, cv2.COLOR_GRAY2RGB),
    'bayer_rggb': (1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr': (1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg': (1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg': (1, cv2.COLOR_BayerGB2RGB),
}
_YUYV = Encoding(2, 1, cv2.COLOR_YUV2RGB_YUY2, shares_chroma=(2, 1))
_UYVY = Encoding(2, 1, cv2.COLOR_YUV2RGB_UYVY, shares_chroma=(2, 1))

MAX_SIDE_PX = 16384
"""More than any camera has; keeps a damaged header from asking for all memory."""

ENCODINGS: dict[str, Encoding] = {
    **{f'{name}8': Encoding(channels, 1, code) for name, (channels, code) in _PER_DEPTH.items()},
    **{f'{name}16': Encoding(channels, 2, code) for name, (channels, code) in _PER_DEPTH.items()},
    'yuyv': _YUYV,
    'yuv422_yuy2': _YUYV,
    'uyvy': _UYVY,
    'yuv422': _UYVY,
    'nv12': Encoding(1, 1, cv2.COLOR_YUV2RGB_NV12, (2, 2), has_chroma_plane=True),
    'nv21': Encoding(1, 1, cv2.COLOR_YUV2RGB_NV21, (2, 2), has_chroma_plane=True),
}
"""Every encoding that is understood, by its name in ``sensor_msgs/image_encodings.hpp``."""


OTHER_FILES = {
    re.compile(beginning, re.DOTALL): kind
    for beginning, kind in {
        rb'....ftypavi': 'AVIF',
        rb'....ftyp(hei|hev|mif1|msf1)': 'HEIC',
        rb'RIFF....WEBP': 'WebP',
        rb'BM': 'BMP',
        rb'GIF8': 'GIF',
        rb'II\*\0|MM\0\*': 'TIFF',
    }.items()
}
"""Files of images that are not read, by how they begin."""


def rgb_from_image(message: ImageMessage, max_side_px: int) -> Rgb:
    """Convert a raw image of at most ``max_side_px`` pixels on each side.

    16-bit samples are scaled to 8 bits. An unpadded ``rgb8`` image is not copied: the result then
    looks into the message's data.

    Raises:
        UnfitImageError: size, encoding, step and data do not fit together.
    """
    check_size(message.width, message.height, max_side_px)
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        found = message.encoding[:40]
        raise UnfitImageError(
            'encoding', f'expected one of the encodings {", ".join(ENCODINGS)}, found {found!r}'
        )
    samples = _samples(message, encoding)
    if encoding.colour_code is not None:
        samples = cv2.cvtColor(samples, encoding.colour_code)
    if encoding.sample_bytes == 2:
        samples = cv2.convertScaleAbs(samples, alpha=255 / 65535)
    return np.asarray(samples, np.uint8)


def _samples(message: ImageMessage, encoding: Encoding) -> NDArray[Any]:
    """Return the message's samples (rows, W) or (rows, W, channels), in native byte order."""
    width, height = message.width, message.height
    columns_shared, rows_shared = encoding.shares_chroma
    if width % columns_shared or height % rows_shared:
        raise UnfitImageError(
            'layout',
            f'expected a width and height that are multiples of {columns_shared} and '
            f'{rows_shared} for {message.encoding}, found {width}x{height}',
        )
    row_bytes = width * encoding.channels * encoding.sample_bytes
    rows = height * 3 // 2 if encoding.has_chroma_plane else height
    samples: NDArray[Any] = message_rows(message, rows, row_bytes)
    if encoding.sample_bytes == 2:
        order = '>u2' if message.is_bigendian else '<u2'
        samples = np.ascontiguousarray(samples).view(order).astype(np.uint16)
    shape = (rows, width) if encoding.channels == 1 else (rows, width, encoding.channels)
    return np.ascontiguousarray(samples.reshape(shape))


def message_rows(message: ImageMessage, rows: int, row_bytes: int) -> NDArray[np.uint8]:
    """Return the bytes (rows, row_bytes) of an image message without the padding of its rows.

    They are not copied.

    Raises:
        UnfitImageError: the message holds less.
    """
    step = message.step
    if step < row_bytes:
        raise UnfitImageError(
            'layout',
            f'expected a step of at least {row_bytes} bytes for {message.width} pixels of '
            f'{message.encoding}, found {step}',
        )
    if len(message.data) < step * rows:
        raise UnfitImageError(
            'layout',
            f'expected at least {step * rows} bytes of data ({rows} rows of step {step}), '
            f'found {len(message.data)}',
        )
    lines = np.frombuffer(message.data, np.uint8, count=step * rows).reshape(rows, step)
    return lines[:, :row_bytes]


def rgb_from_compressed(message: CompressedMessage, max_side_px: int) -> Rgb:
    """Decode a JPEG or PNG image of at most ``max_side_px`` pixels on each side.

    An EXIF orientation is ignored: it would turn the pixels away from what CameraInfo describes.

    Raises:
        UnfitImageError: the data are neither JPEG nor PNG, too large, cut short or damaged.
    """
    if 'compressedDepth' in message.format:
        raise UnfitImageError('file', f'expected a colour image, found {message.format[:40]!r}')
    return rgb_from_file(bytes(message.data), max_side_px, is_turned_upright=False)


def rgb_from_file(data: bytes, max_side_px: int, is_turned_upright: bool) -> Rgb:
    """Decode the bytes of a JPEG or PNG file.

    The size is read from the file's header, before anything is decoded.

    Args:
        data: the whole file.
        max_side_px: most pixels on each side.
        is_turned_upright: whether the EXIF orientation is followed, as people expect of photos.

    Raises:
        UnfitImageError: neither JPEG nor PNG, too large, cut short or damaged.
    """
    check_size(*_compressed_size(data), max_side_px)
    flags = cv2.IMREAD_COLOR | (0 if is_turned_upright else cv2.IMREAD_IGNORE_ORIENTATION)
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if bgr is None:
        raise UnfitImageError(
            'file', f'expected a decodable image, found {len(data)} damaged bytes'
        )
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _compressed_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) as the file's header states them."""
    if data.startswith(b'\xff\xd8') and b'\xff\xd9' in data:
        return _jpeg_size(data)
    if data.startswith(b'\x89PNG\r\n\x1a\n') and b'IEND' in data[24:]:
        width, height = struct.unpack_from('>II', data, 16)
        return width, height
    raise UnfitImageError('file', f'expected a whole JPEG or PNG file, found {_found(data)}')


def _found(data: bytes) -> str:
    """Say in words what a file is, and what to do about it where that is known."""
    for beginning, kind in OTHER_FILES.items():
        if beginning.match(data):
            return f'{kind}; convert it to JPEG'
    return f'{len(data)} bytes starting with {data[:8].hex() or "nothing"}'


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walk the segments of a JPEG file to its frame header.

    Source: ITU-T T.81, B.1.1 and B.2.2.
    """
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack_from('>HH', data, position + 5)
            return width, height
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], 'big')
    raise UnfitImageError('file', 'expected a JPEG file with a frame header, found none')


GREY = (
    'the image is grey, and the shipped model has learned from colours alone: its answers may be '
    'wrong, however sure it is; use a colour camera'
)


def is_grey(rgb: Rgb) -> bool:
    """Tell whether an image has shades but no colours; an image of one shade tells nothing."""
    return bool(rgb.min() < rgb.max() and (rgb == rgb[..., :1]).all())


def check_size(width: int, height: int, max_side_px: int) -> None:
    """Refuse an image without pixels, or with more than ``max_side_px`` on a side.

    Raises:
        UnfitImageError: names the size.
    """
    if not (0 < width <= max_side_px and 0 < height <= max_side_px):
        raise UnfitImageError(
            'size',
            f'expected an image of 1x1 to {max_side_px}x{max_side_px} pixels, '
            f'found {width}x{height}',
        )
