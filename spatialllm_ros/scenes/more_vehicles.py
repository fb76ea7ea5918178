"""A fifth and a sixth build of every vehicle, for training worlds.

Same frame, symmetry and toy scale as the catalogue; the bodies differ from the earlier builds.
"""

from __future__ import annotations

from spatialllm_ros.scenes.catalogue import wheels
from spatialllm_ros.scenes.primitives import Part, box, cylinder, ellipsoid, mirrored_pair


def _beetle() -> list[Part]:
    return [
        ellipsoid((1.00, 0.46, 0.34), (0, 0, 0.24)),
        ellipsoid((0.60, 0.40, 0.44), (-0.06, 0, 0.36)),
        ellipsoid((0.35, 0.34, 0.31), (0.07, 0, 0.42), 'glass'),
        *mirrored_pair(ellipsoid((0.32, 0.10, 0.16), (-0.13, 0.145, 0.45), 'glass')),
        *mirrored_pair(ellipsoid((0.34, 0.14, 0.24), (0.33, 0.22, 0.18), 'shade')),
        *mirrored_pair(ellipsoid((0.34, 0.14, 0.24), (-0.33, 0.22, 0.18), 'shade')),
        *mirrored_pair(ellipsoid((0.08, 0.10, 0.10), (0.46, 0.19, 0.24), 'lamp')),
        *mirrored_pair(ellipsoid((0.05, 0.05, 0.07), (-0.48, 0.20, 0.22), 'brake')),
        box((0.04, 0.36, 0.04), (0.50, 0, 0.15), 'metal'),
        *wheels(0.22, (0.33, -0.33), 0.25),
    ]


def _vintage_car() -> list[Part]:
    return [
        box((1.00, 0.24, 0.08), (0, 0, 0.20), 'dark'),
        box((0.56, 0.24, 0.20), (0.22, 0, 0.32)),
        box((0.04, 0.26, 0.26), (0.51, 0, 0.32), 'metal'),
        box((0.42, 0.40, 0.22), (-0.26, 0, 0.31)),
        ellipsoid((0.26, 0.36, 0.20), (-0.46, 0, 0.32)),
        box((0.22, 0.32, 0.05), (-0.24, 0, 0.425), 'dark'),
        box((0.08, 0.34, 0.16), (-0.39, 0, 0.47), 'wood'),
        box((0.02, 0.38, 0.16), (-0.07, 0, 0.49), 'glass'),
        *mirrored_pair(box((0.70, 0.12, 0.03), (0, 0.23, 0.17), 'shade')),
        *mirrored_pair(box((0.30, 0.14, 0.04), (0.36, 0.22, 0.30), 'shade')),
        *mirrored_pair(box((0.30, 0.14, 0.04), (-0.36, 0.22, 0.30), 'shade')),
        box((0.03, 0.42, 0.03), (0.49, 0, 0.38), 'metal'),
        *mirrored_pair(cylinder(0.13, 0.06, (0.50, 0.20, 0.40), 'lamp', 'x')),
        *wheels(0.28, (0.36, -0.36), 0.24),
    ]


def _flatbed() -> list[Part]:
    return [
        box((1.16, 0.30, 0.08), (0, 0, 0.19), 'dark'),
        box((0.28, 0.48, 0.54), (0.42, 0, 0.45)),
        box((0.02, 0.42, 0.20), (0.565, 0, 0.56), 'glass'),
        box((0.10, 0.46, 0.03), (0.59, 0, 0.69), 'shade'),
        *mirrored_pair(box((0.16, 0.02, 0.16), (0.44, 0.24, 0.56), 'glass')),
        box((0.03, 0.48, 0.08), (0.57, 0, 0.23), 'metal'),
        box((0.82, 0.52, 0.05), (-0.17, 0, 0.25), 'wood'),
        box((0.04, 0.52, 0.24), (0.22, 0, 0.38)),
        *mirrored_pair(box((0.80, 0.03, 0.09), (-0.18, 0.26, 0.30))),
        box((0.03, 0.52, 0.09), (-0.58, 0, 0.30)),
        *wheels(0.22, (0.42, -0.40), 0.18),
    ]


