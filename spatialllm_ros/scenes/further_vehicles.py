"""Two further builds of every vehicle, for training worlds.

Same frame, symmetry and toy scale as the catalogue.
"""

from __future__ import annotations

from spatialllm_ros.scenes.catalogue import wheels
from spatialllm_ros.scenes.primitives import Part, box, cylinder, ellipsoid, mirrored_pair


def _racing_car() -> list[Part]:
    return [
        ellipsoid((1.10, 0.26, 0.20), (0.02, 0, 0.17)),
        box((0.44, 0.36, 0.14), (-0.18, 0, 0.16)),
        box((0.22, 0.18, 0.06), (-0.02, 0, 0.25), 'dark'),
        ellipsoid((0.13, 0.12, 0.13), (-0.05, 0, 0.31), 'light'),
        box((0.26, 0.09, 0.16), (-0.25, 0, 0.30), 'shade'),
        box((0.14, 0.58, 0.03), (0.54, 0, 0.07), 'shade'),
        box((0.13, 0.50, 0.03), (-0.54, 0, 0.39)),
        *mirrored_pair(box((0.15, 0.02, 0.22), (-0.54, 0.25, 0.33), 'shade')),
        box((0.06, 0.05, 0.22), (-0.52, 0, 0.28), 'dark'),
        *mirrored_pair(cylinder(0.24, 0.12, (0.34, 0.24, 0.12), 'dark', 'y')),
        *mirrored_pair(cylinder(0.28, 0.16, (-0.40, 0.25, 0.14), 'dark', 'y')),
        *mirrored_pair(box((0.03, 0.14, 0.03), (0.34, 0.14, 0.14), 'metal')),
    ]


def _jeep() -> list[Part]:
    return [
        box((0.90, 0.46, 0.18), (0.02, 0, 0.27)),
        box((0.36, 0.40, 0.12), (0.28, 0, 0.41)),
        box((0.50, 0.44, 0.10), (-0.18, 0, 0.40)),
        box((0.44, 0.40, 0.15), (-0.19, 0, 0.52), 'glass'),
        box((0.54, 0.46, 0.05), (-0.18, 0, 0.615), 'cloth'),
        *mirrored_pair(box((0.04, 0.04, 0.17), (0.06, 0.20, 0.52))),
        *mirrored_pair(box((0.28, 0.10, 0.04), (0.30, 0.24, 0.34), 'shade')),
        cylinder(0.26, 0.09, (-0.48, 0, 0.36), 'dark', 'x'),
        box((0.06, 0.50, 0.07), (0.48, 0, 0.20), 'metal'),
        box((0.02, 0.16, 0.14), (0.475, 0, 0.37), 'dark'),
        *mirrored_pair(cylinder(0.11, 0.03, (0.475, 0.15, 0.38), 'lamp', 'x')),
        *mirrored_pair(box((0.03, 0.05, 0.09), (-0.435, 0.20, 0.30), 'brake')),
        *mirrored_pair(cylinder(0.28, 0.11, (0.30, 0.23, 0.14), 'dark', 'y')),
        *mirrored_pair(cylinder(0.28, 0.11, (-0.26, 0.23, 0.14), 'dark', 'y')),
    ]


