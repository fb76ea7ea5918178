"""A second build of every category, so that training shows no category in one shape only.

Same frame, symmetry and toy scale as the catalogue. The builds kept for tests are in
``unseen_shapes``, and none of these repeats one.
"""

from __future__ import annotations

from dataclasses import replace

from spatialllm_ros.scenes.catalogue import CATEGORIES, Category, wheels
from spatialllm_ros.scenes.primitives import Part, box, cylinder, ellipsoid, mirrored_pair


def _van() -> list[Part]:
    return [
        box((0.98, 0.48, 0.40), (-0.02, 0, 0.33)),
        ellipsoid((0.30, 0.46, 0.26), (0.44, 0, 0.25)),
        box((0.04, 0.40, 0.17), (0.46, 0, 0.43), 'glass', pitch_deg=25),
        *mirrored_pair(box((0.60, 0.02, 0.14), (-0.08, 0.235, 0.42), 'glass')),
        *wheels(0.20, (0.30, -0.34), 0.22),
        *mirrored_pair(ellipsoid((0.05, 0.09, 0.09), (0.55, 0.15, 0.27), 'lamp')),
        *mirrored_pair(box((0.03, 0.06, 0.16), (-0.51, 0.20, 0.34), 'brake')),
    ]


def _tanker() -> list[Part]:
    return [
        box((1.16, 0.34, 0.07), (0, 0, 0.18), 'dark'),
        box((0.34, 0.44, 0.24), (0.40, 0, 0.32)),
        box((0.24, 0.42, 0.20), (0.34, 0, 0.54)),
        box((0.03, 0.36, 0.13), (0.47, 0, 0.54), 'glass', pitch_deg=15),
        cylinder(0.46, 0.74, (-0.20, 0, 0.44), 'shade', 'x'),
        ellipsoid((0.16, 0.46, 0.46), (-0.57, 0, 0.44), 'shade'),
        *wheels(0.20, (0.40, -0.28, -0.48), 0.19),
        *mirrored_pair(ellipsoid((0.05, 0.10, 0.08), (0.58, 0.14, 0.30), 'lamp')),
    ]


def _order_picker() -> list[Part]:
    return [
        box((0.66, 0.38, 0.22), (-0.12, 0, 0.22)),
        ellipsoid((0.30, 0.40, 0.44), (-0.36, 0, 0.40)),
        box((0.14, 0.30, 0.06), (-0.08, 0, 0.40), 'dark'),
        box((0.06, 0.32, 0.70), (0.22, 0, 0.42), 'metal'),
        *mirrored_pair(box((0.36, 0.06, 0.04), (0.42, 0.13, 0.12), 'metal')),
        *mirrored_pair(cylinder(0.04, 0.50, (0.06, 0.17, 0.58), 'dark')),
        box((0.34, 0.40, 0.03), (-0.02, 0, 0.84)),
        *wheels(0.18, (0.10, -0.32), 0.18),
    ]


def _field_tractor() -> list[Part]:
    return [
        cylinder(0.26, 0.54, (0.24, 0, 0.36), 'paint', 'x'),
        box((0.40, 0.40, 0.16), (-0.20, 0, 0.36)),
        *mirrored_pair(box((0.04, 0.04, 0.34), (-0.04, 0.16, 0.60), 'dark')),
        *mirrored_pair(box((0.04, 0.04, 0.34), (-0.36, 0.16, 0.60), 'dark')),
        box((0.42, 0.42, 0.05), (-0.20, 0, 0.79), 'shade'),
        box((0.16, 0.22, 0.14), (-0.24, 0, 0.50), 'dark'),
        cylinder(0.06, 0.20, (0.30, 0, 0.58), 'dark'),
        *wheels(0.30, (0.36,), 0.20),
        *mirrored_pair(cylinder(0.42, 0.14, (-0.24, 0.25, 0.21), 'dark', 'y')),
        *mirrored_pair(ellipsoid((0.05, 0.08, 0.08), (0.50, 0.09, 0.40), 'lamp')),
    ]


def _jet() -> list[Part]:
    return [
        ellipsoid((1.20, 0.18, 0.20), (0, 0, 0.32)),
        box((0.34, 0.94, 0.03), (-0.10, 0, 0.26), 'shade'),
        *mirrored_pair(cylinder(0.11, 0.24, (0.0, 0.26, 0.20), 'metal', 'x')),
        box((0.16, 0.50, 0.03), (-0.52, 0, 0.56), 'shade'),
        box((0.20, 0.03, 0.26), (-0.50, 0, 0.44), 'paint', pitch_deg=-15),
        box((0.12, 0.12, 0.05), (0.44, 0, 0.38), 'glass', pitch_deg=-20),
        *mirrored_pair(cylinder(0.10, 0.05, (-0.10, 0.12, 0.05), 'dark', 'y')),
        cylinder(0.04, 0.22, (0.36, 0, 0.14), 'metal'),
        cylinder(0.10, 0.05, (0.36, 0, 0.05), 'dark', 'y'),
    ]


