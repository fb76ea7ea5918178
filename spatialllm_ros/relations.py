"""What is true in 3D: the oracle that every question's answer comes from.

Each relation looks at a scene in the gravity frame (origin on the floor below the camera, x to the
camera's right, y the way it looks along the floor, z up) and returns a label with the numbers that
decided it, or AMBIGUOUS where a person could disagree. Which way an object without a front faces
is a GeometryError. Knows no words.

Source: definitions follow the question types of 3DSRBench; the margins are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.errors import GeometryError
from spatialllm_ros.footprints import Footprint, gap_m
from spatialllm_ros.geometry import azimuth, horizontal, unit
from spatialllm_ros.schema import Scene, SceneObject

Array = NDArray[np.float64]

AMBIGUOUS = ''
"""The label of a relation that is too close to call."""
SIDES = ('front', 'left', 'back', 'right')
"""An object's sides, counter-clockwise from above: side k is at 90 k degrees from its front."""

HEIGHT_MARGIN_M = 0.15
DISTANCE_MARGIN_M, DISTANCE_MARGIN_SHARE = 0.25, 0.09
"""Two distances to the camera differ if they do by this length and this share of the nearer."""
CLOSER_MARGIN_M, CLOSER_MARGIN_SHARE = 0.30, 0.20
"""Likewise for two distances between objects, whose extents blur the notion more."""
SIDE_MARGIN_COSINE = 0.42
"""In front of, behind, left and right need this cosine: within 65 degrees of the axis."""
QUARTER_MARGIN_DEG = 34.0
"""A side is the one that something is on, or that is seen, within this angle of its axis."""
BESIDE_GAP_M, APART_GAP_M = 0.30, 0.75
"""Next to: footprints less than this far apart; not next to: further than that."""
BESIDE_HEIGHT_M, BESIDE_OVERLAP_M = 0.45, 0.3
LARGE_RADIUS_M = 1.0
"""Between things that are both larger, gaps are judged by the scale of the smaller."""
FACING_COSINE, FACING_MARGIN = 0.80, 0.35
"""An object faces another if its front points at it so well, and at the rival so much less."""
PARALLEL_DEG, PERPENDICULAR_DEG = 22.0, 65.0
SAME_DEG, DIFFERENT_DEG = 32.0, 75.0
TOO_CLOSE_M = 0.35
"""Directions to something nearer than this are not asked: the objects' extents decide them."""
LEAST_M = 0.05
"""In a ratio of distances nothing counts as nearer."""
HIT_REACH, MISS_REACH, MISS_GAP_M = 0.6, 1.4, 0.2
"""Things in motion hit if their centres pass within this share of their half widths together, as
seen along the way, and miss beyond that share and this gap."""
HORIZON_M = 6.0
"""A collision after a longer way than this is not asked about."""


@dataclass(frozen=True)
class Relation:
    """A label, and the numbers behind it, named with their units and scaled to about [-2, 2]."""

    label: str
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def is_ambiguous(self) -> bool:
        """Whether the label is too close to call."""
        return self.label == AMBIGUOUS


@dataclass(frozen=True)
class SceneGeometry:
    """A scene's objects in the gravity frame.

    Attributes:
        positions_m: (N, 3) centres; z is the height above the floor.
        distances_m: (N,) from the camera's optical centre.
        fronts: (N, 2) unit front directions along the floor; zero without a front.
        azimuths_rad: (N,) headings as the camera sees them; NaN without a front.
        radii_m: (N,) half of each footprint's longer side.
        half_heights_m: (N,).
        footprints: N of them.
    """

    positions_m: Array
    distances_m: Array
    fronts: Array
    azimuths_rad: Array
    radii_m: Array
    half_heights_m: Array
    footprints: tuple[Footprint, ...]


def scene_geometry(scene: Scene) -> SceneGeometry:
    """Return the gravity-frame numbers of a scene.

    Raises:
        GeometryError: the camera's gravity or height is unknown.
    """
    camera, objects = scene.camera, scene.objects
    if camera.up_optical is None or camera.height_m is None:
        raise GeometryError(
            f'expected gravity and camera height in scene {scene.scene_id}, found none: '
            'relations need both'
        )
    up = unit(camera.up_optical)
    forward = horizontal([0.0, 0.0, 1.0], up)
    to_gravity = np.stack([np.cross(forward, up), forward, up])
    centres = np.array([item.centre_optical_m for item in objects], float).reshape(-1, 3)
    sizes = np.array([item.size_m for item in objects], float).reshape(-1, 3)
    positions_m = centres @ to_gravity.T + np.array([0.0, 0.0, camera.height_m])
    footprints = (
        Footprint(place[:2], _floor_axes(item, to_gravity), size[:2] / 2)
        for place, item, size in zip(positions_m, objects, sizes, strict=True)
    )
    return SceneGeometry(
        positions_m=positions_m,
        distances_m=np.linalg.norm(centres, axis=1),
        fronts=np.array([_front(item, to_gravity) for item in objects]).reshape(-1, 2),
        azimuths_rad=np.array([_azimuth(item, up) for item in objects]),
        radii_m=sizes[:, :2].max(axis=1) / 2,
        half_heights_m=sizes[:, 2] / 2,
        footprints=tuple(footprints),
    )


