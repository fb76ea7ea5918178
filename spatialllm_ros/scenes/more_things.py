"""A fifth and a sixth build of every piece of furniture, screen and vessel, for training worlds.

Same frame, symmetry and toy scale as the catalogue; what has no front there shows none here.
"""

from __future__ import annotations

from spatialllm_ros.scenes.primitives import Part, box, cylinder, ellipsoid, mirrored_pair


def _ends(part: Part) -> list[Part]:
    """Return the part, which stands ahead, and the same behind."""
    x, y, z = part.centre_m
    return [part, Part(part.shape, part.half_size_m, (-x, y, z), part.role, part.rotation)]


def _at_corners(part: Part) -> list[Part]:
    """Return the part, which stands ahead and to the left, at all four corners."""
    return [corner for end in _ends(part) for corner in mirrored_pair(end)]


def _cantilever_chair() -> list[Part]:
    return [
        *mirrored_pair(box((0.48, 0.04, 0.04), (0.01, 0.20, 0.02), 'metal')),
        box((0.04, 0.44, 0.04), (-0.22, 0, 0.02), 'metal'),
        *mirrored_pair(box((0.04, 0.04, 0.46), (0.23, 0.20, 0.23), 'metal')),
        box((0.50, 0.46, 0.05), (0, 0, 0.46)),
        *mirrored_pair(box((0.03, 0.03, 0.50), (-0.23, 0.20, 0.69), 'metal', pitch_deg=8)),
        box((0.05, 0.44, 0.28), (-0.25, 0, 0.80), pitch_deg=8),
    ]


def _tub_chair() -> list[Part]:
    return [
        cylinder(0.48, 0.12, (0, 0, 0.06), 'dark'),
        cylinder(0.58, 0.26, (0, 0, 0.23)),
        ellipsoid((0.48, 0.44, 0.14), (0.06, 0, 0.38), 'light'),
        ellipsoid((0.24, 0.60, 0.60), (-0.22, 0, 0.48)),
        *mirrored_pair(ellipsoid((0.50, 0.17, 0.34), (-0.02, 0.26, 0.40), 'shade')),
    ]


def _futon() -> list[Part]:
    return [
        *_at_corners(box((0.08, 0.08, 0.12), (0.28, 0.48, 0.06), 'wood')),
        box((0.72, 1.10, 0.05), (0, 0, 0.14), 'wood'),
        box((0.68, 1.04, 0.14), (0.03, 0, 0.23)),
        box((0.14, 1.04, 0.46), (-0.26, 0, 0.48), pitch_deg=20),
        *mirrored_pair(box((0.05, 0.05, 0.42), (-0.36, 0.40, 0.34), 'wood', pitch_deg=20)),
        *mirrored_pair(cylinder(0.15, 0.40, (-0.09, 0.27, 0.37), 'light', 'y')),
    ]


def _winged_sofa() -> list[Part]:
    return [
        *_at_corners(cylinder(0.06, 0.12, (0.20, 0.42, 0.06), 'dark')),
        box((0.52, 0.96, 0.20), (0.01, 0, 0.20), 'shade'),
        *mirrored_pair(ellipsoid((0.52, 0.44, 0.18), (0.04, 0.22, 0.31))),
        box((0.13, 1.02, 0.84), (-0.22, 0, 0.52)),
        *mirrored_pair(box((0.28, 0.08, 0.44), (-0.08, 0.47, 0.68))),
        *mirrored_pair(box((0.48, 0.09, 0.34), (0.02, 0.48, 0.31))),
        *mirrored_pair(ellipsoid((0.14, 0.27, 0.27), (-0.12, 0.22, 0.52), 'light')),
    ]


def _tilted_monitor() -> list[Part]:
    return [
        ellipsoid((0.38, 0.42, 0.11), (-0.03, 0, 0.055), 'shade'),
        box((0.09, 0.18, 0.26), (-0.06, 0, 0.18), 'dark'),
        box((0.10, 0.60, 0.52), (0, 0, 0.47), pitch_deg=12),
        box((0.02, 0.50, 0.38), (0.045, 0, 0.49), 'screen', pitch_deg=12),
        ellipsoid((0.22, 0.42, 0.34), (-0.08, 0, 0.46), 'shade'),
    ]


