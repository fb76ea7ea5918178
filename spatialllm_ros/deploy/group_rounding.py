"""Weights rounded in groups of rows, with the scale of least squared error in each column.

Notation: K inner dimension and N columns of a product's weights (K, N), G groups of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

SLAB_VALUES = 2**20
"""Weights that are rounded together: what is tried many times should stay in a CPU's cache."""


@dataclass(frozen=True)
class Grid:
    """What weights are rounded to, at a scale of one, and the scales that are tried.

    Attributes:
        largest: value.
        ratios: scales at which a group ends, in units of that at which its greatest weight
            becomes ``largest``; of equal errors the first wins.
        nearest: rounds values to the grid, those beyond it to its ends.
        stored: what storing a scale makes of it, as float32.
    """

    largest: float
    ratios: NDArray[np.float64]
    nearest: Callable[[Array], Array]
    stored: Callable[[Array], Array]


def round_groups(
    weights: Array, block: int, grid: Grid, kinds: tuple[type[Any], type[Any]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return values (K, N) on a grid, and their scales (G, N).

    Args:
        weights: (K, N); a row belongs to group ``row // block``.
        block: rows that share a scale in each column; divides K.
        grid: see ``Grid``.
        kinds: types of the values and of the scales.
    """
    rows, columns = weights.shape
    values = np.empty((rows, columns), kinds[0])
    scales = np.empty((rows // block, columns), kinds[1])
    width = max(1, SLAB_VALUES // rows)
    for start in range(0, columns, width):
        slab = slice(start, start + width)
        values[:, slab], scales[:, slab] = _round_slab(weights[:, slab], block, grid)
    return values, scales


def _round_slab(weights: Array, block: int, grid: Grid) -> tuple[Array, Array]:
    """Return rounded weights (K, N) and their scales (G, N), both still wide."""
    rows, columns = weights.shape
    groups = weights.reshape(rows // block, block, columns).astype(np.float32)
    peak = np.abs(groups).max(axis=1, keepdims=True)
    least = np.full_like(peak, np.inf)
    scales, values = np.ones_like(peak), np.zeros_like(groups)
    for ratio in grid.ratios:
        # The error is that of the scale as it is stored; one that is too small to store is none.
        stored = grid.stored(peak * ratio / grid.largest)
        scale = np.where(stored > 0, stored, 1)
        rounded = grid.nearest(groups / scale)
        error = np.square(rounded * scale - groups).sum(axis=1, keepdims=True)
        is_better = error < least
        least = np.where(is_better, error, least)
        scales = np.where(is_better, scale, scales)
        values = np.where(is_better, rounded, values)
    return values.reshape(rows, columns), scales[:, 0]
