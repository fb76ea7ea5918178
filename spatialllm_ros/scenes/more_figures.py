"""A fifth and a sixth build of every person, animal and robot, for training worlds.

Same frame, symmetry and toy scale as the catalogue; the bodies differ from the earlier builds.
"""

from __future__ import annotations

from spatialllm_ros.scenes.primitives import Part, box, cylinder, ellipsoid, mirrored_pair


def _old_man() -> list[Part]:
    return [
        *mirrored_pair(ellipsoid((0.24, 0.14, 0.09), (0.17, 0.11, 0.045), 'dark')),
        cylinder(0.46, 0.26, (0, 0, 0.17)),
        cylinder(0.40, 0.30, (0, 0, 0.40)),
        ellipsoid((0.36, 0.48, 0.60), (0, 0, 0.66)),
        *mirrored_pair(ellipsoid((0.30, 0.15, 0.38), (0.08, 0.23, 0.66), 'shade')),
        *mirrored_pair(ellipsoid((0.12, 0.11, 0.11), (0.21, 0.19, 0.56), 'skin')),
        ellipsoid((0.24, 0.24, 0.26), (0, 0, 1.02), 'skin'),
        box((0.10, 0.18, 0.28), (0.14, 0, 0.84), 'light'),
        ellipsoid((0.09, 0.07, 0.07), (0.13, 0, 1.01), 'skin'),
        *mirrored_pair(ellipsoid((0.04, 0.05, 0.05), (0.105, 0.05, 1.06), 'dark')),
        cylinder(0.38, 0.03, (-0.02, 0, 1.12), 'shade'),
        cylinder(0.24, 0.12, (-0.02, 0, 1.19), 'shade'),
    ]


def _seated_person() -> list[Part]:
    return [
        box((0.34, 0.40, 0.37), (-0.12, 0, 0.185), 'wood'),
        *mirrored_pair(cylinder(0.14, 0.44, (0.08, 0.10, 0.43), 'cloth', 'x')),
        *mirrored_pair(cylinder(0.13, 0.42, (0.24, 0.10, 0.25), 'cloth')),
        *mirrored_pair(box((0.25, 0.11, 0.08), (0.29, 0.10, 0.04), 'dark')),
        box((0.20, 0.36, 0.48), (-0.13, 0, 0.62)),
        *mirrored_pair(cylinder(0.11, 0.34, (-0.12, 0.23, 0.67), 'paint')),
        *mirrored_pair(cylinder(0.10, 0.28, (0.0, 0.21, 0.54), 'paint', 'x')),
        *mirrored_pair(ellipsoid((0.13, 0.11, 0.10), (0.17, 0.19, 0.53), 'skin')),
        cylinder(0.11, 0.08, (-0.13, 0, 0.88), 'skin'),
        cylinder(0.24, 0.24, (-0.12, 0, 1.03), 'skin'),
        cylinder(0.26, 0.07, (-0.13, 0, 1.16), 'hair'),
        box((0.08, 0.22, 0.24), (-0.22, 0, 1.06), 'hair'),
        box((0.07, 0.05, 0.06), (0.01, 0, 1.01), 'skin'),
        *mirrored_pair(cylinder(0.08, 0.03, (-0.01, 0.055, 1.07), 'dark', 'x')),
    ]


def _greyhound() -> list[Part]:
    return [
        ellipsoid((0.40, 0.22, 0.36), (0.14, 0, 0.54)),
        ellipsoid((0.58, 0.19, 0.24), (-0.08, 0, 0.58)),
        ellipsoid((0.28, 0.22, 0.30), (-0.30, 0, 0.54)),
        box((0.15, 0.12, 0.28), (0.28, 0, 0.70), pitch_deg=-40),
        ellipsoid((0.22, 0.16, 0.16), (0.40, 0, 0.82)),
        box((0.22, 0.08, 0.07), (0.53, 0, 0.79), 'light', pitch_deg=-8),
        ellipsoid((0.06, 0.07, 0.06), (0.64, 0, 0.78), 'dark'),
        *mirrored_pair(box((0.09, 0.04, 0.14), (0.34, 0.08, 0.82), 'hair')),
        *mirrored_pair(ellipsoid((0.04, 0.03, 0.04), (0.46, 0.06, 0.85), 'dark')),
        *mirrored_pair(cylinder(0.06, 0.44, (0.18, 0.08, 0.22))),
        *mirrored_pair(cylinder(0.06, 0.44, (-0.32, 0.08, 0.22))),
        box((0.28, 0.04, 0.04), (-0.45, 0, 0.41), 'shade', pitch_deg=55),
    ]


def _sitting_dog() -> list[Part]:
    return [
        ellipsoid((0.46, 0.42, 0.38), (-0.14, 0, 0.20)),
        box((0.26, 0.28, 0.52), (0, 0, 0.44), pitch_deg=-18),
        ellipsoid((0.26, 0.29, 0.34), (0.12, 0, 0.54), 'light'),
        cylinder(0.24, 0.05, (0.12, 0, 0.71), 'metal'),
        ellipsoid((0.32, 0.30, 0.30), (0.16, 0, 0.86)),
        cylinder(0.15, 0.20, (0.35, 0, 0.81), 'light', 'x'),
        ellipsoid((0.07, 0.10, 0.08), (0.45, 0, 0.86), 'dark'),
        *mirrored_pair(ellipsoid((0.04, 0.05, 0.06), (0.29, 0.08, 0.91), 'dark')),
        *mirrored_pair(box((0.11, 0.05, 0.26), (0.12, 0.16, 0.82), 'hair')),
        *mirrored_pair(cylinder(0.10, 0.46, (0.18, 0.09, 0.23))),
        *mirrored_pair(ellipsoid((0.17, 0.13, 0.08), (0.23, 0.09, 0.04), 'light')),
        *mirrored_pair(ellipsoid((0.32, 0.11, 0.12), (0.02, 0.19, 0.06), 'shade')),
        cylinder(0.07, 0.32, (-0.39, 0, 0.05), 'shade', 'x'),
    ]


