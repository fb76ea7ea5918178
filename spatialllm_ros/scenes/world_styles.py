"""The ranges that worlds are drawn from: the known ones, and sets that go beyond them.

Training shows the known worlds with most objects in varied builds. Each set beyond changes one
thing, so that a score on it says what the model does not stand.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class WorldStyle:
    """What a world is drawn from; the defaults are the known worlds.

    Attributes:
        hfov_deg: ranges of the horizontal field of view, one of which is chosen first; likewise
            ``camera_height_m``.
        roll_deg: standard deviation and limit of the camera's roll.
        counts: how many objects are wanted at least and at most, both included.
        count_shares: how often each of these.
        textures: first of the renderer's textures for floor and walls, and the one after the last.
        floor_brightness, wall_brightness: from black 0 to white 1.
        surface_tint: how far a surface's colour strays from grey.
        light_tilt_deg: of the light's direction from straight down.
        varied_share: how many objects are built otherwise than the catalogue does, at random.
        has_unseen_shapes: use the builds that are kept for tests.
    """

    hfov_deg: tuple[Range, ...] = ((48, 75),)
    camera_height_m: tuple[Range, ...] = ((0.7, 1.9),)
    roll_deg: Range = (2, 6)
    counts: tuple[int, int] = (2, 8)
    count_shares: tuple[float, ...] = (0.10, 0.17, 0.21, 0.20, 0.15, 0.10, 0.07)
    textures: tuple[int, int] = (0, 7)
    floor_brightness: Range = (0.4, 0.85)
    wall_brightness: Range = (0.45, 0.85)
    surface_tint: float = 0.10
    light_tilt_deg: Range = (20, 55)
    light_strength: Range = (0.25, 0.45)
    ambient_strength: Range = (0.35, 0.50)
    varied_share: float = 0.0
    has_unseen_shapes: bool = False


TRAINED = WorldStyle()
VARIED = WorldStyle(varied_share=0.6)
"""What training worlds are drawn from; the known ones are among them."""
STYLES: dict[str, WorldStyle] = {
    'trained': TRAINED,
    'varied': VARIED,
    'lenses': WorldStyle(hfov_deg=((38, 45), (80, 95))),
    'cameras': WorldStyle(camera_height_m=((0.4, 0.6), (2.1, 2.6)), roll_deg=(12, 25)),
    'rooms': WorldStyle(
        textures=(7, 10),
        floor_brightness=(0.15, 0.35),
        wall_brightness=(0.15, 0.4),
        surface_tint=0.15,
        light_tilt_deg=(60, 72),
        light_strength=(0.5, 0.7),
        ambient_strength=(0.2, 0.3),
    ),
    'crowds': WorldStyle(counts=(9, 12), count_shares=(0.25,) * 4),
    'shapes': WorldStyle(has_unseen_shapes=True),
}
"""Sets of worlds by name; no training set may be drawn from any but the first two."""