def _fire_engine() -> list[Part]:
    return [
        box((1.14, 0.46, 0.40), (0, 0, 0.38)),
        box((1.00, 0.36, 0.10), (0, 0, 0.16), 'dark'),
        box((0.02, 0.42, 0.20), (0.575, 0, 0.44), 'glass'),
        *mirrored_pair(box((0.36, 0.02, 0.14), (0.33, 0.23, 0.47), 'glass')),
        *mirrored_pair(box((0.50, 0.02, 0.24), (-0.27, 0.23, 0.38), 'light')),
        *mirrored_pair(box((0.92, 0.03, 0.04), (-0.08, 0.10, 0.66), 'metal')),
        *(box((0.03, 0.20, 0.03), (x, 0, 0.66), 'metal') for x in (-0.48, -0.28, -0.08, 0.12)),
        box((0.06, 0.24, 0.08), (-0.46, 0, 0.61), 'dark'),
        box((0.06, 0.24, 0.08), (0.20, 0, 0.61), 'dark'),
        *mirrored_pair(ellipsoid((0.10, 0.10, 0.10), (0.46, 0.16, 0.59), 'screen')),
        *mirrored_pair(cylinder(0.08, 0.03, (0.575, 0.16, 0.25), 'lamp', 'x')),
        *wheels(0.24, (0.34, -0.34), 0.21),
    ]


def _reach_truck() -> list[Part]:
    return [
        box((0.32, 0.42, 0.50), (-0.29, 0, 0.31)),
        *mirrored_pair(box((0.64, 0.08, 0.09), (0.14, 0.20, 0.09), 'shade')),
        *mirrored_pair(cylinder(0.12, 0.06, (0.42, 0.20, 0.06), 'dark', 'y')),
        *mirrored_pair(cylinder(0.18, 0.08, (-0.32, 0.16, 0.09), 'dark', 'y')),
        *mirrored_pair(box((0.05, 0.05, 1.10), (-0.06, 0.12, 0.61), 'metal')),
        *(box((0.04, 0.26, 0.05), (-0.06, 0, z), 'dark') for z in (0.70, 1.12)),
        box((0.03, 0.32, 0.18), (-0.02, 0, 0.36), 'dark'),
        *mirrored_pair(box((0.46, 0.07, 0.03), (0.21, 0.08, 0.29), 'metal')),
        box((0.20, 0.30, 0.06), (-0.28, 0, 0.58), 'dark'),
        box((0.06, 0.34, 0.22), (-0.41, 0, 0.66)),
        *mirrored_pair(cylinder(0.04, 0.48, (-0.42, 0.17, 0.78), 'dark')),
        box((0.42, 0.42, 0.04), (-0.25, 0, 1.01)),
    ]


def _skid_forklift() -> list[Part]:
    return [
        box((0.54, 0.34, 0.26), (-0.06, 0, 0.27)),
        ellipsoid((0.30, 0.36, 0.34), (-0.30, 0, 0.42)),
        box((0.32, 0.30, 0.40), (-0.02, 0, 0.57), 'glass'),
        *mirrored_pair(box((0.04, 0.04, 0.40), (0.14, 0.14, 0.57))),
        *mirrored_pair(box((0.04, 0.04, 0.40), (-0.18, 0.14, 0.57))),
        box((0.40, 0.34, 0.05), (-0.02, 0, 0.78)),
        *mirrored_pair(box((0.10, 0.12, 0.40), (-0.27, 0.21, 0.48))),
        *mirrored_pair(box((0.72, 0.06, 0.09), (0.04, 0.24, 0.52), 'shade', pitch_deg=-22)),
        *mirrored_pair(box((0.07, 0.06, 0.34), (0.36, 0.24, 0.27), 'shade')),
        box((0.03, 0.54, 0.24), (0.40, 0, 0.20), 'dark'),
        *mirrored_pair(box((0.36, 0.09, 0.03), (0.58, 0.13, 0.10), 'metal')),
        *wheels(0.26, (0.16, -0.24), 0.20),
    ]


def _parasol_tractor() -> list[Part]:
    return [
        box((0.56, 0.16, 0.20), (0.22, 0, 0.42)),
        box((0.03, 0.15, 0.18), (0.505, 0, 0.41), 'dark'),
        box((0.84, 0.11, 0.12), (0.05, 0, 0.29), 'shade'),
        cylinder(0.07, 0.24, (0.42, 0, 0.22), 'metal'),
        *mirrored_pair(cylinder(0.24, 0.06, (0.42, 0.06, 0.12), 'dark', 'y')),
        cylinder(0.08, 0.60, (-0.26, 0, 0.26), 'metal', 'y'),
        *mirrored_pair(cylinder(0.52, 0.09, (-0.26, 0.28, 0.26), 'dark', 'y')),
        *mirrored_pair(cylinder(0.26, 0.10, (-0.26, 0.28, 0.26), 'light', 'y')),
        cylinder(0.07, 0.16, (-0.24, 0, 0.40), 'metal'),
        ellipsoid((0.20, 0.24, 0.09), (-0.24, 0, 0.48), 'dark'),
        cylinder(0.03, 0.12, (-0.03, 0, 0.56), 'dark'),
        cylinder(0.17, 0.02, (-0.03, 0, 0.62), 'dark'),
        cylinder(0.03, 0.54, (-0.35, 0, 0.58), 'metal'),
        cylinder(0.46, 0.04, (-0.26, 0, 0.86)),
        cylinder(0.05, 0.22, (0.32, 0, 0.62), 'metal'),
    ]


