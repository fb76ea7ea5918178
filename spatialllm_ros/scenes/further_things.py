"""Two further builds of every piece of furniture, screen and vessel, for training worlds.

Same frame, symmetry and toy scale as the catalogue; what has no front there shows none here.
"""

from __future__ import annotations

from spatialllm_ros.scenes.primitives import Part, box, cylinder, ellipsoid, mirrored_pair


def _at_corners(part: Part) -> list[Part]:
    """Return the part, which stands ahead and to the left, at all four corners."""
    x, y, z = part.centre_m
    behind = Part(part.shape, part.half_size_m, (-x, y, z), part.role, part.rotation)
    return [*mirrored_pair(part), *mirrored_pair(behind)]


def _office_chair() -> list[Part]:
    return [
        box((0.52, 0.06, 0.05), (0, 0, 0.09), 'dark'),
        box((0.06, 0.52, 0.05), (0, 0, 0.09), 'dark'),
        *mirrored_pair(ellipsoid((0.09, 0.07, 0.09), (0, 0.25, 0.045), 'dark')),
        ellipsoid((0.09, 0.07, 0.09), (0.25, 0, 0.045), 'dark'),
        ellipsoid((0.09, 0.07, 0.09), (-0.25, 0, 0.045), 'dark'),
        cylinder(0.08, 0.30, (0, 0, 0.24), 'metal'),
        ellipsoid((0.54, 0.54, 0.16), (0.02, 0, 0.42)),
        box((0.05, 0.10, 0.30), (-0.26, 0, 0.52), 'metal', pitch_deg=-8),
        ellipsoid((0.14, 0.50, 0.46), (-0.26, 0, 0.76)),
        *mirrored_pair(box((0.05, 0.05, 0.22), (-0.02, 0.28, 0.52), 'metal')),
        *mirrored_pair(box((0.30, 0.08, 0.05), (0.02, 0.28, 0.64), 'dark')),
    ]


def _slat_chair() -> list[Part]:
    return [
        cylinder(0.44, 0.06, (0.02, 0, 0.41)),
        *mirrored_pair(cylinder(0.05, 0.40, (0.16, 0.14, 0.20))),
        *mirrored_pair(cylinder(0.05, 0.92, (-0.17, 0.17, 0.46))),
        *(box((0.04, 0.38, 0.07), (-0.17, 0, z), 'wood') for z in (0.58, 0.72)),
        box((0.05, 0.44, 0.11), (-0.17, 0, 0.88)),
        *mirrored_pair(cylinder(0.03, 0.34, (0, 0.155, 0.18), 'wood', 'x')),
        cylinder(0.03, 0.28, (0.16, 0, 0.24), 'wood', 'y'),
    ]


def _low_sofa() -> list[Part]:
    return [
        *_at_corners(box((0.06, 0.06, 0.10), (0.24, 0.45, 0.05), 'metal')),
        box((0.60, 1.08, 0.16), (0, 0, 0.18)),
        box((0.54, 0.34, 0.08), (0.03, 0, 0.29), 'shade'),
        *mirrored_pair(box((0.54, 0.34, 0.08), (0.03, 0.36, 0.29), 'shade')),
        box((0.12, 1.08, 0.32), (-0.26, 0, 0.40)),
        ellipsoid((0.20, 0.42, 0.34), (-0.17, 0, 0.48), 'shade'),
        *mirrored_pair(ellipsoid((0.20, 0.42, 0.34), (-0.17, 0.34, 0.48), 'shade')),
        *mirrored_pair(box((0.10, 0.24, 0.24), (-0.03, 0.38, 0.44), 'light', pitch_deg=-20)),
    ]


def _wooden_sofa() -> list[Part]:
    return [
        *_at_corners(box((0.07, 0.06, 0.54), (0.24, 0.42, 0.27), 'wood')),
        *mirrored_pair(box((0.60, 0.09, 0.04), (0, 0.42, 0.55), 'wood')),
        *mirrored_pair(box((0.46, 0.03, 0.05), (0, 0.42, 0.40), 'wood')),
        box((0.50, 0.80, 0.05), (0, 0, 0.21), 'wood'),
        *mirrored_pair(box((0.52, 0.38, 0.13), (0.02, 0.195, 0.30))),
        box((0.04, 0.86, 0.06), (-0.29, 0, 0.78), 'wood'),
        *mirrored_pair(box((0.04, 0.05, 0.60), (-0.28, 0.40, 0.50), 'wood')),
        *mirrored_pair(box((0.14, 0.38, 0.48), (-0.20, 0.195, 0.58), pitch_deg=-8)),
    ]


