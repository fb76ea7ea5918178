"""Other builds of every category, kept for tests: no training world shows one.

A pickup is a car, a stool with a back a chair: a person would call each by the category's name and
agree on its front. Same frame, symmetry and toy scale as the catalogue.
"""

from __future__ import annotations

from dataclasses import replace

from spatialllm_ros.scenes.catalogue import CATEGORIES, Category, wheels
from spatialllm_ros.scenes.primitives import Part, box, cylinder, ellipsoid, mirrored_pair


def _pickup() -> list[Part]:
    return [
        box((1.10, 0.48, 0.14), (0, 0, 0.22)),
        box((0.30, 0.46, 0.10), (0.38, 0, 0.33)),
        box((0.34, 0.44, 0.28), (0.06, 0, 0.42)),
        box((0.02, 0.38, 0.14), (0.24, 0, 0.45), 'glass'),
        *mirrored_pair(box((0.40, 0.03, 0.12), (-0.34, 0.22, 0.34))),
        box((0.03, 0.46, 0.12), (-0.54, 0, 0.34)),
        *wheels(0.25, (0.36, -0.34), 0.23),
        *mirrored_pair(cylinder(0.09, 0.03, (0.54, 0.16, 0.32), 'lamp', 'x')),
    ]


def _tipper() -> list[Part]:
    return [
        box((1.06, 0.30, 0.08), (0, 0, 0.20), 'dark'),
        box((0.26, 0.44, 0.30), (0.42, 0, 0.40)),
        box((0.20, 0.42, 0.16), (0.40, 0, 0.62), 'glass'),
        box((0.70, 0.50, 0.06), (-0.18, 0, 0.38), 'shade', pitch_deg=12),
        *mirrored_pair(box((0.70, 0.04, 0.26), (-0.18, 0.24, 0.50), 'shade', pitch_deg=12)),
        *wheels(0.26, (0.38, -0.12, -0.40), 0.20),
        *mirrored_pair(box((0.03, 0.10, 0.08), (0.56, 0.14, 0.32), 'lamp')),
    ]


def _stacker() -> list[Part]:
    return [
        box((0.40, 0.46, 0.56), (-0.22, 0, 0.36)),
        box((0.30, 0.40, 0.10), (-0.24, 0, 0.69), 'dark'),
        *mirrored_pair(box((0.06, 0.06, 1.00), (0.10, 0.18, 0.54), 'metal')),
        box((0.05, 0.42, 0.10), (0.13, 0, 1.00), 'dark'),
        *mirrored_pair(box((0.46, 0.09, 0.04), (0.34, 0.12, 0.16), 'dark')),
        *wheels(0.16, (0.10, -0.34), 0.20),
    ]


def _compact_tractor() -> list[Part]:
    return [
        box((0.60, 0.30, 0.16), (0.16, 0, 0.30)),
        ellipsoid((0.36, 0.28, 0.30), (0.32, 0, 0.38)),
        box((0.20, 0.26, 0.08), (-0.22, 0, 0.46), 'dark'),
        box((0.05, 0.26, 0.22), (-0.33, 0, 0.58), 'dark'),
        *mirrored_pair(box((0.03, 0.03, 0.46), (-0.38, 0.16, 0.66), 'metal')),
        box((0.03, 0.36, 0.03), (-0.38, 0, 0.88), 'metal'),
        *wheels(0.28, (0.34,), 0.20),
        *mirrored_pair(cylinder(0.50, 0.16, (-0.24, 0.26, 0.25), 'dark', 'y')),
    ]


def _biplane() -> list[Part]:
    return [
        cylinder(0.24, 0.96, (-0.02, 0, 0.34), 'paint', 'x'),
        box((0.26, 1.00, 0.03), (0.14, 0, 0.24), 'shade'),
        box((0.26, 1.00, 0.03), (0.14, 0, 0.60), 'shade'),
        *mirrored_pair(box((0.03, 0.03, 0.34), (0.14, 0.36, 0.42), 'metal')),
        box((0.14, 0.40, 0.03), (-0.44, 0, 0.38), 'shade'),
        box((0.14, 0.03, 0.20), (-0.44, 0, 0.50), 'shade'),
        cylinder(0.14, 0.06, (0.48, 0, 0.34), 'metal', 'x'),
        box((0.02, 0.06, 0.46), (0.52, 0, 0.34), 'dark'),
        *wheels(0.16, (0.20,), 0.16),
    ]


