"""The solid shapes that objects are built from, in an object's own frame.

Knows no renderer. Object frame: x out of the front, y to the left, z up, origin at the middle of
the base. Lengths are metres at scale one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.schema import Vec3

PAINT = 'paint'
"""The role of parts that carry the object's named colour; every other role has a fixed colour."""

ROLE_RGB: dict[str, Vec3] = {
    'dark': (0.09, 0.09, 0.10),
    'glass': (0.22, 0.30, 0.38),
    'metal': (0.52, 0.54, 0.56),
    'light': (0.80, 0.80, 0.78),
    'lamp': (1.00, 0.95, 0.65),
    'brake': (0.75, 0.08, 0.08),
    'skin': (0.85, 0.65, 0.50),
    'hair': (0.22, 0.14, 0.08),
    'cloth': (0.20, 0.22, 0.30),
    'wood': (0.52, 0.36, 0.20),
    'beak': (0.95, 0.60, 0.10),
    'screen': (0.55, 0.78, 0.92),
}


@dataclass(frozen=True)
class Part:
    """One solid: ``half_size_m`` are half extents along the part's own axes.

    Attributes:
        shape: ``box``, ``ellipsoid``, or ``cylinder`` (its axis is its own z).
        role: ``PAINT``, ``shade`` (a darker tone of the paint) or a key of ``ROLE_RGB``.
        rotation: part axes to object axes, rows.
    """

    shape: str
    half_size_m: Vec3
    centre_m: Vec3
    role: str
    rotation: tuple[Vec3, Vec3, Vec3] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def box(size: Vec3, centre: Vec3, role: str = PAINT, pitch_deg: float = 0.0) -> Part:
    """Return a box of full ``size``, tilted nose-up by ``pitch_deg`` about the y axis."""
    c, s = math.cos(math.radians(pitch_deg)), math.sin(math.radians(pitch_deg))
    return Part('box', _half(size), centre, role, ((c, 0, -s), (0, 1, 0), (s, 0, c)))


def ellipsoid(size: Vec3, centre: Vec3, role: str = PAINT) -> Part:
    """Return an ellipsoid of full ``size``."""
    return Part('ellipsoid', _half(size), centre, role)


def cylinder(
    diameter: float, length: float, centre: Vec3, role: str = PAINT, axis: str = 'z'
) -> Part:
    """Return a cylinder along one of the object's axes."""
    rotation = {
        'x': ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
        'y': ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
        'z': ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    }[axis]
    return Part('cylinder', _half((diameter, diameter, length)), centre, role, rotation)


def mirrored_pair(part: Part) -> list[Part]:
    """Return the part and its mirror image on the object's other side (y to -y)."""
    x, y, z = part.centre_m
    return [part, replace(part, centre_m=(x, -y, z))]


def extent(parts: list[Part]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and upper corners (3,) of the box that holds all parts, object frame."""
    lows, highs = [], []
    for part in parts:
        rotation = np.array(part.rotation, float)
        half = np.array(part.half_size_m, float)
        if part.shape == 'box':
            reach = np.abs(rotation) @ half
        elif part.shape == 'ellipsoid':
            reach = np.sqrt((rotation**2) @ half**2)
        else:
            disc = np.sqrt((rotation[:, :2] ** 2) @ half[:2] ** 2)
            reach = disc + np.abs(rotation[:, 2]) * half[2]
        lows.append(np.array(part.centre_m) - reach)
        highs.append(np.array(part.centre_m) + reach)
    return np.min(lows, axis=0), np.max(highs, axis=0)


def _half(size: Vec3) -> Vec3:
    return (size[0] / 2, size[1] / 2, size[2] / 2)