def _floor_axes(item: SceneObject, to_gravity: Array) -> Array:
    """Return which way an object's length and width lie on the floor, as rows (2, 2)."""
    x, y = (to_gravity @ np.array(item.rotation_optical))[:2, 0]
    length = np.array([x, y]) / max(float(np.hypot(x, y)), 1e-9)
    return np.stack([length, [-length[1], length[0]]])


def _front(item: SceneObject, to_gravity: Array) -> Array:
    if not item.has_front:
        return np.zeros(2)
    front: Array = to_gravity @ np.array(item.rotation_optical)[:, 0]
    return front[:2] / max(float(np.hypot(front[0], front[1])), 1e-9)


def _azimuth(item: SceneObject, up: Array) -> float:
    if not item.has_front:
        return math.nan
    return azimuth(np.array(item.rotation_optical)[:, 0], item.centre_optical_m, up)


def higher(g: SceneGeometry, a: int, b: int) -> Relation:
    """Which centre is higher above the floor: ``a`` or ``b``."""
    gap_m = float(g.positions_m[a, 2] - g.positions_m[b, 2])
    label = AMBIGUOUS if abs(gap_m) < HEIGHT_MARGIN_M else 'a' if gap_m > 0 else 'b'
    return Relation(label, {'height_gap_1_5m': gap_m * 1.5})


def closer_to_camera(g: SceneGeometry, a: int, b: int) -> Relation:
    """Which centre is nearer to the camera: ``a`` or ``b``."""
    near, far = sorted((float(g.distances_m[a]), float(g.distances_m[b])))
    clear = far - near >= max(DISTANCE_MARGIN_M, DISTANCE_MARGIN_SHARE * near)
    label = ('a' if g.distances_m[a] < g.distances_m[b] else 'b') if clear else AMBIGUOUS
    ratio = float(g.distances_m[b] / g.distances_m[a])
    return Relation(label, {'log_distance_ratio_3': 3 * math.log(ratio)})


def directly_above(g: SceneGeometry, a: int, b: int) -> Relation:
    """Whether a is right above b (``yes`` or ``no``)."""
    offset = g.positions_m[a] - g.positions_m[b]
    aside_m = float(np.hypot(offset[0], offset[1]))
    over_m = float(offset[2] - g.half_heights_m[a] - g.half_heights_m[b])
    reach_m = 0.5 * max(0.3, float(g.radii_m[b]))
    numbers = {'aside_1_5m': aside_m / 1.5, 'gap_m': over_m}
    if aside_m < reach_m and over_m > -0.08:
        return Relation('yes', numbers)
    if aside_m > 2 * reach_m + 0.15 and offset[2] > 0.1:
        return Relation('no', numbers)
    return Relation(AMBIGUOUS, numbers)


def next_to(g: SceneGeometry, a: int, b: int) -> Relation:
    """Whether two objects stand side by side (``yes`` or ``no``)."""
    between_m = gap_m(g.footprints[a], g.footprints[b])
    level_m = abs(float(g.positions_m[a, 2] - g.positions_m[b, 2]))
    scale = max(1.0, float(min(g.radii_m[a], g.radii_m[b])) / LARGE_RADIUS_M)
    numbers = {'gap_m': between_m}
    if -BESIDE_OVERLAP_M < between_m < BESIDE_GAP_M * scale and level_m < BESIDE_HEIGHT_M * scale:
        return Relation('yes', numbers)
    return Relation('no' if between_m > APART_GAP_M * scale else AMBIGUOUS, numbers)


def _front_of(g: SceneGeometry, a: int) -> tuple[float, float]:
    x, y = (float(v) for v in g.fronts[a])
    if x == y == 0:
        raise GeometryError(
            f'expected an object with a front, found none at index {a}: '
            'which way it faces is not to be asked'
        )
    return x, y


