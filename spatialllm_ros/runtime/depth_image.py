"""Depth images of cameras into metres, by NumPy alone.

Source: REP-118 (encodings) and REP-117 (what values other than distances mean).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.runtime.image_conversion import (
    ImageMessage,
    UnfitImageError,
    check_size,
    message_rows,
)

Depth = NDArray[np.float32]
"""(H, W) float32: metres along the optical axis. Where there are none: NaN for no measurement,
-inf for too near, +inf for beyond range."""

METRES, MILLIMETRES = '32FC1', '16UC1'
SAMPLES = {METRES: 'f4', MILLIMETRES: 'u2'}
"""NumPy's names of the samples that are understood, by encoding."""


def depth_from_image(message: ImageMessage, max_side_px: int) -> Depth:
    """Convert a depth image of at most ``max_side_px`` pixels on each side.

    Native metres without padding are not copied: the result then looks into the message's data.

    Raises:
        UnfitImageError: size, encoding, step and data do not fit together.
    """
    check_size(message.width, message.height, max_side_px)
    kind = SAMPLES.get(message.encoding)
    if kind is None:
        raise UnfitImageError(
            'encoding',
            f'expected a depth image of {" or ".join(SAMPLES)}, found {message.encoding[:40]!r}',
        )
    order = np.dtype(kind).newbyteorder('>' if message.is_bigendian else '<')
    rows = message_rows(message, message.height, message.width * order.itemsize)
    samples = np.ascontiguousarray(rows).view(order).astype(np.float32, copy=False)
    if message.encoding == METRES:
        return samples
    samples[samples == 0] = np.nan
    return samples / np.float32(1000)