def _speaker_monitor() -> list[Part]:
    return [
        box((0.08, 0.74, 0.62), (0, 0, 0.48)),
        box((0.02, 0.68, 0.44), (0.04, 0, 0.55), 'screen'),
        box((0.02, 0.70, 0.10), (0.04, 0, 0.23), 'light'),
        *mirrored_pair(box((0.12, 0.12, 0.50), (0, 0.43, 0.48), 'dark')),
        *mirrored_pair(cylinder(0.09, 0.02, (0.065, 0.43, 0.60), 'metal', 'x')),
        *mirrored_pair(cylinder(0.09, 0.02, (0.065, 0.43, 0.36), 'metal', 'x')),
        box((0.04, 0.22, 0.34), (-0.10, 0, 0.18), 'metal', pitch_deg=18),
        box((0.26, 0.30, 0.03), (-0.04, 0, 0.015), 'metal'),
    ]


def _upright_monitor() -> list[Part]:
    return [
        cylinder(0.40, 0.05, (-0.04, 0, 0.025)),
        cylinder(0.09, 0.40, (-0.09, 0, 0.24), 'dark'),
        ellipsoid((0.16, 0.34, 0.44), (-0.05, 0, 0.60), 'shade'),
        box((0.08, 0.54, 0.82), (0.02, 0, 0.60)),
        box((0.02, 0.44, 0.70), (0.06, 0, 0.61), 'screen'),
        ellipsoid((0.02, 0.05, 0.03), (0.06, 0, 0.22), 'light'),
    ]


def _small_laptop() -> list[Part]:
    return [
        box((0.42, 0.50, 0.07), (0.10, 0, 0.035), 'shade'),
        *(box((0.05, 0.42, 0.02), (x, 0, 0.075), 'dark') for x in (-0.02, 0.05, 0.12)),
        ellipsoid((0.10, 0.14, 0.02), (0.24, 0, 0.075), 'dark'),
        cylinder(0.08, 0.40, (-0.12, 0, 0.06), 'dark', 'y'),
        box((0.05, 0.50, 0.38), (-0.135, 0, 0.26), pitch_deg=-4),
        box((0.02, 0.40, 0.28), (-0.108, 0, 0.27), 'screen', pitch_deg=-4),
    ]


def _large_laptop() -> list[Part]:
    return [
        box((0.56, 0.92, 0.06), (0.14, 0, 0.03)),
        box((0.12, 0.92, 0.09), (-0.10, 0, 0.045), 'shade'),
        box((0.26, 0.64, 0.02), (0.10, 0, 0.06), 'light'),
        *mirrored_pair(box((0.20, 0.10, 0.02), (0.10, 0.39, 0.06), 'dark')),
        box((0.12, 0.26, 0.02), (0.33, 0, 0.06), 'dark'),
        *mirrored_pair(cylinder(0.07, 0.16, (-0.10, 0.30, 0.10), 'metal', 'y')),
        box((0.04, 0.92, 0.54), (-0.25, 0, 0.31), pitch_deg=-34),
        box((0.02, 0.84, 0.46), (-0.228, 0, 0.325), 'screen', pitch_deg=-34),
    ]


def _wardrobe() -> list[Part]:
    return [
        *_at_corners(ellipsoid((0.09, 0.09, 0.08), (0.13, 0.25, 0.04), 'wood')),
        box((0.36, 0.62, 1.00), (0, 0, 0.56)),
        box((0.44, 0.70, 0.06), (0.01, 0, 1.09), 'shade'),
        box((0.40, 0.66, 0.06), (0.01, 0, 0.10), 'shade'),
        *mirrored_pair(box((0.02, 0.26, 0.40), (0.185, 0.15, 0.80), 'wood')),
        *mirrored_pair(box((0.02, 0.26, 0.34), (0.185, 0.15, 0.36), 'wood')),
        box((0.01, 0.02, 0.88), (0.183, 0, 0.58), 'dark'),
        *mirrored_pair(ellipsoid((0.06, 0.05, 0.05), (0.20, 0.05, 0.57), 'metal')),
    ]


def _sideboard() -> list[Part]:
    return [
        *_at_corners(cylinder(0.05, 0.22, (0.14, 0.46, 0.11), 'metal')),
        box((0.38, 1.06, 0.38), (0, 0, 0.39)),
        box((0.42, 1.12, 0.04), (0, 0, 0.60), 'wood'),
        *mirrored_pair(box((0.02, 0.32, 0.32), (0.195, 0.35, 0.39), 'light')),
        box((0.02, 0.34, 0.32), (0.195, 0, 0.39), 'glass'),
        *mirrored_pair(cylinder(0.03, 0.16, (0.22, 0.24, 0.40), 'dark')),
        box((0.03, 0.34, 0.02), (0.195, 0, 0.39), 'wood'),
    ]