def _bearing(g: SceneGeometry, a: int, b: int) -> tuple[float, float] | None:
    """Return the cosines of a to b with a's front and left; None if b is too near."""
    x, y = _front_of(g, a)
    offset = (g.positions_m[b] - g.positions_m[a])[:2]
    distance_m = float(np.hypot(offset[0], offset[1]))
    if distance_m < TOO_CLOSE_M:
        return None
    to_x, to_y = (float(v) / distance_m for v in offset)
    return x * to_x + y * to_y, x * to_y - y * to_x


def in_front_of(g: SceneGeometry, a: int, b: int) -> Relation:
    """Whether b is in ``front`` of a or ``behind`` it, as a faces."""
    bearing = _bearing(g, a, b)
    if bearing is None:
        return Relation(AMBIGUOUS)
    front, left = bearing
    label = _sign(front, 'front', 'behind')
    return Relation(label, {'front_cosine': front, 'left_cosine': left})


def on_the_left(g: SceneGeometry, a: int, b: int) -> Relation:
    """Whether b is to the ``left`` or the ``right`` of a, as a faces."""
    bearing = _bearing(g, a, b)
    if bearing is None:
        return Relation(AMBIGUOUS)
    front, left = bearing
    label = _sign(left, 'left', 'right')
    return Relation(label, {'front_cosine': front, 'left_cosine': left})


def _sign(cosine: float, positive: str, negative: str) -> str:
    if abs(cosine) < SIDE_MARGIN_COSINE:
        return AMBIGUOUS
    return positive if cosine > 0 else negative


def side_towards(g: SceneGeometry, a: int, b: int) -> Relation:
    """Which side of a faces b."""
    bearing = _bearing(g, a, b)
    if bearing is None:
        return Relation(AMBIGUOUS)
    front, left = bearing
    return Relation(_side(math.atan2(left, front)), {'front_cosine': front, 'left_cosine': left})


def side_seen(g: SceneGeometry, a: int) -> Relation:
    """Which side of a faces the camera."""
    _front_of(g, a)
    heading = float(g.azimuths_rad[a])
    return Relation(
        _side(heading), {'azimuth_sin': math.sin(heading), 'azimuth_cos': math.cos(heading)}
    )


def _side(angle_rad: float) -> str:
    """Return the side at an angle, counter-clockwise from the front, if it is near an axis."""
    degrees = math.degrees(angle_rad)
    quarter = round(degrees / 90)
    return SIDES[quarter % 4] if abs(degrees - 90 * quarter) <= QUARTER_MARGIN_DEG else AMBIGUOUS


def in_the_way(g: SceneGeometry, a: int, b: int) -> Relation:
    """Whether a hits b (``yes`` or ``no``) if a goes straight ahead and b stays."""
    return _meeting(g, a, b, velocity=-g.fronts[a])


def collision(g: SceneGeometry, a: int, b: int) -> Relation:
    """Whether a and b hit (``yes`` or ``no``) if both go straight ahead, equally fast."""
    _front_of(g, b)
    return _meeting(g, a, b, velocity=g.fronts[b] - g.fronts[a])


def _meeting(g: SceneGeometry, a: int, b: int, velocity: Array) -> Relation:
    """Say whether b meets a when it moves with a velocity as a sees it; a's own speed is one."""
    _front_of(g, a)
    apart_m = (g.positions_m[b] - g.positions_m[a])[:2]
    rate = float(velocity @ velocity)
    moves = rate > 1e-6
    way_m = max(0.0, -float(apart_m @ velocity) / rate) if moves else 0.0
    miss_m = float(np.hypot(*(apart_m + way_m * velocity)))
    reach_m = _reach_m(g, a, b, np.array([-velocity[1], velocity[0]]) if moves else apart_m)
    numbers = {'log_miss': math.log((miss_m + 0.1) / reach_m), 'way_3m': min(way_m, HORIZON_M) / 3}
    level_m = abs(float(g.positions_m[a, 2] - g.positions_m[b, 2]))
    if level_m > float(g.half_heights_m[a] + g.half_heights_m[b]) or way_m > HORIZON_M:
        return Relation(AMBIGUOUS, numbers)
    if way_m > 0 and miss_m < HIT_REACH * reach_m:
        return Relation('yes', numbers)
    return Relation('no' if miss_m > MISS_REACH * reach_m + MISS_GAP_M else AMBIGUOUS, numbers)


def _reach_m(g: SceneGeometry, a: int, b: int, across: Array) -> float:
    """Return how far two things reach from their centres along a direction (2,), together."""
    direction = across / max(float(np.hypot(*across)), 1e-9)
    return max(LEAST_M, sum(g.footprints[i].half_width_m(direction) for i in (a, b)))


