"""The focal length that EXIF tells of a photograph, read without a library for images."""

from __future__ import annotations

import struct

from spatialllm_ros.runtime.image_conversion import jpeg_segments

APP1, HEADER = 0xE1, b'Exif\0\0'
BYTE_ORDERS = {b'II*\0': '<', b'MM\0*': '>'}
EXIF_PART, FOCAL_35MM = 0x8769, 0xA405
"""Tags: where EXIF's own fields are, the focal length for 35 mm film."""
FORMATS = {3: 'H', 4: 'I'}
"""Of a field's value, by its type."""
ENTRY_BYTES = 12


def focal_35mm(jpeg: bytes) -> int | None:
    """Return the focal length in millimetres that gives a photo's view on 35 mm film.

    Args:
        jpeg: the file; one of another kind tells nothing.

    Returns:
        None where the file does not tell it.

    Source: CIPA DC-008 (EXIF 2.32), 4.5.2 and 4.6.5; TIFF 6.0, section 2.
    """
    for marker, start, end in jpeg_segments(jpeg):
        if marker == APP1 and jpeg.startswith(HEADER, start):
            return _focal_of_tiff(jpeg[start + len(HEADER) : end])
    return None


def _focal_of_tiff(tiff: bytes) -> int | None:
    order = BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(f'{order}I', tiff, 4)
        part = _value(tiff, order, first, EXIF_PART)
        return part and _value(tiff, order, part, FOCAL_35MM)
    except struct.error:  # cut short
        return None


def _value(tiff: bytes, order: str, directory: int, wanted: int) -> int | None:
    """Return a field of a directory; EXIF has 0 for what is unknown, too."""
    (count,) = struct.unpack_from(f'{order}H', tiff, directory)
    for number in range(count):
        at = directory + 2 + number * ENTRY_BYTES
        tag, kind = struct.unpack_from(f'{order}HH', tiff, at)
        if tag == wanted and kind in FORMATS:
            return struct.unpack_from(order + FORMATS[kind], tiff, at + 8)[0] or None
    return None