def _pallet_crate() -> list[Part]:
    boards = [
        *mirrored_pair(box((0.50, 0.03, 0.09), (0, 0.26, 0.24), 'wood')),
        *mirrored_pair(box((0.50, 0.03, 0.09), (0, 0.26, 0.62), 'wood')),
        *(box((0.03, 0.50, 0.09), (x, 0, z), 'wood') for x in (0.26, -0.26) for z in (0.24, 0.62)),
    ]
    return [
        box((0.60, 0.60, 0.03), (0, 0, 0.125), 'wood'),
        *mirrored_pair(box((0.60, 0.09, 0.11), (0, 0.25, 0.055), 'wood')),
        box((0.60, 0.09, 0.11), (0, 0, 0.055), 'wood'),
        box((0.50, 0.50, 0.56), (0, 0, 0.42)),
        *boards,
        *_at_corners(box((0.09, 0.05, 0.52), (0.21, 0.26, 0.42), 'wood')),
        *_at_corners(box((0.04, 0.09, 0.52), (0.26, 0.21, 0.42), 'wood')),
    ]


def _flat_crate() -> list[Part]:
    slats = [
        *(slat for z in (0.07, 0.18, 0.29)
          for slat in mirrored_pair(box((0.72, 0.03, 0.08), (0, 0.24, z)))),
        *(box((0.03, 0.46, 0.08), (x, 0, z)) for x in (0.345, -0.345) for z in (0.07, 0.18, 0.29)),
    ]  # fmt: skip
    return [
        *slats,
        box((0.66, 0.44, 0.31), (0, 0, 0.165), 'cloth'),
        box((0.70, 0.09, 0.03), (0, 0, 0.335), 'shade'),
        *mirrored_pair(box((0.70, 0.09, 0.03), (0, 0.12, 0.335), 'shade')),
        *mirrored_pair(box((0.70, 0.07, 0.03), (0, 0.22, 0.335), 'shade')),
        *_at_corners(cylinder(0.06, 0.35, (0.33, 0.225, 0.175), 'metal')),
    ]


def _bulging_barrel() -> list[Part]:
    widths = (0.36, 0.41, 0.45, 0.47, 0.45, 0.41, 0.36)
    staves = [cylinder(width, 0.125, (0, 0, 0.06 + 0.12 * i)) for i, width in enumerate(widths)]
    hoops = [(0.38, 0.03), (0.44, 0.18), (0.44, 0.66), (0.38, 0.81)]
    return [
        *staves,
        *(cylinder(width, 0.045, (0, 0, z), 'dark') for width, z in hoops),
        cylinder(0.32, 0.02, (0, 0, 0.845), 'wood'),
    ]


def _squat_barrel() -> list[Part]:
    return [
        cylinder(0.50, 0.46, (0, 0, 0.23)),
        ellipsoid((0.64, 0.64, 0.46), (0, 0, 0.23)),
        cylinder(0.56, 0.34, (0, 0, 0.23)),
        *(cylinder(0.60, 0.03, (0, 0, z), 'metal') for z in (0.09, 0.37)),
        *(cylinder(0.65, 0.03, (0, 0, z), 'metal') for z in (0.18, 0.28)),
        cylinder(0.53, 0.04, (0, 0, 0.02), 'metal'),
        cylinder(0.53, 0.04, (0, 0, 0.45), 'metal'),
        cylinder(0.46, 0.01, (0, 0, 0.472), 'wood'),
    ]


def _football() -> list[Part]:
    return [
        ellipsoid((0.44, 0.44, 0.44), (0, 0, 0.22)),
        cylinder(0.18, 0.02, (0, 0, 0.43), 'dark'),
        cylinder(0.18, 0.02, (0, 0, 0.01), 'dark'),
        cylinder(0.18, 0.02, (0.21, 0, 0.22), 'dark', 'x'),
        cylinder(0.18, 0.02, (-0.21, 0, 0.22), 'dark', 'x'),
        *mirrored_pair(cylinder(0.18, 0.02, (0, 0.21, 0.22), 'dark', 'y')),
    ]


def _basketball() -> list[Part]:
    return [
        ellipsoid((0.52, 0.52, 0.52), (0, 0, 0.26)),
        cylinder(0.528, 0.015, (0, 0, 0.26), 'dark'),
        cylinder(0.528, 0.015, (0, 0, 0.264), 'dark', 'x'),
        cylinder(0.528, 0.015, (0, 0, 0.264), 'dark', 'y'),
        *mirrored_pair(cylinder(0.465, 0.015, (0, 0.13, 0.26), 'dark', 'y')),
    ]


