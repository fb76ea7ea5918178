"""The object categories of the simulated worlds, each built from primitives.

Knows no renderer and no placement. Every object is symmetric left to right, so a mirrored image
is the image of a mirrored world. Sizes are a toy scale: large things are shrunk and small ones
enlarged, so that all can be seen and asked about in one room.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.scenes.primitives import (
    Part,
    box,
    cylinder,
    ellipsoid,
    extent,
    mirrored_pair,
)
from spatialllm_ros.schema import Vec3

COLOURS: dict[str, Vec3] = {
    'red': (0.80, 0.07, 0.07),
    'orange': (0.95, 0.45, 0.05),
    'yellow': (0.95, 0.85, 0.10),
    'green': (0.10, 0.55, 0.15),
    'blue': (0.10, 0.20, 0.80),
    'purple': (0.50, 0.15, 0.60),
    'white': (0.93, 0.93, 0.93),
    'black': (0.06, 0.06, 0.06),
}


@dataclass(frozen=True)
class Category:
    """One kind of object.

    Attributes:
        has_front: whether a person would agree which way it faces.
        flat_top: whether something can stand on it.
    """

    name: str
    parts: tuple[Part, ...]
    has_front: bool
    flat_top: bool = False

    @cached_property
    def bounds_m(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper corners (3,) of the object at scale one, in its own frame."""
        return extent(list(self.parts))

    @property
    def size_m(self) -> NDArray[np.float64]:
        """Full extents (3,) at scale one along the object's own axes."""
        low, high = self.bounds_m
        return high - low


def wheels(diameter: float, xs: tuple[float, ...], y: float) -> list[Part]:
    """Return pairs of dark wheels that stand on the ground at these places."""
    return [
        wheel
        for x in xs
        for wheel in mirrored_pair(cylinder(diameter, 0.08, (x, y, diameter / 2), 'dark', 'y'))
    ]


def _car() -> list[Part]:
    return [
        box((1.05, 0.46, 0.20), (0, 0, 0.21)),
        box((0.50, 0.40, 0.17), (-0.10, 0, 0.39), 'glass'),
        box((0.42, 0.41, 0.03), (-0.10, 0, 0.48)),
        *wheels(0.22, (0.33, -0.33), 0.22),
        *mirrored_pair(box((0.03, 0.11, 0.07), (0.53, 0.15, 0.24), 'lamp')),
        *mirrored_pair(box((0.03, 0.10, 0.07), (-0.53, 0.16, 0.24), 'brake')),
    ]


def _truck() -> list[Part]:
    return [
        box((1.10, 0.40, 0.08), (0, 0, 0.17), 'dark'),
        box((0.30, 0.46, 0.42), (0.42, 0, 0.40)),
        box((0.02, 0.40, 0.16), (0.575, 0, 0.50), 'glass'),
        box((0.76, 0.50, 0.56), (-0.16, 0, 0.50), 'shade'),
        *wheels(0.22, (0.38, -0.15, -0.40), 0.21),
        *mirrored_pair(box((0.03, 0.09, 0.07), (0.575, 0.16, 0.27), 'lamp')),
    ]


def _forklift() -> list[Part]:
    return [
        box((0.55, 0.42, 0.30), (-0.15, 0, 0.27)),
        box((0.16, 0.44, 0.14), (-0.36, 0, 0.48), 'dark'),
        *mirrored_pair(box((0.04, 0.05, 0.80), (0.20, 0.14, 0.44), 'dark')),
        box((0.03, 0.36, 0.06), (0.22, 0, 0.80), 'dark'),
        *mirrored_pair(box((0.40, 0.07, 0.03), (0.42, 0.11, 0.09), 'metal')),
        *mirrored_pair(box((0.03, 0.03, 0.42), (-0.30, 0.18, 0.60), 'dark')),
        box((0.46, 0.42, 0.04), (-0.10, 0, 0.82)),
        *wheels(0.20, (0.08, -0.34), 0.20),
    ]


def _tractor() -> list[Part]:
    return [
        box((0.52, 0.26, 0.22), (0.24, 0, 0.34)),
        box((0.34, 0.36, 0.30), (-0.20, 0, 0.38)),
        box((0.30, 0.34, 0.24), (-0.20, 0, 0.65), 'glass'),
        box((0.36, 0.40, 0.04), (-0.20, 0, 0.79)),
        cylinder(0.05, 0.24, (0.36, 0, 0.56), 'metal'),
        *wheels(0.24, (0.36,), 0.19),
        *mirrored_pair(cylinder(0.46, 0.12, (-0.22, 0.25, 0.23), 'dark', 'y')),
        *mirrored_pair(box((0.03, 0.07, 0.07), (0.51, 0.08, 0.38), 'lamp')),
    ]


