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

Samples = NDArray[np.float32] | NDArray[np.uint16]
"""(H, W) as a message holds them: metres, or millimetres with 0 for no measurement."""

KINDS = {'32FC1': 'f4', '16UC1': 'u2'}
"""NumPy's names of the samples that are understood, by encoding."""


def depth_samples(message: ImageMessage, max_side_px: int) -> Samples:
    """Return a copy of the samples of a depth image of at most ``max_side_px`` on each side.

    Raises:
        UnfitImageError: size, encoding, step and data do not fit together.
    """
    check_size(message.width, message.height, max_side_px)
    kind = KINDS.get(message.encoding)
    if kind is None:
        raise UnfitImageError(
            'encoding',
            f'expected a depth image of {" or ".join(KINDS)}, found {message.encoding[:40]!r}',
        )
    order = np.dtype(kind).newbyteorder('>' if message.is_bigendian else '<')
    rows = message_rows(message, message.height, message.width * order.itemsize)
    samples: Samples = np.ascontiguousarray(rows).view(order).astype(kind)
    return samples


def in_metres(samples: Samples) -> Depth:
    """Return samples as distances."""
    if samples.dtype == np.float32:
        return np.asarray(samples, np.float32)
    depth_m = samples / np.float32(1000)
    depth_m[samples == 0] = np.nan
    return np.asarray(depth_m, np.float32)