def _woman() -> list[Part]:
    return [
        *mirrored_pair(ellipsoid((0.22, 0.10, 0.08), (0.05, 0.08, 0.04), 'dark')),
        *mirrored_pair(cylinder(0.09, 0.26, (0, 0.08, 0.18), 'skin')),
        cylinder(0.36, 0.30, (0, 0, 0.44), 'shade'),
        box((0.18, 0.30, 0.30), (0, 0, 0.72)),
        *mirrored_pair(cylinder(0.08, 0.30, (0.02, 0.20, 0.70), 'paint')),
        *mirrored_pair(ellipsoid((0.09, 0.09, 0.09), (0.03, 0.20, 0.53), 'skin')),
        ellipsoid((0.22, 0.22, 0.26), (0.02, 0, 1.00), 'skin'),
        ellipsoid((0.20, 0.28, 0.36), (-0.06, 0, 0.99), 'hair'),
        ellipsoid((0.06, 0.05, 0.06), (0.13, 0, 0.99), 'skin'),
        *mirrored_pair(ellipsoid((0.03, 0.05, 0.05), (0.12, 0.05, 1.03), 'dark')),
    ]


def _terrier() -> list[Part]:
    return [
        box((0.58, 0.26, 0.26), (-0.06, 0, 0.40)),
        cylinder(0.18, 0.22, (0.20, 0, 0.54)),
        box((0.24, 0.24, 0.22), (0.28, 0, 0.72)),
        box((0.18, 0.14, 0.12), (0.46, 0, 0.67), 'light'),
        ellipsoid((0.06, 0.09, 0.06), (0.55, 0, 0.71), 'dark'),
        *mirrored_pair(ellipsoid((0.06, 0.08, 0.16), (0.22, 0.09, 0.88), 'hair')),
        *mirrored_pair(ellipsoid((0.03, 0.04, 0.04), (0.40, 0.07, 0.78), 'dark')),
        *mirrored_pair(cylinder(0.08, 0.30, (0.18, 0.09, 0.15), 'shade')),
        *mirrored_pair(cylinder(0.08, 0.30, (-0.28, 0.09, 0.15), 'shade')),
        cylinder(0.06, 0.26, (-0.34, 0, 0.62), 'shade'),
    ]


def _swan() -> list[Part]:
    return [
        ellipsoid((0.78, 0.40, 0.34), (-0.08, 0, 0.19)),
        cylinder(0.13, 0.46, (0.26, 0, 0.42)),
        ellipsoid((0.26, 0.22, 0.22), (0.30, 0, 0.70)),
        ellipsoid((0.26, 0.11, 0.08), (0.48, 0, 0.67), 'beak'),
        *mirrored_pair(ellipsoid((0.05, 0.05, 0.05), (0.37, 0.08, 0.75), 'dark')),
        *mirrored_pair(box((0.44, 0.06, 0.18), (-0.14, 0.20, 0.28), 'shade')),
        ellipsoid((0.24, 0.20, 0.10), (-0.44, 0, 0.28), 'shade'),
    ]


def _service_robot() -> list[Part]:
    return [
        box((0.46, 0.46, 0.12), (0, 0, 0.12), 'dark'),
        *wheels(0.14, (0.14, -0.14), 0.20),
        box((0.28, 0.34, 0.50), (-0.02, 0, 0.42)),
        box((0.03, 0.26, 0.26), (0.13, 0, 0.50), 'screen'),
        cylinder(0.10, 0.10, (0, 0, 0.71), 'metal'),
        cylinder(0.30, 0.24, (0, 0, 0.86), 'paint', 'y'),
        *mirrored_pair(ellipsoid((0.06, 0.10, 0.10), (0.13, 0.07, 0.88), 'dark')),
        *mirrored_pair(cylinder(0.07, 0.36, (0.02, 0.22, 0.46), 'metal')),
    ]


def _armchair() -> list[Part]:
    return [
        box((0.50, 0.46, 0.20), (0.02, 0, 0.28)),
        box((0.12, 0.54, 0.56), (-0.22, 0, 0.56), 'paint', pitch_deg=-8),
        *mirrored_pair(box((0.40, 0.07, 0.06), (0.02, 0.26, 0.52), 'wood')),
        *mirrored_pair(box((0.06, 0.07, 0.52), (0.20, 0.26, 0.26), 'wood')),
        *mirrored_pair(box((0.06, 0.07, 0.52), (-0.18, 0.26, 0.26), 'wood')),
    ]


def _divan() -> list[Part]:
    return [
        box((0.60, 1.02, 0.16), (0.02, 0, 0.16), 'shade'),
        box((0.54, 0.80, 0.12), (0.04, 0, 0.30)),
        *mirrored_pair(box((0.14, 0.44, 0.36), (-0.18, 0.23, 0.52))),
        *mirrored_pair(box((0.58, 0.10, 0.30), (0.02, 0.46, 0.38))),
        *mirrored_pair(cylinder(0.06, 0.08, (0.24, 0.44, 0.04), 'dark')),
        *mirrored_pair(cylinder(0.06, 0.08, (-0.22, 0.44, 0.04), 'dark')),
    ]