def _timber_truck() -> list[Part]:
    return [
        box((1.16, 0.26, 0.07), (0, 0, 0.20), 'dark'),
        box((0.28, 0.32, 0.22), (0.44, 0, 0.33)),
        box((0.24, 0.44, 0.44), (0.20, 0, 0.43)),
        box((0.02, 0.36, 0.16), (0.325, 0, 0.54), 'glass'),
        *mirrored_pair(box((0.14, 0.02, 0.14), (0.22, 0.22, 0.54), 'glass')),
        *mirrored_pair(box((0.26, 0.10, 0.05), (0.44, 0.20, 0.25), 'shade')),
        *mirrored_pair(cylinder(0.05, 0.42, (0.04, 0.18, 0.56), 'metal')),
        *mirrored_pair(cylinder(0.15, 0.62, (-0.30, 0.08, 0.31), 'wood', 'x')),
        cylinder(0.15, 0.62, (-0.30, 0, 0.43), 'wood', 'x'),
        *mirrored_pair(box((0.05, 0.04, 0.28), (-0.08, 0.18, 0.36))),
        *mirrored_pair(box((0.05, 0.04, 0.28), (-0.52, 0.18, 0.36))),
        box((0.02, 0.20, 0.16), (0.585, 0, 0.33), 'metal'),
        *mirrored_pair(ellipsoid((0.06, 0.08, 0.08), (0.57, 0.20, 0.30), 'lamp')),
        *wheels(0.22, (0.44, -0.24, -0.48), 0.18),
    ]


def _mixer_truck() -> list[Part]:
    return [
        box((0.98, 0.38, 0.08), (-0.02, 0, 0.19), 'dark'),
        box((0.26, 0.46, 0.44), (0.34, 0, 0.42)),
        ellipsoid((0.24, 0.44, 0.16), (0.34, 0, 0.64), 'shade'),
        box((0.03, 0.38, 0.18), (0.475, 0, 0.52), 'glass'),
        *mirrored_pair(box((0.14, 0.02, 0.16), (0.37, 0.23, 0.53), 'glass')),
        ellipsoid((0.62, 0.48, 0.50), (-0.16, 0, 0.53), 'shade'),
        cylinder(0.50, 0.10, (-0.16, 0, 0.53), 'light', 'x'),
        cylinder(0.26, 0.16, (-0.46, 0, 0.60), 'light', 'x'),
        box((0.05, 0.14, 0.30), (-0.54, 0, 0.42), 'metal', pitch_deg=-20),
        *mirrored_pair(box((0.06, 0.05, 0.28), (-0.44, 0.15, 0.36), 'metal')),
        *mirrored_pair(box((0.03, 0.10, 0.07), (0.49, 0.15, 0.26), 'lamp')),
        *wheels(0.24, (0.34, -0.14, -0.40), 0.20),
    ]


def _heavy_forklift() -> list[Part]:
    return [
        box((0.66, 0.48, 0.24), (-0.16, 0, 0.28)),
        cylinder(0.30, 0.48, (-0.42, 0, 0.40), 'paint', 'y'),
        box((0.36, 0.42, 0.34), (-0.12, 0, 0.57), 'glass'),
        *mirrored_pair(box((0.05, 0.05, 0.36), (0.05, 0.20, 0.57))),
        *mirrored_pair(box((0.05, 0.05, 0.36), (-0.29, 0.20, 0.57))),
        box((0.42, 0.48, 0.06), (-0.12, 0, 0.77)),
        *mirrored_pair(cylinder(0.07, 0.92, (0.24, 0.15, 0.48), 'metal')),
        *(box((0.04, 0.34, 0.05), (0.27, 0, z), 'dark') for z in (0.18, 0.34, 0.90)),
        *mirrored_pair(box((0.36, 0.09, 0.04), (0.44, 0.12, 0.10), 'dark')),
        *mirrored_pair(ellipsoid((0.06, 0.08, 0.08), (0.09, 0.18, 0.76), 'lamp')),
        *mirrored_pair(cylinder(0.28, 0.12, (0.08, 0.22, 0.14), 'dark', 'y')),
        *mirrored_pair(cylinder(0.22, 0.12, (-0.38, 0.22, 0.11), 'dark', 'y')),
    ]


