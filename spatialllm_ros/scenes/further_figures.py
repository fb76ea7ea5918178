"""Two further builds of every person, animal and robot, for training worlds.

Same frame, symmetry and toy scale as the catalogue.
"""

from __future__ import annotations

from spatialllm_ros.scenes.primitives import Part, box, cylinder, ellipsoid, mirrored_pair


def _worker() -> list[Part]:
    return [
        *mirrored_pair(box((0.26, 0.12, 0.10), (0.05, 0.10, 0.05), 'wood')),
        *mirrored_pair(box((0.15, 0.14, 0.38), (0, 0.10, 0.28), 'cloth')),
        ellipsoid((0.28, 0.44, 0.54), (0, 0, 0.70)),
        box((0.25, 0.36, 0.30), (0, 0, 0.66)),
        *mirrored_pair(box((0.26, 0.05, 0.31), (0, 0.11, 0.66), 'light')),
        box((0.26, 0.37, 0.05), (0, 0, 0.54), 'light'),
        *mirrored_pair(box((0.11, 0.10, 0.36), (0.02, 0.26, 0.68), 'cloth')),
        *mirrored_pair(ellipsoid((0.12, 0.11, 0.12), (0.03, 0.26, 0.46), 'skin')),
        ellipsoid((0.22, 0.22, 0.26), (0, 0, 1.02), 'skin'),
        ellipsoid((0.08, 0.06, 0.07), (0.12, 0, 1.00), 'skin'),
        *mirrored_pair(ellipsoid((0.03, 0.05, 0.05), (0.10, 0.05, 1.05), 'dark')),
        ellipsoid((0.28, 0.27, 0.26), (-0.01, 0, 1.11)),
        cylinder(0.34, 0.03, (0.02, 0, 1.11)),
        box((0.24, 0.05, 0.04), (-0.01, 0, 1.225), 'shade'),
        box((0.02, 0.08, 0.06), (0.125, 0, 1.16), 'lamp'),
    ]


def _hiker() -> list[Part]:
    return [
        *mirrored_pair(box((0.22, 0.11, 0.09), (0.04, 0.09, 0.045), 'dark')),
        *mirrored_pair(cylinder(0.12, 0.26, (0, 0.09, 0.20), 'cloth')),
        box((0.28, 0.46, 0.22), (0, 0, 0.42)),
        box((0.24, 0.40, 0.22), (0, 0, 0.60)),
        box((0.20, 0.36, 0.18), (0, 0, 0.77)),
        box((0.03, 0.03, 0.50), (0.135, 0, 0.56), 'dark'),
        box((0.20, 0.32, 0.40), (-0.20, 0, 0.70), 'wood'),
        cylinder(0.11, 0.38, (-0.20, 0, 0.95), 'light', 'y'),
        *mirrored_pair(cylinder(0.11, 0.28, (0, 0.24, 0.72), 'paint')),
        *mirrored_pair(cylinder(0.10, 0.22, (0.10, 0.24, 0.59), 'paint', 'x')),
        *mirrored_pair(ellipsoid((0.11, 0.10, 0.10), (0.23, 0.24, 0.59), 'skin')),
        box((0.20, 0.20, 0.24), (0.01, 0, 0.99), 'skin'),
        ellipsoid((0.24, 0.25, 0.16), (0.0, 0, 1.11), 'hair'),
        box((0.08, 0.23, 0.20), (-0.09, 0, 1.02), 'hair'),
        box((0.06, 0.05, 0.05), (0.13, 0, 0.97), 'skin'),
        *mirrored_pair(ellipsoid((0.03, 0.04, 0.05), (0.11, 0.05, 1.02), 'dark')),
    ]