def _wide_tractor() -> list[Part]:
    return [
        box((0.44, 0.36, 0.28), (0.30, 0, 0.40)),
        ellipsoid((0.20, 0.34, 0.28), (0.52, 0, 0.39)),
        box((0.34, 0.44, 0.18), (-0.04, 0, 0.46)),
        box((0.30, 0.42, 0.28), (-0.04, 0, 0.67), 'glass'),
        box((0.38, 0.48, 0.05), (-0.04, 0, 0.83)),
        cylinder(0.18, 0.22, (-0.20, 0, 0.34), 'metal'),
        box((0.36, 0.30, 0.20), (-0.38, 0, 0.36), 'shade'),
        *(box((0.34, 0.22, 0.14), (x, 0, 0.22), 'dark') for x in (0.34, -0.36)),
        *(cylinder(0.08, 0.80, (x, 0, 0.20), 'metal', 'y') for x in (0.34, -0.36)),
        *(wheel for x in (0.34, -0.36) for y in (0.26, 0.41)
          for wheel in mirrored_pair(cylinder(0.40, 0.12, (x, y, 0.20), 'dark', 'y'))),
        *mirrored_pair(cylinder(0.18, 0.14, (0.34, 0.41, 0.20), 'paint', 'y')),
        *mirrored_pair(cylinder(0.18, 0.14, (-0.36, 0.41, 0.20), 'paint', 'y')),
        *mirrored_pair(box((0.04, 0.08, 0.07), (0.59, 0.10, 0.43), 'lamp')),
    ]  # fmt: skip


def _glider() -> list[Part]:
    return [
        ellipsoid((0.72, 0.17, 0.20), (0.22, 0, 0.27)),
        cylinder(0.07, 0.66, (-0.28, 0, 0.29), 'paint', 'x'),
        ellipsoid((0.34, 0.13, 0.15), (0.32, 0, 0.33), 'glass'),
        box((0.15, 1.12, 0.03), (0.08, 0, 0.34)),
        *mirrored_pair(box((0.11, 0.03, 0.10), (0.07, 0.55, 0.38), 'shade')),
        box((0.15, 0.03, 0.28), (-0.55, 0, 0.42), 'shade'),
        box((0.13, 0.36, 0.03), (-0.56, 0, 0.56), 'shade'),
        cylinder(0.18, 0.06, (0.18, 0, 0.09), 'dark', 'y'),
        box((0.05, 0.03, 0.28), (-0.54, 0, 0.14), 'metal'),
    ]


def _seaplane() -> list[Part]:
    return [
        cylinder(0.26, 0.80, (-0.06, 0, 0.42), 'paint', 'x'),
        ellipsoid((0.36, 0.26, 0.26), (0.34, 0, 0.42)),
        ellipsoid((0.36, 0.26, 0.26), (-0.46, 0, 0.42)),
        box((0.10, 0.20, 0.06), (0.34, 0, 0.53), 'glass', pitch_deg=-25),
        *mirrored_pair(box((0.50, 0.02, 0.06), (-0.14, 0.125, 0.45), 'dark')),
        box((0.26, 1.10, 0.04), (0.06, 0, 0.56)),
        *(part for y in (0.24, 0.42)
          for part in mirrored_pair(cylinder(0.10, 0.24, (0.16, y, 0.55), 'metal', 'x'))),
        *(part for y in (0.24, 0.42)
          for part in mirrored_pair(cylinder(0.17, 0.02, (0.29, y, 0.55), 'dark', 'x'))),
        box((0.20, 0.03, 0.28), (-0.54, 0, 0.60), 'shade', pitch_deg=15),
        box((0.15, 0.48, 0.03), (-0.54, 0, 0.48), 'shade'),
        *mirrored_pair(ellipsoid((0.86, 0.14, 0.14), (0.06, 0.20, 0.07), 'light')),
        *mirrored_pair(box((0.04, 0.04, 0.46), (0.14, 0.19, 0.33), 'metal')),
        *mirrored_pair(box((0.04, 0.04, 0.46), (-0.04, 0.19, 0.33), 'metal')),
    ]  # fmt: skip


MORE_VEHICLES: dict[str, tuple[list[Part], list[Part]]] = {
    'car': (_beetle(), _vintage_car()),
    'truck': (_flatbed(), _fire_engine()),
    'forklift': (_reach_truck(), _skid_forklift()),
    'tractor': (_parasol_tractor(), _wide_tractor()),
    'aeroplane': (_glider(), _seaplane()),
}
"""Two sets of parts of every vehicle, by the category's name."""