def _trolley_screen() -> list[Part]:
    return [
        *_at_corners(ellipsoid((0.07, 0.06, 0.07), (0.18, 0.28, 0.035), 'dark')),
        *mirrored_pair(box((0.44, 0.06, 0.05), (0, 0.28, 0.08), 'dark')),
        box((0.08, 0.60, 0.05), (-0.04, 0, 0.09), 'dark'),
        *mirrored_pair(cylinder(0.05, 0.80, (-0.04, 0.14, 0.48), 'metal')),
        box((0.28, 0.44, 0.03), (0.05, 0, 0.36), 'wood'),
        box((0.07, 0.98, 0.56), (0.01, 0, 0.84)),
        box((0.02, 0.88, 0.46), (0.045, 0, 0.84), 'screen'),
        box((0.06, 0.40, 0.30), (-0.05, 0, 0.84), 'dark'),
        box((0.07, 0.14, 0.06), (0.02, 0, 1.14), 'dark'),
    ]


def _rugged_laptop() -> list[Part]:
    return [
        box((0.46, 0.62, 0.12), (0.10, 0, 0.06)),
        *mirrored_pair(box((0.12, 0.04, 0.05), (0.37, 0.15, 0.06), 'dark')),
        box((0.04, 0.34, 0.05), (0.43, 0, 0.06), 'dark'),
        box((0.22, 0.52, 0.02), (0.06, 0, 0.12), 'dark'),
        box((0.09, 0.16, 0.02), (0.25, 0, 0.12), 'metal'),
        box((0.09, 0.62, 0.44), (-0.15, 0, 0.32), pitch_deg=10),
        box((0.02, 0.46, 0.28), (-0.110, 0, 0.345), 'screen', pitch_deg=10),
        *mirrored_pair(box((0.11, 0.06, 0.10), (-0.18, 0.29, 0.49), 'dark', pitch_deg=10)),
    ]


def _slim_laptop() -> list[Part]:
    return [
        box((0.46, 0.80, 0.03), (0.15, 0, 0.015)),
        *(box((0.05, 0.70, 0.01), (x, 0, 0.032), 'dark') for x in (-0.02, 0.05, 0.12, 0.19)),
        box((0.10, 0.24, 0.01), (0.30, 0, 0.032), 'light'),
        *mirrored_pair(cylinder(0.05, 0.20, (-0.08, 0.24, 0.03), 'metal', 'y')),
        box((0.03, 0.80, 0.52), (-0.24, 0, 0.235), pitch_deg=38),
        box((0.02, 0.72, 0.44), (-0.231, 0, 0.243), 'screen', pitch_deg=38),
        box((0.01, 0.12, 0.12), (-0.251, 0, 0.226), 'light', pitch_deg=38),
    ]


def _display_cabinet() -> list[Part]:
    return [
        box((0.36, 0.56, 0.06), (0, 0, 0.03), 'dark'),
        box((0.42, 0.62, 0.30), (0, 0, 0.20)),
        *mirrored_pair(box((0.02, 0.26, 0.22), (0.215, 0.15, 0.20), 'light')),
        *mirrored_pair(ellipsoid((0.05, 0.04, 0.04), (0.235, 0.05, 0.24), 'dark')),
        box((0.06, 0.62, 0.60), (-0.18, 0, 0.64)),
        *mirrored_pair(box((0.05, 0.05, 0.60), (0.185, 0.285, 0.64))),
        box((0.36, 0.56, 0.60), (0.01, 0, 0.64), 'glass'),
        *(box((0.38, 0.58, 0.03), (0.01, 0, z), 'wood') for z in (0.54, 0.74)),
        box((0.03, 0.05, 0.60), (0.19, 0, 0.64)),
        box((0.46, 0.66, 0.06), (0, 0, 0.96)),
    ]