def _bulldog() -> list[Part]:
    return [
        ellipsoid((0.44, 0.50, 0.42), (0.12, 0, 0.34)),
        ellipsoid((0.52, 0.36, 0.32), (-0.18, 0, 0.32)),
        ellipsoid((0.36, 0.42, 0.38), (0.36, 0, 0.52)),
        box((0.14, 0.26, 0.14), (0.52, 0, 0.46), 'light'),
        ellipsoid((0.06, 0.12, 0.08), (0.585, 0, 0.53), 'dark'),
        box((0.13, 0.18, 0.03), (0.54, 0, 0.41), 'dark'),
        *mirrored_pair(ellipsoid((0.05, 0.07, 0.07), (0.51, 0.11, 0.61), 'dark')),
        *mirrored_pair(box((0.06, 0.11, 0.09), (0.34, 0.17, 0.68), 'hair')),
        *mirrored_pair(cylinder(0.14, 0.26, (0.18, 0.19, 0.13))),
        *mirrored_pair(cylinder(0.12, 0.24, (-0.30, 0.13, 0.12))),
        *mirrored_pair(ellipsoid((0.18, 0.15, 0.08), (0.22, 0.19, 0.04), 'light')),
        ellipsoid((0.14, 0.08, 0.08), (-0.46, 0, 0.40), 'shade'),
    ]


def _poodle() -> list[Part]:
    return [
        ellipsoid((0.36, 0.36, 0.38), (0.12, 0, 0.54)),
        cylinder(0.20, 0.42, (-0.16, 0, 0.52), 'light', 'x'),
        ellipsoid((0.24, 0.28, 0.26), (-0.30, 0, 0.52)),
        cylinder(0.13, 0.30, (0.24, 0, 0.74), 'light'),
        ellipsoid((0.22, 0.20, 0.20), (0.29, 0, 0.90), 'light'),
        ellipsoid((0.24, 0.26, 0.22), (0.24, 0, 1.02)),
        box((0.24, 0.09, 0.09), (0.46, 0, 0.86), 'light'),
        ellipsoid((0.06, 0.07, 0.06), (0.58, 0, 0.88), 'dark'),
        *mirrored_pair(ellipsoid((0.04, 0.04, 0.05), (0.385, 0.06, 0.94), 'dark')),
        *mirrored_pair(ellipsoid((0.14, 0.09, 0.28), (0.22, 0.14, 0.84))),
        *mirrored_pair(cylinder(0.06, 0.40, (0.18, 0.10, 0.20), 'light')),
        *mirrored_pair(cylinder(0.06, 0.40, (-0.32, 0.10, 0.20), 'light')),
        *mirrored_pair(ellipsoid((0.15, 0.14, 0.15), (0.18, 0.10, 0.12))),
        *mirrored_pair(ellipsoid((0.15, 0.14, 0.15), (-0.32, 0.10, 0.12))),
        cylinder(0.05, 0.20, (-0.42, 0, 0.66), 'light'),
        ellipsoid((0.15, 0.15, 0.15), (-0.42, 0, 0.80)),
    ]


def _standing_duck() -> list[Part]:
    return [
        ellipsoid((0.52, 0.40, 0.46), (-0.06, 0, 0.44)),
        ellipsoid((0.30, 0.34, 0.40), (0.10, 0, 0.50)),
        cylinder(0.15, 0.24, (0.16, 0, 0.72), 'light'),
        box((0.26, 0.22, 0.22), (0.19, 0, 0.90)),
        box((0.22, 0.18, 0.04), (0.41, 0, 0.88), 'beak'),
        box((0.18, 0.15, 0.03), (0.39, 0, 0.84), 'beak'),
        *mirrored_pair(ellipsoid((0.06, 0.04, 0.06), (0.25, 0.11, 0.94), 'dark')),
        *mirrored_pair(box((0.42, 0.05, 0.22), (-0.14, 0.20, 0.46), 'shade', pitch_deg=15)),
        box((0.22, 0.22, 0.06), (-0.36, 0, 0.48), 'shade', pitch_deg=-25),
        *mirrored_pair(cylinder(0.05, 0.26, (0.0, 0.11, 0.15), 'beak')),
        *mirrored_pair(box((0.24, 0.17, 0.04), (0.06, 0.11, 0.02), 'beak')),
    ]