def _aeroplane() -> list[Part]:
    return [
        ellipsoid((1.15, 0.22, 0.22), (0, 0, 0.30)),
        box((0.24, 1.05, 0.03), (0.06, 0, 0.30), 'shade'),
        box((0.14, 0.42, 0.03), (-0.48, 0, 0.34), 'shade'),
        box((0.16, 0.03, 0.22), (-0.48, 0, 0.46), 'shade'),
        ellipsoid((0.24, 0.14, 0.14), (0.28, 0, 0.38), 'glass'),
        cylinder(0.34, 0.02, (0.58, 0, 0.30), 'dark', 'x'),
        *wheels(0.12, (0.12,), 0.12),
        *mirrored_pair(box((0.03, 0.03, 0.16), (0.12, 0.12, 0.14), 'metal')),
        cylinder(0.08, 0.05, (-0.42, 0, 0.04), 'dark', 'y'),
        box((0.03, 0.03, 0.18), (-0.42, 0, 0.14), 'metal'),
    ]


def _person() -> list[Part]:
    return [
        *mirrored_pair(box((0.24, 0.10, 0.07), (0.05, 0.09, 0.035), 'dark')),
        *mirrored_pair(cylinder(0.13, 0.42, (0, 0.09, 0.27), 'cloth')),
        box((0.20, 0.36, 0.44), (0, 0, 0.68)),
        *mirrored_pair(cylinder(0.10, 0.34, (0.0, 0.24, 0.70), 'shade')),
        *mirrored_pair(ellipsoid((0.16, 0.11, 0.11), (0.06, 0.24, 0.50), 'skin')),
        ellipsoid((0.25, 0.24, 0.28), (0.01, 0, 1.03), 'skin'),
        ellipsoid((0.22, 0.26, 0.26), (-0.04, 0, 1.07), 'hair'),
        ellipsoid((0.08, 0.06, 0.06), (0.14, 0, 1.01), 'skin'),
        *mirrored_pair(ellipsoid((0.04, 0.05, 0.05), (0.115, 0.06, 1.06), 'dark')),
    ]


def _dog() -> list[Part]:
    return [
        ellipsoid((0.74, 0.28, 0.30), (-0.05, 0, 0.42)),
        ellipsoid((0.28, 0.25, 0.27), (0.36, 0, 0.62)),
        ellipsoid((0.24, 0.14, 0.13), (0.50, 0, 0.58), 'light'),
        ellipsoid((0.06, 0.08, 0.07), (0.61, 0, 0.60), 'dark'),
        *mirrored_pair(ellipsoid((0.09, 0.07, 0.22), (0.30, 0.13, 0.66), 'hair')),
        *mirrored_pair(cylinder(0.09, 0.34, (0.20, 0.09, 0.17), 'shade')),
        *mirrored_pair(cylinder(0.09, 0.34, (-0.30, 0.09, 0.17), 'shade')),
        box((0.30, 0.06, 0.06), (-0.48, 0, 0.56), 'shade', pitch_deg=-40),
    ]


def _duck() -> list[Part]:
    return [
        ellipsoid((0.66, 0.42, 0.36), (-0.04, 0, 0.24)),
        ellipsoid((0.30, 0.28, 0.30), (0.22, 0, 0.56)),
        box((0.20, 0.15, 0.05), (0.42, 0, 0.54), 'beak'),
        *mirrored_pair(ellipsoid((0.06, 0.06, 0.06), (0.32, 0.10, 0.62), 'dark')),
        *mirrored_pair(ellipsoid((0.36, 0.08, 0.20), (-0.08, 0.20, 0.28), 'shade')),
        box((0.22, 0.18, 0.05), (-0.36, 0, 0.34), 'shade', pitch_deg=-35),
        box((0.30, 0.34, 0.05), (0.04, 0, 0.03), 'beak'),
    ]


def _robot() -> list[Part]:
    return [
        cylinder(0.52, 0.16, (0, 0, 0.16), 'dark'),
        *mirrored_pair(cylinder(0.20, 0.08, (0, 0.25, 0.10), 'metal', 'y')),
        cylinder(0.36, 0.40, (0, 0, 0.44)),
        box((0.36, 0.44, 0.26), (0.02, 0, 0.77)),
        box((0.02, 0.36, 0.18), (0.205, 0, 0.77), 'dark'),
        *mirrored_pair(ellipsoid((0.04, 0.09, 0.09), (0.215, 0.09, 0.79), 'screen')),
        box((0.20, 0.24, 0.03), (0.26, 0, 0.46), 'metal'),
        cylinder(0.03, 0.14, (-0.10, 0, 0.96), 'metal'),
    ]


def _chair() -> list[Part]:
    return [
        box((0.46, 0.46, 0.07), (0, 0, 0.42)),
        box((0.06, 0.46, 0.50), (-0.21, 0, 0.70)),
        *mirrored_pair(box((0.06, 0.06, 0.39), (0.19, 0.19, 0.195), 'wood')),
        *mirrored_pair(box((0.06, 0.06, 0.39), (-0.19, 0.19, 0.195), 'wood')),
    ]


def _sofa() -> list[Part]:
    return [
        box((0.56, 0.98, 0.26), (0.02, 0, 0.20)),
        box((0.50, 0.90, 0.07), (0.02, 0, 0.035), 'dark'),
        box((0.17, 0.98, 0.46), (-0.23, 0, 0.50)),
        *mirrored_pair(box((0.54, 0.14, 0.42), (0.02, 0.48, 0.28), 'shade')),
        *mirrored_pair(box((0.40, 0.38, 0.08), (0.08, 0.20, 0.36), 'light')),
    ]