def _wide_cone() -> list[Part]:
    rings = [
        cylinder(0.50 - 0.085 * i, 0.085, (0, 0, 0.09 + 0.08 * i), 'shade' if i % 2 else 'paint')
        for i in range(5)
    ]
    return [
        cylinder(0.66, 0.05, (0, 0, 0.025)),
        cylinder(0.15, 0.44, (0, 0, 0.22)),
        *rings,
        ellipsoid((0.13, 0.13, 0.14), (0, 0, 0.48), 'light'),
    ]


def _collared_cone() -> list[Part]:
    rings = [
        cylinder(0.32 - 0.0155 * i, 0.05, (0, 0, 0.10 + 0.045 * i),
                 'light' if i in (5, 6, 7, 10, 11) else 'paint')
        for i in range(17)
    ]  # fmt: skip
    return [
        *_at_corners(box((0.12, 0.12, 0.03), (0.17, 0.17, 0.015), 'dark')),
        box((0.42, 0.42, 0.06), (0, 0, 0.05), 'dark'),
        cylinder(0.07, 0.74, (0, 0, 0.44)),
        *rings,
    ]


def _wine_bottle() -> list[Part]:
    return [
        cylinder(0.25, 0.46, (0, 0, 0.23)),
        ellipsoid((0.25, 0.25, 0.24), (0, 0, 0.46)),
        cylinder(0.09, 0.36, (0, 0, 0.70)),
        cylinder(0.10, 0.16, (0, 0, 0.84), 'dark'),
        cylinder(0.12, 0.03, (0, 0, 0.90), 'dark'),
        cylinder(0.256, 0.22, (0, 0, 0.25), 'light'),
        cylinder(0.258, 0.03, (0, 0, 0.33), 'shade'),
    ]


def _drinking_bottle() -> list[Part]:
    return [
        cylinder(0.32, 0.20, (0, 0, 0.10)),
        cylinder(0.18, 0.50, (0, 0, 0.30)),
        cylinder(0.26, 0.14, (0, 0, 0.25), 'shade'),
        cylinder(0.32, 0.12, (0, 0, 0.36)),
        ellipsoid((0.32, 0.32, 0.16), (0, 0, 0.42)),
        cylinder(0.21, 0.10, (0, 0, 0.51), 'dark'),
        cylinder(0.09, 0.06, (0, 0, 0.58), 'light'),
        ellipsoid((0.11, 0.11, 0.08), (0, 0, 0.62), 'light'),
    ]


def _round_mug() -> list[Part]:
    return [
        cylinder(0.26, 0.05, (0, 0, 0.025), 'shade'),
        ellipsoid((0.49, 0.49, 0.34), (0, 0, 0.19)),
        cylinder(0.45, 0.14, (0, 0, 0.27)),
        cylinder(0.46, 0.03, (0, 0, 0.35), 'light'),
        cylinder(0.40, 0.01, (0, 0, 0.366), 'dark'),
        *(cylinder(0.06, 0.14, (0.28, 0, z), 'light', 'x') for z in (0.28, 0.16)),
        ellipsoid((0.07, 0.07, 0.20), (0.34, 0, 0.22), 'light'),
    ]


def _broad_based_mug() -> list[Part]:
    rings = [cylinder(0.50 - 0.035 * i, 0.08, (0, 0, 0.04 + 0.07 * i)) for i in range(5)]
    return [
        *rings,
        cylinder(0.51, 0.03, (0, 0, 0.015), 'dark'),
        cylinder(0.31, 0.01, (0, 0, 0.361), 'dark'),
        ellipsoid((0.24, 0.07, 0.20), (0.25, 0, 0.21), 'shade'),
    ]


THINGS: dict[str, tuple[list[Part], list[Part]]] = {
    'chair': (_office_chair(), _slat_chair()),
    'sofa': (_low_sofa(), _wooden_sofa()),
    'monitor': (_speaker_monitor(), _upright_monitor()),
    'laptop': (_small_laptop(), _large_laptop()),
    'cabinet': (_wardrobe(), _sideboard()),
    'crate': (_pallet_crate(), _flat_crate()),
    'barrel': (_bulging_barrel(), _squat_barrel()),
    'ball': (_football(), _basketball()),
    'cone': (_wide_cone(), _collared_cone()),
    'bottle': (_wine_bottle(), _drinking_bottle()),
    'mug': (_round_mug(), _broad_based_mug()),
}
"""Two sets of parts of every thing, by the category's name."""
