"""What a decoder is given for a span, the same for every engine: inputs by name, and room."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.engines.base import Span

CACHE = 'cache'
"""What a ``static24`` graph calls the number of positions that its cache spans."""

Inputs = dict[str, NDArray[np.generic]]


def check_room(span: Span, length: int, capacity: int) -> None:
    """Refuse a span for which a context has no room.

    Raises:
        EngineError: names the room and the need.
    """
    needed = length + len(span.positions)
    if needed > capacity:
        raise EngineError(
            f'expected at most {capacity} positions in a context, found {needed}; ask fewer '
            'questions at once'
        )


def static_inputs(span: Span, length: int, size: int) -> Inputs:
    """Return the inputs of a ``static24`` decoder beside its cache of so many positions."""
    count = len(span.positions)
    mask = np.zeros((1, 1, count, size), np.bool_)
    mask[0, 0, :, : length + count] = span.visible
    return _inputs(span, mask) | {'write_indices': np.array([length], np.int64)}


def growing_inputs(span: Span) -> Inputs:
    """Return the inputs of a ``concat18`` decoder beside its growing cache."""
    return _inputs(span, span.visible[None, None])


def _inputs(span: Span, mask: NDArray[np.bool_]) -> Inputs:
    return {
        'inputs_embeds': span.embeddings[None],
        'position_ids': span.positions[None],
        'mask': mask,
        'logit_indices': span.scored[None],
    }
