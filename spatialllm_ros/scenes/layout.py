"""Sample worlds: where the camera stands, what is in view, what stands on what and faces what.

Rare configurations that questions ask about (objects facing one another, parallel, stacked, side
by side) are planted here, so that answers can be balanced later without throwing most away.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from spatialllm_ros.geometry import project
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS, Category
from spatialllm_ros.scenes.unseen_shapes import UNSEEN_SHAPES
from spatialllm_ros.scenes.varied_shapes import varied_shape
from spatialllm_ros.scenes.world_styles import TRAINED, Range, WorldStyle
from spatialllm_ros.scenes.worlds import (
    LARGE_ABOVE,
    SMALL_BELOW,
    Placement,
    Room,
    Slab,
    World,
    WorldCamera,
    world_camera,
)
from spatialllm_ros.schema import Vec3

NEAREST_M, FARTHEST_M = 1.6, 6.0
GAP_M = 0.06
"""Least free space between two footprints."""
MAX_BOX_OVERLAP = 0.45
"""Greatest share of an object's image box that another's may cover when it is placed."""
MIN_SHARE_INSIDE = 0.85
"""Least share of an object's image box that lies inside the image."""
MAX_IMAGE_SHARE = 0.6
"""Greatest part of the image's width or height that one object may span."""

NAMES = tuple(CATEGORIES)
FLAT_TOPS = tuple(name for name, category in CATEGORIES.items() if category.flat_top)


def sample_world(seed: int, width_px: int, height_px: int, style: WorldStyle = TRAINED) -> World:
    """Return the world of a seed, seen by a camera with an image of the given size."""
    rng = np.random.Generator(np.random.PCG64(seed))
    builder = _Builder(rng, _sample_camera(rng, width_px, height_px, style), style)
    fewest, most = style.counts
    wanted = int(rng.choice(np.arange(fewest, most + 1), p=style.count_shares))
    if rng.random() < 0.22:
        builder.add_shelf()
    for _ in range(8 * wanted):
        if len(builder.placements) >= wanted:
            break
        builder.add_object()
    room = _sample_room(rng, style)
    return World(seed, builder.camera, tuple(builder.placements), tuple(builder.slabs), room)


def _sample_camera(
    rng: np.random.Generator, width_px: int, height_px: int, style: WorldStyle
) -> WorldCamera:
    height_m = _draw_from(rng, style.camera_height_m)
    roll_deg, most_deg = style.roll_deg
    look_at_m, look_z_m = rng.uniform(2.2, 4.2), rng.uniform(0.2, 0.7)
    return world_camera(
        width_px,
        height_px,
        hfov_rad=math.radians(_draw_from(rng, style.hfov_deg)),
        height_m=height_m,
        pitch_rad=math.atan2(height_m - look_z_m, look_at_m),
        roll_rad=math.radians(float(np.clip(rng.normal(0, roll_deg), -most_deg, most_deg))),
    )


def _draw_from(rng: np.random.Generator, ranges: tuple[Range, ...]) -> float:
    chosen = ranges[int(rng.integers(len(ranges)))] if len(ranges) > 1 else ranges[0]
    return float(rng.uniform(*chosen))


def _sample_room(rng: np.random.Generator, style: WorldStyle) -> Room:
    angle, tilt = rng.uniform(-1.9, 1.9), math.radians(rng.uniform(*style.light_tilt_deg))
    tint = style.surface_tint
    return Room(
        floor_texture=int(rng.integers(*style.textures)),
        floor_rgb=_surface_rgb(rng, style.floor_brightness, tint),
        wall_texture=int(rng.integers(*style.textures)),
        wall_rgb=_surface_rgb(rng, style.wall_brightness, tint),
        walls_m=(rng.uniform(6.3, 9.0), rng.uniform(3.5, 7.0), rng.uniform(3.5, 7.0)),
        wall_height_m=rng.uniform(2.4, 4.0),
        light_direction=(
            math.sin(tilt) * math.cos(angle),
            math.sin(tilt) * math.sin(angle),
            -math.cos(tilt),
        ),
        light_strength=rng.uniform(*style.light_strength),
        ambient_strength=rng.uniform(*style.ambient_strength),
    )


def _surface_rgb(rng: np.random.Generator, brightness: Range, tint: float = 0.10) -> Vec3:
    """Return a pale colour: surfaces must not pass for objects."""
    grey = rng.uniform(*brightness)
    r, g, b = np.clip(grey + rng.uniform(-tint, tint, 3), 0.05, 1.0)
    return (float(r), float(g), float(b))