def camera_moves(g: SceneGeometry, a: int, b: int) -> Relation:
    """Whether b is to the ``left`` or ``right`` of a camera that has moved straight to a."""
    there = g.positions_m[a, :2]
    return _side_on_the_way(there, there, g.positions_m[b, :2])


def object_moves(g: SceneGeometry, a: int, b: int, c: int) -> Relation:
    """Whether c is to the ``left`` or ``right`` of a after it has moved straight to b."""
    start, there, seen = (g.positions_m[i, :2] for i in (a, b, c))
    return _side_on_the_way(there - start, there, seen)


def object_turns(g: SceneGeometry, a: int, b: int, c: int) -> Relation:
    """Whether c is to the ``left`` or ``right`` of a after it has turned to face b."""
    stand, faced, seen = (g.positions_m[i, :2] for i in (a, b, c))
    return _side_on_the_way(faced - stand, stand, seen)


def _side_on_the_way(way_m: Array, stand_m: Array, seen_m: Array) -> Relation:
    """Say on which side something is seen from a stand, looking along a way; all (2,)."""
    to_m = seen_m - stand_m
    way, distance_m = float(np.hypot(*way_m)), float(np.hypot(*to_m))
    if min(way, distance_m) < TOO_CLOSE_M:
        return Relation(AMBIGUOUS)
    front = float(way_m @ to_m) / (way * distance_m)
    left = float(way_m[0] * to_m[1] - way_m[1] * to_m[0]) / (way * distance_m)
    label = _sign(left, 'left', 'right')
    return Relation(label, {'front_cosine': front, 'left_cosine': left})


def closer_to(g: SceneGeometry, a: int, b: int, c: int) -> Relation:
    """Which of ``a`` and ``b`` is nearer to c."""
    to_a, to_b = (float(np.linalg.norm(g.positions_m[i] - g.positions_m[c])) for i in (a, b))
    clear = abs(to_a - to_b) >= max(CLOSER_MARGIN_M, CLOSER_MARGIN_SHARE * min(to_a, to_b))
    label = ('a' if to_a < to_b else 'b') if clear else AMBIGUOUS
    ratio = 1.5 * math.log(max(to_b, LEAST_M) / max(to_a, LEAST_M))
    return Relation(
        label, {'log_ratio_1_5': ratio, 'a_less_1_5m': to_a - 1.5, 'b_less_1_5m': to_b - 1.5}
    )


def facing(g: SceneGeometry, a: int, b: int, c: int) -> Relation:
    """Which of ``a`` and ``b`` c is facing."""
    bearings = _bearing(g, c, a), _bearing(g, c, b)
    if bearings[0] is None or bearings[1] is None:
        return Relation(AMBIGUOUS)
    to_a, to_b = bearings[0][0], bearings[1][0]
    clear = max(to_a, to_b) >= FACING_COSINE and abs(to_a - to_b) >= FACING_MARGIN
    label = ('a' if to_a > to_b else 'b') if clear else AMBIGUOUS
    return Relation(label, {'a_cosine': to_a, 'b_cosine': to_b})


def turn_deg(g: SceneGeometry, a: int, b: int) -> float:
    """Return the angle between two fronts, 0 to 180 degrees."""
    (ax, ay), (bx, by) = _front_of(g, a), _front_of(g, b)
    return abs(math.degrees(math.atan2(ax * by - ay * bx, ax * bx + ay * by)))


def parallel(g: SceneGeometry, a: int, b: int) -> Relation:
    """Whether two objects stand ``parallel`` or ``perpendicular``."""
    turn = turn_deg(g, a, b)
    crossing = min(turn, 180 - turn)
    label = AMBIGUOUS
    if crossing <= PARALLEL_DEG:
        label = 'parallel'
    elif crossing >= PERPENDICULAR_DEG:
        label = 'perpendicular'
    return Relation(label, _turn_numbers(turn))


def same_direction(g: SceneGeometry, a: int, b: int) -> Relation:
    """Whether two objects face the ``same`` or ``different`` directions."""
    turn = turn_deg(g, a, b)
    label = 'same' if turn <= SAME_DEG else 'different' if turn >= DIFFERENT_DEG else AMBIGUOUS
    return Relation(label, _turn_numbers(turn))


def _turn_numbers(turn: float) -> dict[str, float]:
    angle = math.radians(turn)
    return {'turn_cosine': math.cos(angle), 'double_turn_cosine': math.cos(2 * angle)}
