"""The focal length that EXIF tells of a photograph."""

from __future__ import annotations

import io
import struct
import warnings

from PIL import Image

EXIF_PART, FOCAL_35MM = 0x8769, 0xA405
"""Tags of EXIF 2.32: where its own fields are, the focal length for 35 mm film."""
UNREADABLE = (
    OSError, SyntaxError, TypeError, ValueError, ZeroDivisionError, struct.error,
    Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises on EXIF that is cut short or no EXIF at all, and on huge images."""


def focal_35mm(exif: Image.Exif) -> float | None:
    """Return the focal length in millimetres that gives a photo's view on 35 mm film.

    Returns:
        None where EXIF does not tell it, for which it has 0, too.
    """
    return float(exif.get_ifd(EXIF_PART).get(FOCAL_35MM, 0)) or None


def focal_35mm_of(file: bytes) -> float | None:
    """Return the same of an image file; EXIF that cannot be read tells nothing."""
    try:
        with warnings.catch_warnings(action='ignore'), Image.open(io.BytesIO(file)) as image:
            return focal_35mm(image.getexif())
    except UNREADABLE:
        return None