def _loaded_forklift() -> list[Part]:
    return [
        ellipsoid((0.56, 0.40, 0.46), (-0.22, 0, 0.26)),
        box((0.34, 0.34, 0.10), (-0.04, 0, 0.16)),
        box((0.18, 0.24, 0.06), (-0.20, 0, 0.50), 'dark'),
        box((0.06, 0.24, 0.20), (-0.30, 0, 0.58), 'dark', pitch_deg=-10),
        cylinder(0.04, 0.24, (0.04, 0, 0.34), 'dark'),
        cylinder(0.16, 0.02, (0.03, 0, 0.47), 'dark'),
        *mirrored_pair(cylinder(0.04, 0.50, (-0.40, 0.15, 0.62))),
        *mirrored_pair(cylinder(0.04, 0.70, (0.10, 0.15, 0.52))),
        box((0.56, 0.36, 0.04), (-0.15, 0, 0.87)),
        *mirrored_pair(box((0.05, 0.05, 1.00), (0.18, 0.10, 0.54), 'metal')),
        box((0.03, 0.30, 0.14), (0.22, 0, 0.20), 'metal'),
        *mirrored_pair(box((0.38, 0.06, 0.03), (0.42, 0.09, 0.14), 'metal')),
        *(box((0.05, 0.40, 0.03), (x, 0, 0.17), 'wood') for x in (0.30, 0.42, 0.54)),
        box((0.32, 0.36, 0.03), (0.42, 0, 0.20), 'wood'),
        *wheels(0.20, (0.08,), 0.18),
        *wheels(0.16, (-0.36,), 0.12),
    ]


def _four_wheel_tractor() -> list[Part]:
    return [
        ellipsoid((0.66, 0.28, 0.26), (0.24, 0, 0.44)),
        box((0.44, 0.26, 0.14), (0.24, 0, 0.38), 'shade'),
        box((0.80, 0.20, 0.10), (0, 0, 0.26), 'dark'),
        box((0.30, 0.34, 0.16), (-0.20, 0, 0.42)),
        box((0.30, 0.34, 0.32), (-0.20, 0, 0.66), 'glass'),
        cylinder(0.42, 0.05, (-0.20, 0, 0.84)),
        *mirrored_pair(cylinder(0.04, 0.28, (0.10, 0.14, 0.64), 'metal')),
        box((0.10, 0.26, 0.12), (0.56, 0, 0.30), 'metal'),
        *mirrored_pair(ellipsoid((0.06, 0.07, 0.07), (0.52, 0.08, 0.45), 'lamp')),
        *mirrored_pair(cylinder(0.40, 0.15, (0.32, 0.25, 0.20), 'dark', 'y')),
        *mirrored_pair(cylinder(0.44, 0.15, (-0.24, 0.25, 0.22), 'dark', 'y')),
        *mirrored_pair(cylinder(0.20, 0.16, (0.32, 0.25, 0.20), 'light', 'y')),
        *mirrored_pair(cylinder(0.22, 0.16, (-0.24, 0.25, 0.22), 'light', 'y')),
    ]


def _crawler_tractor() -> list[Part]:
    return [
        box((0.46, 0.30, 0.26), (0.22, 0, 0.40)),
        box((0.36, 0.32, 0.18), (-0.18, 0, 0.36)),
        *mirrored_pair(box((0.05, 0.05, 0.36), (-0.02, 0.15, 0.62))),
        *mirrored_pair(box((0.05, 0.05, 0.36), (-0.34, 0.15, 0.62))),
        box((0.30, 0.30, 0.28), (-0.18, 0, 0.58), 'glass'),
        box((0.42, 0.40, 0.06), (-0.18, 0, 0.82)),
        cylinder(0.07, 0.24, (0.20, 0, 0.62), 'dark'),
        box((0.02, 0.24, 0.20), (0.455, 0, 0.40), 'dark'),
        *mirrored_pair(box((0.56, 0.13, 0.24), (0, 0.24, 0.14), 'dark')),
        *mirrored_pair(cylinder(0.24, 0.13, (0.28, 0.24, 0.14), 'dark', 'y')),
        *mirrored_pair(cylinder(0.28, 0.13, (-0.28, 0.24, 0.14), 'dark', 'y')),
        *mirrored_pair(cylinder(0.14, 0.14, (0.28, 0.24, 0.14), 'metal', 'y')),
        *mirrored_pair(cylinder(0.18, 0.14, (-0.28, 0.24, 0.14), 'metal', 'y')),
        *mirrored_pair(box((0.04, 0.08, 0.06), (0.46, 0.12, 0.55), 'lamp')),
    ]