def _duckling() -> list[Part]:
    return [
        ellipsoid((0.44, 0.42, 0.38), (-0.04, 0, 0.25)),
        ellipsoid((0.40, 0.40, 0.38), (0.08, 0, 0.58)),
        ellipsoid((0.22, 0.20, 0.08), (0.32, 0, 0.54), 'beak'),
        *mirrored_pair(ellipsoid((0.06, 0.08, 0.10), (0.23, 0.11, 0.64), 'dark')),
        *mirrored_pair(ellipsoid((0.20, 0.09, 0.15), (-0.06, 0.20, 0.27), 'shade')),
        ellipsoid((0.16, 0.13, 0.11), (-0.26, 0, 0.32), 'shade'),
        *mirrored_pair(cylinder(0.06, 0.10, (0, 0.10, 0.07), 'beak')),
        *mirrored_pair(box((0.24, 0.14, 0.05), (0.07, 0.10, 0.025), 'beak')),
    ]


def _runner_duck() -> list[Part]:
    return [
        ellipsoid((0.30, 0.30, 0.62), (0, 0, 0.48)),
        ellipsoid((0.38, 0.34, 0.36), (-0.05, 0, 0.35)),
        cylinder(0.13, 0.36, (0.04, 0, 0.86)),
        cylinder(0.14, 0.04, (0.04, 0, 0.86), 'light'),
        box((0.22, 0.15, 0.15), (0.08, 0, 1.06)),
        box((0.24, 0.13, 0.05), (0.28, 0, 1.03), 'beak', pitch_deg=-10),
        *mirrored_pair(cylinder(0.06, 0.02, (0.12, 0.075, 1.09), 'dark', 'y')),
        *mirrored_pair(box((0.15, 0.05, 0.38), (-0.06, 0.15, 0.48), 'shade', pitch_deg=-12)),
        box((0.09, 0.15, 0.24), (-0.24, 0, 0.28), 'shade', pitch_deg=-35),
        *mirrored_pair(cylinder(0.05, 0.22, (-0.02, 0.08, 0.12), 'beak')),
        *mirrored_pair(box((0.24, 0.13, 0.04), (0.06, 0.08, 0.02), 'beak')),
    ]


def _rover() -> list[Part]:
    return [
        box((0.60, 0.44, 0.16), (0, 0, 0.36)),
        box((0.40, 0.72, 0.03), (-0.12, 0, 0.455), 'glass'),
        *(wheel for x in (0.32, 0.0, -0.32)
          for wheel in mirrored_pair(cylinder(0.22, 0.10, (x, 0.30, 0.11), 'dark', 'y'))),
        *mirrored_pair(box((0.70, 0.06, 0.06), (0, 0.24, 0.19), 'metal')),
        *mirrored_pair(box((0.08, 0.06, 0.20), (0, 0.20, 0.27), 'metal')),
        cylinder(0.06, 0.42, (0.20, 0, 0.62), 'metal'),
        box((0.13, 0.32, 0.15), (0.21, 0, 0.87)),
        *mirrored_pair(cylinder(0.11, 0.05, (0.285, 0.08, 0.87), 'dark', 'x')),
        *mirrored_pair(cylinder(0.06, 0.02, (0.31, 0.08, 0.87), 'screen', 'x')),
        box((0.26, 0.06, 0.06), (0.39, 0, 0.34), 'metal', pitch_deg=-20),
        box((0.06, 0.16, 0.12), (0.51, 0, 0.28), 'dark'),
    ]  # fmt: skip


def _dome_robot() -> list[Part]:
    return [
        cylinder(0.44, 0.48, (0, 0, 0.42)),
        ellipsoid((0.44, 0.44, 0.40), (0, 0, 0.66), 'metal'),
        cylinder(0.45, 0.04, (0, 0, 0.66), 'dark'),
        cylinder(0.16, 0.14, (0.17, 0, 0.76), 'dark', 'x'),
        ellipsoid((0.07, 0.12, 0.12), (0.24, 0, 0.76), 'screen'),
        box((0.03, 0.22, 0.09), (0.21, 0, 0.55), 'light'),
        box((0.03, 0.16, 0.18), (0.215, 0, 0.37), 'dark'),
        *mirrored_pair(cylinder(0.22, 0.08, (0, 0.25, 0.58), 'paint', 'y')),
        *mirrored_pair(box((0.16, 0.10, 0.52), (0, 0.27, 0.32), 'light')),
        *mirrored_pair(box((0.36, 0.15, 0.12), (0.02, 0.27, 0.06), 'dark')),
        box((0.12, 0.12, 0.18), (0.10, 0, 0.14), 'metal'),
        box((0.26, 0.16, 0.10), (0.18, 0, 0.05), 'dark'),
    ]


MORE_FIGURES: dict[str, tuple[list[Part], list[Part]]] = {
    'person': (_old_man(), _seated_person()),
    'dog': (_greyhound(), _sitting_dog()),
    'duck': (_duckling(), _runner_duck()),
    'robot': (_rover(), _dome_robot()),
}
"""Two sets of parts of every figure, by the category's name."""
