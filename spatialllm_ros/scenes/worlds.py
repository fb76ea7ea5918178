"""A simulated world as plain numbers: its camera, objects, furniture and room.

Knows no renderer. World frame: z up, floor at z = 0, the camera above the origin looking along x,
y to its left. Metres and radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.geometry import as_vec3, box_corners
from spatialllm_ros.scenes.catalogue import CATEGORIES, Category
from spatialllm_ros.schema import CameraModel, Vec3

Array = NDArray[np.float64]

HELD_OUT_SEEDS = range(900_000_000, 1_000_000_000)
"""World seeds kept for tests: no training set may contain one."""
VALIDATION_SEEDS = range(800_000_000, 900_000_000)
"""World seeds for choosing between models and for the gates between training stages."""

PREFIX = 'sim-'
"""Begins the names of simulated scenes; those of annotated images begin otherwise."""

SMALL_BELOW, LARGE_ABOVE = 0.86, 1.16
"""Scales at which an object is called small or large; between them lies a gap never sampled."""


def scene_id(seed: int) -> str:
    """Return what the scene of a seed is called."""
    return f'{PREFIX}{seed}'


def seed_of(name: str) -> int | None:
    """Return the seed of the scene of a name; None if it is no simulated one."""
    number = name.removeprefix(PREFIX)
    return int(number) if number != name and number.isdecimal() else None


def is_kept_apart(name: str) -> bool:
    """Tell whether the scene of a name is a world for validation or tests, not for training."""
    seed = seed_of(name)
    return seed is not None and (seed in VALIDATION_SEEDS or seed in HELD_OUT_SEEDS)


@dataclass(frozen=True)
class WorldCamera:
    """A camera in the world; ``rotation`` rows take optical axes to world axes."""

    model: CameraModel
    position_m: Vec3
    world_from_optical: NDArray[np.float64]

    def to_optical(self, points_world: Array) -> Array:
        """Take world points (..., 3) to the optical frame."""
        shifted: Array = points_world - np.array(self.position_m)
        return shifted @ self.world_from_optical


@dataclass(frozen=True)
class Placement:
    """An object in the world: the middle of its base, and the yaw of its front about z.

    Attributes:
        shape: what it is built of; the catalogue's build of its category by default.
    """

    category: str
    colour: str
    scale: float
    base_m: Vec3
    yaw_rad: float
    support: str
    shape: Category | None = None

    @property
    def build(self) -> Category:
        """What it is built of."""
        return self.shape or CATEGORIES[self.category]

    @property
    def size_m(self) -> Array:
        """Full extents along the object's own axes."""
        return self.build.size_m * self.scale

    @property
    def rotation(self) -> Array:
        """Object axes to world axes."""
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])

    @property
    def centre_m(self) -> Array:
        """Centre of the object's box, world frame."""
        low, high = self.build.bounds_m
        offset: Array = (low + high) / 2 * self.scale
        return np.array(self.base_m) + self.rotation @ offset

    @property
    def footprint_radius_m(self) -> float:
        """Radius of a circle that stands in for the footprint when objects keep apart."""
        length, width, _ = self.size_m
        return float(0.5 * (0.35 * min(length, width) + 0.65 * math.hypot(length, width)))

    @property
    def size_word(self) -> str:
        """``small``, ``large`` or nothing."""
        if self.scale < SMALL_BELOW:
            return 'small'
        return 'large' if self.scale > LARGE_ABOVE else ''

    def corners_m(self) -> Array:
        """Return the eight corners (8, 3) of the object's box, world frame."""
        return box_corners(self.centre_m, self.size_m, self.rotation)


@dataclass(frozen=True)
class Slab:
    """A box of furniture that is never asked about: full size, centre, yaw and colour."""

    size_m: Vec3
    centre_m: Vec3
    yaw_rad: float
    rgb: Vec3


@dataclass(frozen=True)
class Room:
    """Everything that is seen but not asked about.

    Attributes:
        floor_texture: index into the renderer's textures; likewise ``wall_texture``.
        walls_m: distances of the wall ahead, the wall to the left and to the right.
        light_direction: the way the light falls, world frame.
    """

    floor_texture: int
    floor_rgb: Vec3
    wall_texture: int
    wall_rgb: Vec3
    walls_m: Vec3
    wall_height_m: float
    light_direction: Vec3
    light_strength: float
    ambient_strength: float


@dataclass(frozen=True)
class World:
    """All that a renderer needs; equal seeds make equal worlds."""

    seed: int
    camera: WorldCamera
    placements: tuple[Placement, ...]
    slabs: tuple[Slab, ...]
    room: Room


def world_camera(
    width_px: int, height_px: int, *, hfov_rad: float, height_m: float, pitch_rad: float,
    roll_rad: float = 0.0, yaw_rad: float = 0.0,
) -> WorldCamera:  # fmt: skip
    """Return a camera ``height_m`` above the origin, looking down by ``pitch_rad``.

    Roll turns the camera clockwise as seen from behind it, so that what stands upright leans to
    the left in the image; yaw turns the camera to its left.
    """
    cp, sp = math.cos(pitch_rad), math.sin(pitch_rad)
    cy, sy = math.cos(yaw_rad), math.sin(yaw_rad)
    forward = np.array([cp * cy, cp * sy, -sp])
    right = np.array([sy, -cy, 0.0])
    down = np.cross(forward, right)
    cr, sr = math.cos(roll_rad), math.sin(roll_rad)
    rotation = np.stack([cr * right + sr * down, -sr * right + cr * down, forward], axis=1)
    focal_px = width_px / 2 / math.tan(hfov_rad / 2)
    model = CameraModel(
        width_px, height_px, focal_px, focal_px, (width_px - 1) / 2, (height_px - 1) / 2,
        up_optical=as_vec3(rotation.T @ np.array([0.0, 0.0, 1.0])), height_m=height_m,
    )  # fmt: skip
    return WorldCamera(model, (0.0, 0.0, height_m), rotation)