def _high_wing_plane() -> list[Part]:
    return [
        box((0.52, 0.22, 0.26), (0.20, 0, 0.30)),
        box((0.60, 0.11, 0.11), (-0.32, 0, 0.36)),
        box((0.22, 0.23, 0.10), (0.14, 0, 0.40), 'glass'),
        box((0.22, 1.16, 0.04), (0.14, 0, 0.47)),
        *mirrored_pair(box((0.03, 0.03, 0.20), (0.14, 0.30, 0.37), 'metal')),
        *mirrored_pair(box((0.03, 0.22, 0.03), (0.14, 0.20, 0.28), 'metal')),
        box((0.13, 0.40, 0.03), (-0.55, 0, 0.40), 'shade'),
        box((0.14, 0.03, 0.24), (-0.57, 0, 0.50), 'shade', pitch_deg=-15),
        cylinder(0.16, 0.08, (0.49, 0, 0.29), 'dark', 'x'),
        ellipsoid((0.14, 0.09, 0.09), (0.55, 0, 0.29), 'light'),
        box((0.02, 0.05, 0.42), (0.55, 0, 0.29), 'wood'),
        *mirrored_pair(box((0.04, 0.04, 0.16), (0.24, 0.12, 0.14), 'metal')),
        *wheels(0.14, (0.24,), 0.14),
        box((0.03, 0.03, 0.26), (-0.52, 0, 0.19), 'metal'),
        cylinder(0.08, 0.05, (-0.52, 0, 0.04), 'dark', 'y'),
    ]


def _delta_jet() -> list[Part]:
    wing = [(0.62, 0.30, -0.16), (0.46, 0.54, -0.24), (0.30, 0.76, -0.32), (0.16, 0.94, -0.38)]
    return [
        cylinder(0.18, 0.84, (-0.12, 0, 0.26), 'paint', 'x'),
        ellipsoid((0.56, 0.18, 0.16), (0.32, 0, 0.26)),
        ellipsoid((0.30, 0.13, 0.16), (0.20, 0, 0.35), 'glass'),
        *(box((length, span, 0.03), (x, 0, 0.25), 'shade') for length, span, x in wing),
        *mirrored_pair(box((0.36, 0.10, 0.13), (0.0, 0.12, 0.24))),
        *mirrored_pair(box((0.18, 0.03, 0.26), (-0.44, 0.15, 0.39), pitch_deg=-20)),
        *mirrored_pair(cylinder(0.13, 0.10, (-0.56, 0.08, 0.26), 'dark', 'x')),
        cylinder(0.03, 0.12, (0.60, 0, 0.26), 'metal', 'x'),
        *wheels(0.12, (-0.20,), 0.14),
        *mirrored_pair(cylinder(0.03, 0.14, (-0.20, 0.14, 0.15), 'metal')),
        cylinder(0.03, 0.16, (0.34, 0, 0.14), 'metal'),
        cylinder(0.10, 0.05, (0.34, 0, 0.05), 'dark', 'y'),
    ]


VEHICLES: dict[str, tuple[list[Part], list[Part]]] = {
    'car': (_racing_car(), _jeep()),
    'truck': (_timber_truck(), _mixer_truck()),
    'forklift': (_heavy_forklift(), _loaded_forklift()),
    'tractor': (_four_wheel_tractor(), _crawler_tractor()),
    'aeroplane': (_high_wing_plane(), _delta_jet()),
}
"""Two sets of parts of every vehicle, by the category's name."""