def _locker() -> list[Part]:
    return [
        *_at_corners(box((0.05, 0.05, 0.07), (0.14, 0.22, 0.035), 'dark')),
        box((0.34, 0.50, 1.02), (0, 0, 0.57)),
        *mirrored_pair(box((0.03, 0.22, 0.94), (0.175, 0.12, 0.57), 'shade')),
        *(slot for z in (0.20, 0.25, 0.86, 0.91, 0.96)
          for slot in mirrored_pair(box((0.02, 0.13, 0.02), (0.185, 0.12, z), 'dark'))),
        *mirrored_pair(box((0.02, 0.10, 0.06), (0.185, 0.12, 0.76), 'light')),
        *mirrored_pair(box((0.05, 0.03, 0.12), (0.20, 0.04, 0.56), 'metal')),
    ]  # fmt: skip


def _steel_case() -> list[Part]:
    return [
        box((0.62, 0.46, 0.36), (0, 0, 0.18)),
        *(box((0.64, 0.48, 0.04), (0, 0, z), 'metal') for z in (0.03, 0.25, 0.33)),
        *_at_corners(ellipsoid((0.11, 0.11, 0.10), (0.29, 0.21, 0.30), 'metal')),
        *_at_corners(ellipsoid((0.11, 0.11, 0.10), (0.29, 0.21, 0.05), 'metal')),
        *mirrored_pair(box((0.20, 0.04, 0.06), (0, 0.24, 0.15), 'dark')),
        *_ends(box((0.04, 0.16, 0.06), (0.32, 0, 0.15), 'dark')),
    ]


def _bottle_crate() -> list[Part]:
    return [
        box((0.46, 0.46, 0.55), (0, 0, 0.28), 'dark'),
        *(box((0.52, 0.52, 0.09), (0, 0, z)) for z in (0.045, 0.28)),
        box((0.54, 0.54, 0.13), (0, 0, 0.50)),
        *_at_corners(box((0.09, 0.09, 0.52), (0.22, 0.22, 0.26))),
        *mirrored_pair(box((0.08, 0.04, 0.52), (0, 0.24, 0.26), 'shade')),
        *_ends(box((0.04, 0.08, 0.52), (0.24, 0, 0.26), 'shade')),
        *mirrored_pair(box((0.22, 0.02, 0.05), (0, 0.265, 0.51), 'dark')),
        *_ends(box((0.02, 0.22, 0.05), (0.265, 0, 0.51), 'dark')),
    ]


def _water_barrel() -> list[Part]:
    return [
        *(cylinder(0.40 + 0.02 * i, 0.10, (0, 0, 0.05 + 0.09 * i)) for i in range(8)),
        *(
            cylinder(w, 0.05, (0, 0, z), 'metal')
            for w, z in ((0.44, 0.1), (0.5, 0.36), (0.56, 0.64))
        ),
        cylinder(0.50, 0.02, (0, 0, 0.73), 'wood'),
    ]


def _collared_keg() -> list[Part]:
    return [
        cylinder(0.40, 0.10, (0, 0, 0.05), 'metal'),
        ellipsoid((0.50, 0.50, 0.66), (0, 0, 0.37)),
        cylinder(0.50, 0.26, (0, 0, 0.37)),
        *(cylinder(0.52, 0.04, (0, 0, z), 'shade') for z in (0.26, 0.48)),
        cylinder(0.42, 0.14, (0, 0, 0.64), 'metal'),
        cylinder(0.32, 0.01, (0, 0, 0.711), 'dark'),
    ]


def _striped_ball() -> list[Part]:
    return [
        ellipsoid((0.50, 0.50, 0.50), (0, 0, 0.25)),
        cylinder(0.508, 0.06, (0, 0, 0.25), 'light'),
        *(cylinder(0.456, 0.03, (0, 0, 0.25 + z), 'shade') for z in (0.12, -0.12)),
        *(cylinder(0.348, 0.03, (0, 0, 0.25 + z), 'light') for z in (0.19, -0.19)),
    ]


def _knobbed_ball() -> list[Part]:
    knob = (0.10, 0.10, 0.10)
    return [
        ellipsoid((0.42, 0.42, 0.42), (0, 0, 0.25)),
        *(ellipsoid(knob, (0, 0, z), 'shade') for z in (0.05, 0.45)),
        *_ends(ellipsoid(knob, (0.20, 0, 0.25), 'shade')),
        *mirrored_pair(ellipsoid(knob, (0, 0.20, 0.25), 'shade')),
        *_at_corners(ellipsoid(knob, (0.145, 0.145, 0.25), 'shade')),
        *(part for z in (0.105, 0.395) for part in _ends(ellipsoid(knob, (0.145, 0, z), 'shade'))),
        *(part for z in (0.105, 0.395)
          for part in mirrored_pair(ellipsoid(knob, (0, 0.145, z), 'shade'))),
    ]  # fmt: skip