def _pull_along_duck() -> list[Part]:
    return [
        box((0.62, 0.24, 0.05), (0, 0, 0.13), 'wood'),
        *mirrored_pair(cylinder(0.18, 0.06, (0.22, 0.15, 0.09), 'metal', 'y')),
        *mirrored_pair(cylinder(0.18, 0.06, (-0.22, 0.15, 0.09), 'metal', 'y')),
        cylinder(0.38, 0.24, (0.02, 0, 0.33), 'paint', 'y'),
        box((0.40, 0.22, 0.20), (-0.12, 0, 0.34)),
        box((0.22, 0.18, 0.07), (-0.36, 0, 0.46), 'paint', pitch_deg=-35),
        cylinder(0.30, 0.20, (0.18, 0, 0.62), 'paint', 'y'),
        ellipsoid((0.28, 0.17, 0.08), (0.40, 0, 0.60), 'beak'),
        *mirrored_pair(cylinder(0.07, 0.02, (0.22, 0.105, 0.67), 'dark', 'y')),
        *mirrored_pair(cylinder(0.22, 0.04, (-0.06, 0.13, 0.35), 'shade', 'y')),
    ]


def _tracked_robot() -> list[Part]:
    return [
        *mirrored_pair(box((0.40, 0.12, 0.20), (0, 0.22, 0.12), 'dark')),
        *mirrored_pair(cylinder(0.20, 0.12, (0.20, 0.22, 0.12), 'dark', 'y')),
        *mirrored_pair(cylinder(0.24, 0.12, (-0.20, 0.22, 0.12), 'dark', 'y')),
        *mirrored_pair(cylinder(0.11, 0.13, (0.20, 0.22, 0.12), 'metal', 'y')),
        box((0.34, 0.32, 0.14), (0, 0, 0.22), 'metal'),
        ellipsoid((0.40, 0.42, 0.40), (0, 0, 0.45)),
        cylinder(0.07, 0.20, (-0.02, 0, 0.72), 'metal'),
        box((0.12, 0.34, 0.14), (0.0, 0, 0.86)),
        *mirrored_pair(cylinder(0.15, 0.20, (0.06, 0.09, 0.86), 'metal', 'x')),
        *mirrored_pair(cylinder(0.11, 0.02, (0.165, 0.09, 0.86), 'screen', 'x')),
        *mirrored_pair(cylinder(0.12, 0.08, (0.02, 0.24, 0.50), 'metal', 'y')),
        *mirrored_pair(box((0.32, 0.06, 0.08), (0.18, 0.26, 0.50))),
        *mirrored_pair(box((0.12, 0.10, 0.03), (0.38, 0.26, 0.54), 'dark')),
        *mirrored_pair(box((0.12, 0.10, 0.03), (0.38, 0.26, 0.46), 'dark')),
    ]


def _ball_robot() -> list[Part]:
    return [
        ellipsoid((0.42, 0.42, 0.42), (0, 0, 0.21), 'metal'),
        cylinder(0.40, 0.07, (0, 0, 0.38), 'dark'),
        cylinder(0.34, 0.16, (0, 0, 0.49)),
        cylinder(0.42, 0.20, (0, 0, 0.67)),
        box((0.06, 0.20, 0.12), (0.19, 0, 0.67), 'light'),
        *mirrored_pair(ellipsoid((0.16, 0.14, 0.16), (0, 0.25, 0.70), 'metal')),
        *mirrored_pair(cylinder(0.08, 0.34, (0.02, 0.26, 0.52), 'light')),
        *mirrored_pair(ellipsoid((0.12, 0.11, 0.12), (0.03, 0.26, 0.33), 'dark')),
        cylinder(0.14, 0.08, (0, 0, 0.80), 'dark'),
        ellipsoid((0.36, 0.40, 0.36), (0, 0, 0.96)),
        box((0.08, 0.30, 0.11), (0.15, 0, 0.98), 'dark'),
        box((0.02, 0.22, 0.05), (0.195, 0, 0.98), 'screen'),
        *mirrored_pair(cylinder(0.12, 0.05, (0, 0.20, 0.97), 'metal', 'y')),
    ]


FIGURES: dict[str, tuple[list[Part], list[Part]]] = {
    'person': (_worker(), _hiker()),
    'dog': (_bulldog(), _poodle()),
    'duck': (_standing_duck(), _pull_along_duck()),
    'robot': (_tracked_robot(), _ball_robot()),
}
"""Two sets of parts of every figure, by the category's name."""
