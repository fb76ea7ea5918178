"""What objects cover of the floor, as rectangles: how far apart they are and how wide.

Vectors (2,) and corners (4, 2) lie in the floor plane, in metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CORNERS = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]])


@dataclass(frozen=True)
class Footprint:
    """A rectangle on the floor.

    Attributes:
        centre_m: (2,).
        axes: (2, 2) unit vectors along its length and its width, one per row.
        half_sides_m: (2,) along them.
    """

    centre_m: Array
    axes: Array
    half_sides_m: Array

    @property
    def corners_m(self) -> Array:
        """The corners (4, 2), one after the other around it."""
        return np.asarray(self.centre_m + (CORNERS * self.half_sides_m) @ self.axes)

    def half_width_m(self, direction: Array) -> float:
        """Return how far it reaches from its centre along a unit direction (2,)."""
        return float(np.abs(self.axes @ direction) @ self.half_sides_m)


def gap_m(a: Footprint, b: Footprint) -> float:
    """Return the least distance between two footprints, negative where they overlap.

    Of overlapping ones it is how far the smallest shift that parts them would go.
    Source: the separating axis theorem; parted rectangles are nearest at a corner of one of them.
    """
    offset = b.centre_m - a.centre_m
    apart_m = max(
        abs(float(axis @ offset)) - a.half_width_m(axis) - b.half_width_m(axis)
        for axis in (*a.axes, *b.axes)
    )
    if apart_m <= 0:
        return apart_m
    return min(_corner_gap_m(a, b), _corner_gap_m(b, a))


def _corner_gap_m(a: Footprint, b: Footprint) -> float:
    """Return the least distance of a's corners from b."""
    inside = np.abs((a.corners_m - b.centre_m) @ b.axes.T) - b.half_sides_m
    return float(np.linalg.norm(np.maximum(inside, 0), axis=1).min())