def _child() -> list[Part]:
    return [
        *mirrored_pair(box((0.22, 0.11, 0.08), (0.05, 0.10, 0.04), 'light')),
        *mirrored_pair(box((0.13, 0.14, 0.32), (0, 0.09, 0.24), 'wood')),
        cylinder(0.36, 0.36, (0, 0, 0.58)),
        *mirrored_pair(box((0.30, 0.09, 0.09), (0.12, 0.22, 0.66), 'shade')),
        ellipsoid((0.30, 0.30, 0.32), (0.02, 0, 0.92), 'skin'),
        cylinder(0.34, 0.05, (0.0, 0, 1.04), 'dark'),
        box((0.16, 0.24, 0.03), (0.20, 0, 1.03), 'dark'),
        *mirrored_pair(ellipsoid((0.04, 0.05, 0.06), (0.155, 0.07, 0.95), 'dark')),
    ]


def _dachshund() -> list[Part]:
    return [
        cylinder(0.26, 0.74, (-0.06, 0, 0.30), 'paint', 'x'),
        box((0.26, 0.22, 0.24), (0.38, 0, 0.50)),
        box((0.22, 0.13, 0.12), (0.56, 0, 0.46), 'light'),
        ellipsoid((0.07, 0.09, 0.08), (0.66, 0, 0.48), 'dark'),
        *mirrored_pair(box((0.10, 0.05, 0.24), (0.34, 0.13, 0.46), 'hair')),
        *mirrored_pair(box((0.09, 0.09, 0.20), (0.22, 0.09, 0.10), 'shade')),
        *mirrored_pair(box((0.09, 0.09, 0.20), (-0.34, 0.09, 0.10), 'shade')),
        box((0.24, 0.05, 0.05), (-0.46, 0, 0.42), 'shade', pitch_deg=-30),
    ]


def _bath_duck() -> list[Part]:
    return [
        box((0.60, 0.44, 0.28), (-0.02, 0, 0.14)),
        box((0.18, 0.34, 0.14), (-0.30, 0, 0.34), 'shade'),
        cylinder(0.20, 0.26, (0.20, 0, 0.42)),
        ellipsoid((0.34, 0.32, 0.30), (0.22, 0, 0.64)),
        cylinder(0.12, 0.18, (0.44, 0, 0.61), 'beak', 'x'),
        *mirrored_pair(ellipsoid((0.06, 0.06, 0.06), (0.34, 0.11, 0.71), 'dark')),
    ]


def _legged_robot() -> list[Part]:
    return [
        *mirrored_pair(box((0.34, 0.12, 0.10), (0.03, 0.15, 0.05), 'dark')),
        *mirrored_pair(cylinder(0.11, 0.30, (0, 0.15, 0.24), 'metal')),
        box((0.34, 0.46, 0.36), (0, 0, 0.56)),
        box((0.02, 0.20, 0.16), (0.175, 0, 0.58), 'screen'),
        *mirrored_pair(cylinder(0.10, 0.34, (0.12, 0.29, 0.60), 'metal', 'x')),
        cylinder(0.10, 0.08, (0, 0, 0.78), 'metal'),
        ellipsoid((0.32, 0.34, 0.26), (0.02, 0, 0.93)),
        *mirrored_pair(cylinder(0.09, 0.03, (0.17, 0.08, 0.95), 'screen', 'x')),
    ]


def _bar_chair() -> list[Part]:
    return [
        cylinder(0.44, 0.08, (0, 0, 0.50)),
        *mirrored_pair(box((0.04, 0.05, 0.44), (-0.19, 0.14, 0.74), 'metal')),
        box((0.05, 0.40, 0.22), (-0.19, 0, 0.86)),
        cylinder(0.08, 0.44, (0, 0, 0.24), 'metal'),
        cylinder(0.42, 0.04, (0, 0, 0.02), 'metal'),
    ]


def _settee() -> list[Part]:
    return [
        box((0.54, 0.84, 0.14), (0.03, 0, 0.30)),
        box((0.12, 0.84, 0.56), (-0.22, 0, 0.50)),
        *mirrored_pair(cylinder(0.16, 0.50, (0.02, 0.44, 0.46), 'shade', 'x')),
        *mirrored_pair(box((0.06, 0.06, 0.24), (0.24, 0.36, 0.12), 'wood')),
        *mirrored_pair(box((0.06, 0.06, 0.24), (-0.20, 0.36, 0.12), 'wood')),
    ]


