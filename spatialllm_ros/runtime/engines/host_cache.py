"""A cache in main memory that spans no more positions than are needed: attention reads them all.

Knows nothing of what reads it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spatialllm_ros.runtime.bundle import DecoderSpec
from spatialllm_ros.runtime.engines.base import Floats

ROOM_STEP = 32
"""Room behind what is kept comes in such steps: one holds a question and its answer."""
RESERVE = 8
"""Positions that are free after a question was read, so that a short answer moves nothing."""
ALIGNMENT = 16
"""Sizes are multiples of it, as vector instructions like them."""


def cache_size(length: int, count: int, context: int) -> int:
    """Return how many positions a cache should span.

    The same need has the same size, whatever came before, and so the same rounding.

    Args:
        length: positions that it holds.
        count: positions that will be appended; into an empty cache those of an image, behind
            which there has to be room for a question.
        context: the most that a cache spans.
    """
    kept, new = (length, count) if length else (count, 0)
    return min(context, _rounded(kept + _rounded(new + RESERVE, ROOM_STEP), ALIGNMENT))


def _rounded(count: int, step: int) -> int:
    return -(-count // step) * step


class HostCache:
    """Keys and values of one context; its memory is that of the whole context, taken once.

    Attributes:
        size: how many positions its arrays span.
    """

    def __init__(self, spec: DecoderSpec) -> None:
        """Take memory: zeros, for what a mask hides is multiplied by zero and must be finite."""
        self.size = 0
        self._spec = spec
        count = spec.kv_heads * spec.context * spec.head_size
        self._memory = {name: np.zeros(count, np.float32) for name in spec.cache_names()}

    def resize(self, size: int, length: int) -> Mapping[str, Floats]:
        """Keep the first ``length`` positions in arrays (1, heads, size, head size), by name.

        The arrays of before are no longer valid: the new ones are in the same memory.
        """
        old, new = self._arrays(self.size), self._arrays(size)
        if length:
            for name, array in new.items():
                array[:, :, :length] = old[name][:, :, :length]
        self.size = size
        return new

    def _arrays(self, size: int) -> dict[str, Floats]:
        shape = (1, self._spec.kv_heads, size, self._spec.head_size)
        count = self._spec.kv_heads * size * self._spec.head_size
        return {name: flat[:count].reshape(shape) for name, flat in self._memory.items()}