def _wide_screen() -> list[Part]:
    return [
        box((0.05, 1.00, 0.46), (0, 0, 0.46)),
        box((0.02, 0.92, 0.38), (0.025, 0, 0.47), 'screen'),
        *mirrored_pair(box((0.26, 0.05, 0.03), (0, 0.34, 0.015), 'dark')),
        *mirrored_pair(box((0.04, 0.04, 0.22), (-0.01, 0.34, 0.12), 'dark')),
        box((0.05, 0.56, 0.22), (-0.04, 0, 0.44), 'dark'),
    ]


def _thick_laptop() -> list[Part]:
    return [
        box((0.46, 0.66, 0.09), (0.10, 0, 0.045)),
        box((0.20, 0.58, 0.02), (0.02, 0, 0.095), 'dark'),
        box((0.10, 0.20, 0.02), (0.24, 0, 0.095), 'metal'),
        box((0.06, 0.66, 0.46), (-0.16, 0, 0.30), pitch_deg=-6),
        box((0.02, 0.56, 0.34), (-0.13, 0, 0.31), 'screen', pitch_deg=-6),
    ]


def _refrigerator() -> list[Part]:
    return [
        box((0.44, 0.54, 0.92), (0, 0, 0.48)),
        box((0.40, 0.50, 0.04), (0, 0, 0.02), 'dark'),
        box((0.03, 0.52, 0.28), (0.225, 0, 0.78), 'light'),
        box((0.03, 0.52, 0.54), (0.225, 0, 0.33), 'light'),
        *mirrored_pair(cylinder(0.03, 0.20, (0.26, 0.20, 0.50), 'metal')),
        box((0.05, 0.30, 0.03), (0.25, 0, 0.68), 'dark'),
    ]


def _slatted_box() -> list[Part]:
    slats = [box((0.56, 0.50, 0.10), (0, 0, z)) for z in (0.10, 0.25, 0.40)]
    return [
        *slats,
        box((0.50, 0.44, 0.46), (0, 0, 0.25), 'dark'),
        *mirrored_pair(box((0.08, 0.06, 0.46), (0.22, 0.25, 0.25), 'wood')),
        *mirrored_pair(box((0.08, 0.06, 0.46), (-0.22, 0.25, 0.25), 'wood')),
    ]


def _keg() -> list[Part]:
    return [
        cylinder(0.38, 0.60, (0, 0, 0.30)),
        ellipsoid((0.54, 0.54, 0.56), (0, 0, 0.30)),
        cylinder(0.42, 0.04, (0, 0, 0.60), 'wood'),
        cylinder(0.47, 0.04, (0, 0, 0.16), 'dark'),
        cylinder(0.47, 0.04, (0, 0, 0.44), 'dark'),
    ]


def _banded_ball() -> list[Part]:
    return [
        ellipsoid((0.46, 0.46, 0.46), (0, 0, 0.23)),
        cylinder(0.464, 0.05, (0, 0, 0.23), 'light'),
        ellipsoid((0.20, 0.20, 0.04), (0, 0, 0.45), 'light'),
    ]


def _tall_cone() -> list[Part]:
    rings = [
        cylinder(0.34 - 0.035 * i, 0.09, (0, 0, 0.08 + 0.09 * i), 'light' if i == 4 else 'paint')
        for i in range(9)
    ]
    return [box((0.44, 0.44, 0.05), (0, 0, 0.025), 'dark'), *rings]


def _jug() -> list[Part]:
    return [
        box((0.26, 0.26, 0.46), (0, 0, 0.23)),
        cylinder(0.22, 0.08, (0, 0, 0.50)),
        cylinder(0.12, 0.14, (0, 0, 0.58)),
        cylinder(0.15, 0.06, (0, 0, 0.66), 'dark'),
        box((0.265, 0.265, 0.12), (0, 0, 0.22), 'light'),
    ]


def _teacup() -> list[Part]:
    return [
        cylinder(0.50, 0.03, (0, 0, 0.015), 'light'),
        cylinder(0.28, 0.12, (0, 0, 0.09)),
        cylinder(0.42, 0.22, (0, 0, 0.24)),
        cylinder(0.36, 0.01, (0, 0, 0.351), 'dark'),
        ellipsoid((0.22, 0.05, 0.22), (0.24, 0, 0.24), 'shade'),
    ]


_BUILDS = {
    'car': _van, 'truck': _tanker, 'forklift': _order_picker, 'tractor': _field_tractor,
    'aeroplane': _jet, 'person': _woman, 'dog': _terrier, 'duck': _swan,
    'robot': _service_robot, 'chair': _armchair, 'sofa': _divan, 'monitor': _wide_screen,
    'laptop': _thick_laptop, 'cabinet': _refrigerator, 'crate': _slatted_box, 'barrel': _keg,
    'ball': _banded_ball, 'cone': _tall_cone, 'bottle': _jug, 'mug': _teacup,
}  # fmt: skip

OTHER_SHAPES: dict[str, Category] = {
    name: replace(CATEGORIES[name], parts=tuple(build())) for name, build in _BUILDS.items()
}
"""The second build of every category, by the category's name."""