def _monitor() -> list[Part]:
    return [
        box((0.07, 0.92, 0.56), (0, 0, 0.56)),
        box((0.02, 0.82, 0.46), (0.04, 0, 0.56), 'screen'),
        box((0.10, 0.30, 0.26), (-0.07, 0, 0.54), 'dark'),
        cylinder(0.08, 0.28, (-0.03, 0, 0.16), 'metal'),
        box((0.30, 0.42, 0.04), (0, 0, 0.02), 'metal'),
    ]


def _laptop() -> list[Part]:
    return [
        box((0.50, 0.72, 0.05), (0.10, 0, 0.03)),
        box((0.34, 0.62, 0.02), (0.08, 0, 0.06), 'dark'),
        box((0.05, 0.72, 0.50), (-0.22, 0, 0.29), pitch_deg=-14),
        box((0.02, 0.64, 0.42), (-0.19, 0, 0.30), 'screen', pitch_deg=-14),
    ]


def _cabinet() -> list[Part]:
    return [
        box((0.42, 0.66, 0.78), (0, 0, 0.43)),
        box((0.40, 0.62, 0.05), (0, 0, 0.025), 'dark'),
        *mirrored_pair(box((0.02, 0.28, 0.66), (0.215, 0.16, 0.44), 'light')),
        *mirrored_pair(box((0.04, 0.03, 0.18), (0.235, 0.05, 0.46), 'dark')),
    ]


def _crate() -> list[Part]:
    rails = [box((0.58, 0.58, 0.07), (0, 0, z), 'shade') for z in (0.035, 0.515)]
    posts = [
        post
        for x in (-0.255, 0.255)
        for post in mirrored_pair(box((0.07, 0.07, 0.48), (x, 0.255, 0.27), 'shade'))
    ]
    return [box((0.52, 0.52, 0.50), (0, 0, 0.27)), *rails, *posts]


def _ball() -> list[Part]:
    return [ellipsoid((0.48, 0.48, 0.48), (0, 0, 0.24))]


def _cone() -> list[Part]:
    rings = [
        cylinder(
            0.38 - 0.052 * i, 0.10, (0, 0, 0.09 + 0.10 * i), 'light' if i in (2, 4) else 'paint'
        )
        for i in range(7)
    ]
    return [box((0.50, 0.50, 0.05), (0, 0, 0.025)), *rings]


def _bottle() -> list[Part]:
    return [
        cylinder(0.28, 0.44, (0, 0, 0.22)),
        ellipsoid((0.28, 0.28, 0.22), (0, 0, 0.44)),
        cylinder(0.11, 0.24, (0, 0, 0.60)),
        cylinder(0.14, 0.07, (0, 0, 0.74), 'light'),
        cylinder(0.285, 0.16, (0, 0, 0.24), 'light'),
    ]


def _mug() -> list[Part]:
    return [
        cylinder(0.38, 0.42, (0, 0, 0.21)),
        cylinder(0.32, 0.01, (0, 0, 0.421), 'dark'),
        box((0.14, 0.06, 0.06), (0.24, 0, 0.32)),
        box((0.14, 0.06, 0.06), (0.24, 0, 0.12)),
        box((0.06, 0.06, 0.26), (0.29, 0, 0.22)),
    ]


def _barrel() -> list[Part]:
    hoops = [cylinder(0.50, 0.05, (0, 0, z), 'metal') for z in (0.08, 0.34, 0.60)]
    return [cylinder(0.47, 0.68, (0, 0, 0.34)), *hoops]


CATEGORIES: dict[str, Category] = {
    category.name: category
    for category in (
        Category('car', tuple(_car()), has_front=True),
        Category('truck', tuple(_truck()), has_front=True),
        Category('forklift', tuple(_forklift()), has_front=True),
        Category('tractor', tuple(_tractor()), has_front=True),
        Category('aeroplane', tuple(_aeroplane()), has_front=True),
        Category('person', tuple(_person()), has_front=True),
        Category('dog', tuple(_dog()), has_front=True),
        Category('duck', tuple(_duck()), has_front=True),
        Category('robot', tuple(_robot()), has_front=True),
        Category('chair', tuple(_chair()), has_front=True),
        Category('sofa', tuple(_sofa()), has_front=True),
        Category('monitor', tuple(_monitor()), has_front=True),
        Category('laptop', tuple(_laptop()), has_front=True),
        Category('cabinet', tuple(_cabinet()), has_front=True, flat_top=True),
        Category('crate', tuple(_crate()), has_front=False, flat_top=True),
        Category('barrel', tuple(_barrel()), has_front=False, flat_top=True),
        Category('ball', tuple(_ball()), has_front=False),
        Category('cone', tuple(_cone()), has_front=False),
        Category('bottle', tuple(_bottle()), has_front=False),
        Category('mug', tuple(_mug()), has_front=False),
    )
}
"""Every category by name, those with a front first."""