class _Builder:
    """The objects placed so far, and the ways of adding one that collides with none."""

    def __init__(self, rng: np.random.Generator, camera: WorldCamera, style: WorldStyle) -> None:
        self.rng = rng
        self.camera = camera
        self.style = style
        self.placements: list[Placement] = []
        self.slabs: list[Slab] = []
        self._boxes: list[np.ndarray] = []
        self._tops: set[int] = set()

    def add_object(self) -> bool:
        """Try one object on the floor, on a block, beside another or on top of one."""
        draw = self.rng.random()
        if draw < 0.16 and self.placements:
            return self._add_on_top()
        candidate = self._draw_object()
        if draw < 0.36 and self.placements:
            position = self._beside(candidate)
        else:
            position = self._somewhere()
        candidate = replace(candidate, base_m=position)
        candidate = replace(candidate, yaw_rad=self._draw_yaw(candidate))
        if draw > 0.72:
            return self._add_on_block(candidate)
        return self._keep(candidate, self._is_apart(candidate))

    def add_shelf(self) -> None:
        """Put up a shelf with one or two things on it and perhaps one beneath."""
        rng = self.rng
        x, y, _ = self._somewhere(nearest=2.3, farthest=4.6)
        top_m, width_m, depth_m = rng.uniform(0.55, 0.95), rng.uniform(0.9, 1.7), 0.55
        rgb = _surface_rgb(rng, (0.25, 0.6))
        self.slabs.append(Slab((depth_m, width_m, 0.05), (x, y, top_m - 0.025), 0.0, rgb))
        for sx in (-1, 1):
            for sy in (-1, 1):
                leg = (x + sx * (depth_m / 2 - 0.03), y + sy * (width_m / 2 - 0.03))
                size = (0.05, 0.05, top_m - 0.05)
                self.slabs.append(Slab(size, (*leg, size[2] / 2), 0.0, rgb))
        for slot in rng.permutation([-1, 1])[: rng.integers(1, 3)]:
            base = (x, y + slot * width_m * rng.uniform(0.2, 0.28), top_m)
            self._put(base, 'shelf', largest_m=0.30 * width_m + 0.22)
        if rng.random() < 0.6:
            base = (x, y + rng.uniform(-0.25, 0.25) * width_m, 0.0)
            self._put(base, 'floor', largest_m=top_m - 0.1)

    def _put(self, base_m: Vec3, support: str, largest_m: float) -> bool:
        """Put an object at a spot, shrunk until it fits there."""
        candidate = self._draw_object()
        fit = largest_m / float(candidate.size_m.max())
        scale = min(candidate.scale, candidate.scale * fit)
        if SMALL_BELOW <= scale < 0.92:
            scale = SMALL_BELOW - 0.01
        candidate = replace(candidate, scale=max(scale, 0.45), base_m=base_m, support=support)
        candidate = replace(candidate, yaw_rad=self._draw_yaw(candidate))
        return self._keep(candidate, may_keep=True)

    def _add_on_top(self) -> bool:
        """Stack a small object on a flat-topped one."""
        free = [
            i
            for i, placed in enumerate(self.placements)
            if placed.category in FLAT_TOPS and i not in self._tops
        ]
        if not free:
            return False
        index = int(self.rng.choice(free))
        below = self.placements[index]
        top_m = below.base_m[2] + float(below.build.bounds_m[1][2]) * below.scale
        base = (below.base_m[0], below.base_m[1], top_m)
        if not self._put(base, 'object', largest_m=0.62):
            return False
        self._tops.add(index)
        return True

    def _add_on_block(self, candidate: Placement) -> bool:
        height_m = float(self.rng.uniform(0.15, 0.85))
        x, y, _ = candidate.base_m
        raised = replace(candidate, base_m=(x, y, height_m), support='block')
        length, width = float(raised.size_m[0]) + 0.06, float(raised.size_m[1]) + 0.06
        if not self._keep(raised, self._is_apart(raised)):
            return False
        rgb = _surface_rgb(self.rng, (0.25, 0.8))
        size = (length, width, height_m)
        self.slabs.append(Slab(size, (x, y, height_m / 2), raised.yaw_rad, rgb))
        return True

    def _draw_object(self) -> Placement:
        rng = self.rng
        category, colour = str(rng.choice(NAMES)), str(rng.choice(tuple(COLOURS)))
        if self.placements and rng.random() < 0.12:
            category = self.placements[int(rng.integers(len(self.placements)))].category
        low, high = ((0.72, SMALL_BELOW), (0.92, 1.09), (LARGE_ABOVE, 1.34))[int(rng.integers(3))]
        scale = float(rng.uniform(low + 0.005, high - 0.005))
        shape = self._draw_shape(category)
        return Placement(category, colour, scale, (0.0, 0.0, 0.0), 0.0, 'floor', shape)

    def _draw_shape(self, category: str) -> Category | None:
        """Return a build other than the catalogue's, where the style wants one."""
        if self.style.has_unseen_shapes:
            return UNSEEN_SHAPES[category]
        varied = self.style.varied_share
        is_varied = varied > 0 and self.rng.random() < varied
        return varied_shape(category, self.rng) if is_varied else None

    def _somewhere(self, nearest: float = NEAREST_M, farthest: float = FARTHEST_M) -> Vec3:
        """Return a floor point inside the camera's horizontal field of view."""
        half_fov = math.atan(self.camera.model.width_px / 2 / self.camera.model.fx_px)
        distance = math.exp(self.rng.uniform(math.log(nearest), math.log(farthest)))
        bearing = self.rng.uniform(-0.86, 0.86) * half_fov
        return (distance * math.cos(bearing), distance * math.sin(bearing), 0.0)

    def _beside(self, candidate: Placement) -> Vec3:
        """Return a floor point just beside an object that stands on the floor or a block."""
        other = self.placements[int(self.rng.integers(len(self.placements)))]
        gap = self.rng.uniform(GAP_M, 0.3)
        reach = other.footprint_radius_m + candidate.footprint_radius_m + gap
        angle = self.rng.uniform(-math.pi, math.pi)
        return (
            other.base_m[0] + reach * math.cos(angle),
            other.base_m[1] + reach * math.sin(angle),
            0.0,
        )

    def _draw_yaw(self, candidate: Placement) -> float:
        """Return a yaw: often one that relates the object to another, else any."""
        rng = self.rng
        draw = rng.random()
        if self.placements and draw < 0.42:
            other = self.placements[int(rng.integers(len(self.placements)))]
            turn = (0.0, 0.0, math.pi / 2, -math.pi / 2, math.pi)[int(rng.integers(5))]
            return float(other.yaw_rad + turn + rng.normal(0, math.radians(7)))
        if self.placements and draw < 0.72:
            other = self.placements[int(rng.integers(len(self.placements)))]
            dx, dy = other.base_m[0] - candidate.base_m[0], other.base_m[1] - candidate.base_m[1]
            turn = (0.0, 0.0, math.pi / 2, -math.pi / 2, math.pi)[int(rng.integers(5))]
            return float(math.atan2(dy, dx) + turn + rng.normal(0, math.radians(9)))
        return float(rng.uniform(-math.pi, math.pi))

    def _is_apart(self, candidate: Placement) -> bool:
        for other in self.placements:
            dx = candidate.base_m[0] - other.base_m[0]
            dy = candidate.base_m[1] - other.base_m[1]
            reach = candidate.footprint_radius_m + other.footprint_radius_m
            if math.hypot(dx, dy) < reach + GAP_M - 1e-9:
                return False
        return math.hypot(*candidate.base_m[:2]) > NEAREST_M - 0.2

    def _keep(self, candidate: Placement, may_keep: bool) -> bool:
        """Keep the candidate if it is well inside the image and hides no other too much."""
        if not may_keep:
            return False
        corners = self.camera.to_optical(candidate.corners_m())
        if corners[:, 2].min() < 0.4:
            return False
        points = project(self.camera.model, corners)
        box = np.concatenate([points.min(axis=0), points.max(axis=0)])
        size = np.array([self.camera.model.width_px, self.camera.model.height_px])
        centre = project(self.camera.model, self.camera.to_optical(candidate.centre_m))
        seen = np.concatenate([np.clip(box[:2], 0, size), np.clip(box[2:], 0, size)])
        inside = (
            bool(np.all(centre > 0.04 * size) and np.all(centre < 0.96 * size))
            and np.prod(seen[2:] - seen[:2]) > MIN_SHARE_INSIDE * np.prod(box[2:] - box[:2])
            and bool(np.all(box[2:] - box[:2] < MAX_IMAGE_SHARE * size))
        )
        if not inside or any(_overlap(box, other) > MAX_BOX_OVERLAP for other in self._boxes):
            return False
        self.placements.append(candidate)
        self._boxes.append(box)
        return True


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the area two boxes share, as a part of the smaller one."""
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    smaller = min(float(np.prod(a[2:] - a[:2])), float(np.prod(b[2:] - b[:2])))
    return float(np.prod(shared)) / max(smaller, 1e-9)