def _television() -> list[Part]:
    return [
        box((0.34, 0.78, 0.60), (-0.12, 0, 0.42)),
        box((0.02, 0.54, 0.44), (0.06, -0.0, 0.42), 'screen'),
        box((0.20, 0.50, 0.40), (-0.36, 0, 0.42), 'dark'),
        *mirrored_pair(box((0.30, 0.08, 0.12), (-0.12, 0.26, 0.06), 'metal')),
    ]


def _open_laptop() -> list[Part]:
    return [
        box((0.42, 0.60, 0.07), (0.08, 0, 0.04)),
        box((0.24, 0.50, 0.02), (0.10, 0, 0.08), 'light'),
        box((0.05, 0.60, 0.44), (-0.20, 0, 0.26), pitch_deg=-26),
        box((0.02, 0.52, 0.36), (-0.165, 0, 0.27), 'screen', pitch_deg=-26),
    ]


def _chest() -> list[Part]:
    drawers = [box((0.03, 0.60, 0.17), (0.225, 0, z), 'light') for z in (0.17, 0.38, 0.59)]
    knobs = [ellipsoid((0.05, 0.07, 0.05), (0.25, 0, z), 'dark') for z in (0.17, 0.38, 0.59)]
    return [box((0.44, 0.70, 0.68), (0, 0, 0.37)), *drawers, *knobs,
            *mirrored_pair(box((0.40, 0.06, 0.04), (0, 0.30, 0.02), 'wood'))]  # fmt: skip


def _parcel() -> list[Part]:
    return [
        box((0.60, 0.46, 0.44), (0, 0, 0.22)),
        box((0.61, 0.08, 0.445), (0, 0, 0.2225), 'shade'),
        box((0.08, 0.47, 0.445), (0, 0, 0.2225), 'shade'),
    ]


def _drum() -> list[Part]:
    return [
        cylinder(0.44, 0.74, (0, 0, 0.37)),
        cylinder(0.46, 0.03, (0, 0, 0.725), 'dark'),
        cylinder(0.46, 0.03, (0, 0, 0.25), 'shade'),
        cylinder(0.46, 0.03, (0, 0, 0.48), 'shade'),
    ]


def _rugby_ball() -> list[Part]:
    return [ellipsoid((0.42, 0.56, 0.42), (0, 0, 0.21))]


def _bollard() -> list[Part]:
    rings = [
        cylinder(0.30 - 0.03 * i, 0.13, (0, 0, 0.10 + 0.13 * i), 'light' if i == 3 else 'paint')
        for i in range(6)
    ]
    return [cylinder(0.46, 0.04, (0, 0, 0.02)), *rings]


def _flask() -> list[Part]:
    return [
        ellipsoid((0.40, 0.40, 0.42), (0, 0, 0.21)),
        cylinder(0.14, 0.30, (0, 0, 0.50)),
        cylinder(0.18, 0.06, (0, 0, 0.66), 'light'),
    ]


def _tankard() -> list[Part]:
    return [
        cylinder(0.34, 0.52, (0, 0, 0.26)),
        cylinder(0.28, 0.01, (0, 0, 0.521), 'dark'),
        cylinder(0.38, 0.05, (0, 0, 0.025), 'shade'),
        box((0.12, 0.05, 0.05), (0.22, 0, 0.40)),
        box((0.12, 0.05, 0.05), (0.22, 0, 0.16)),
        box((0.05, 0.05, 0.29), (0.265, 0, 0.28)),
    ]


_BUILDS = {
    'car': _pickup, 'truck': _tipper, 'forklift': _stacker, 'tractor': _compact_tractor,
    'aeroplane': _biplane, 'person': _child, 'dog': _dachshund, 'duck': _bath_duck,
    'robot': _legged_robot, 'chair': _bar_chair, 'sofa': _settee, 'monitor': _television,
    'laptop': _open_laptop, 'cabinet': _chest, 'crate': _parcel, 'barrel': _drum,
    'ball': _rugby_ball, 'cone': _bollard, 'bottle': _flask, 'mug': _tankard,
}  # fmt: skip

UNSEEN_SHAPES: dict[str, Category] = {
    name: replace(CATEGORIES[name], parts=tuple(build())) for name, build in _BUILDS.items()
}
"""Another build of every category, by the category's name."""