def _square_cone() -> list[Part]:
    steps = [(0.42 - 0.026 * i, 0.07 + 0.042 * i) for i in range(14)]
    return [
        box((0.58, 0.58, 0.05), (0, 0, 0.025), 'dark'),
        *(box((w, w, 0.05), (0, 0, z)) for w, z in steps),
        *(box((w + 0.004, w + 0.004, 0.05), (0, 0, z), 'light') for w, z in steps[6:9]),
    ]


def _lamp_cone() -> list[Part]:
    rings = [
        cylinder(0.30 - 0.02 * i, 0.06, (0, 0, 0.08 + 0.055 * i), 'light' if i == 6 else 'paint')
        for i in range(10)
    ]
    return [
        cylinder(0.46, 0.06, (0, 0, 0.03), 'dark'),
        *rings,
        cylinder(0.15, 0.05, (0, 0, 0.62), 'dark'),
        ellipsoid((0.15, 0.15, 0.18), (0, 0, 0.69), 'lamp'),
    ]


def _water_bottle() -> list[Part]:
    return [
        cylinder(0.36, 0.46, (0, 0, 0.23), 'shade'),
        *(cylinder(0.40, 0.10, (0, 0, z)) for z in (0.05, 0.18, 0.31, 0.43)),
        ellipsoid((0.40, 0.40, 0.24), (0, 0, 0.47)),
        cylinder(0.14, 0.16, (0, 0, 0.60)),
        cylinder(0.18, 0.07, (0, 0, 0.69), 'light'),
    ]


def _milk_bottle() -> list[Part]:
    return [
        cylinder(0.34, 0.36, (0, 0, 0.18)),
        *(cylinder(0.31 - 0.04 * i, 0.07, (0, 0, 0.37 + 0.05 * i)) for i in range(5)),
        cylinder(0.15, 0.10, (0, 0, 0.62)),
        cylinder(0.20, 0.04, (0, 0, 0.66), 'shade'),
        cylinder(0.17, 0.03, (0, 0, 0.69), 'light'),
    ]


def _tall_mug() -> list[Part]:
    return [
        *(cylinder(0.26 + 0.02 * i, 0.08, (0, 0, 0.04 + 0.07 * i)) for i in range(7)),
        cylinder(0.33, 0.01, (0, 0, 0.501), 'dark'),
        cylinder(0.26, 0.06, (0.22, 0, 0.28), 'shade', 'y'),
        cylinder(0.14, 0.07, (0.23, 0, 0.28), 'dark', 'y'),
    ]


def _square_mug() -> list[Part]:
    return [
        box((0.36, 0.36, 0.34), (0, 0, 0.17)),
        box((0.37, 0.37, 0.03), (0, 0, 0.33), 'light'),
        box((0.30, 0.30, 0.01), (0, 0, 0.346), 'dark'),
        *(cylinder(0.06, 0.14, (0.23, 0, z), 'light', 'x') for z in (0.24, 0.10)),
        ellipsoid((0.08, 0.08, 0.30), (0.28, 0, 0.17), 'light'),
    ]


MORE_THINGS: dict[str, tuple[list[Part], list[Part]]] = {
    'chair': (_cantilever_chair(), _tub_chair()),
    'sofa': (_futon(), _winged_sofa()),
    'monitor': (_tilted_monitor(), _trolley_screen()),
    'laptop': (_rugged_laptop(), _slim_laptop()),
    'cabinet': (_display_cabinet(), _locker()),
    'crate': (_steel_case(), _bottle_crate()),
    'barrel': (_water_barrel(), _collared_keg()),
    'ball': (_striped_ball(), _knobbed_ball()),
    'cone': (_square_cone(), _lamp_cone()),
    'bottle': (_water_bottle(), _milk_bottle()),
    'mug': (_tall_mug(), _square_mug()),
}
"""Two sets of parts of every thing, by the category's name."""
