"""Each relation against angles and lengths in the world, where the scenes are made.

The world has z up and any camera in it; its angles are in degrees, counter-clockwise from above.
"""

import math
from collections import Counter
from dataclasses import dataclass, replace
from itertools import permutations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialllm_ros import relations
from spatialllm_ros.geometry import as_mat3, as_vec3
from spatialllm_ros.relations import AMBIGUOUS, scene_geometry
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

CAMERA = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5)
OPTICAL_AXES = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float)
SWAPPED = {'a': 'b', 'b': 'a'}
MIRRORED = {'left': 'right', 'right': 'left'}


@dataclass(frozen=True)
class Thing:
    """An object in the world: its centre, which way it faces, its length, width and height."""

    at: tuple[float, float, float]
    yaw_deg: float = 0.0
    size: tuple[float, float, float] = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Viewer:
    """A camera in the world: where it is, which way it looks, pitched down and rolled."""

    at: tuple[float, float, float] = (0.0, 0.0, 1.4)
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0


def about(axis, degrees) -> np.ndarray:
    x, y = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix[x, x], matrix[x, y], matrix[y, x], matrix[y, y] = c, -s, s, c
    return matrix


def geometry_of(things, viewer=Viewer()):
    return scene_geometry(scene_of(things, viewer))


def scene_of(things, viewer) -> Scene:
    attitude = about(2, viewer.yaw_deg) @ about(1, viewer.pitch_deg) @ about(0, viewer.roll_deg)
    to_optical = (attitude @ OPTICAL_AXES).T
    objects = tuple(
        SceneObject(
            'car', 'red', '', '', as_vec3(to_optical @ (np.array(thing.at) - viewer.at)),
            thing.size, as_mat3(to_optical @ about(2, thing.yaw_deg)), True, 1.0,
            (0, 0, 9, 9), 'floor',
        )
        for thing in things
    )  # fmt: skip
    up = as_vec3(to_optical @ [0, 0, 1])
    camera = replace(CAMERA, up_optical=up, height_m=viewer.at[2])
    return Scene('s', '', camera, objects, 'simulated', 'Apache-2.0')


def random_world(seed) -> tuple[list[Thing], Viewer]:
    rng = np.random.default_rng(seed)
    things = []
    for _ in range(3):
        yaw = float(rng.choice([0, 90, 180])) + rng.normal(0, 25)
        at = rng.uniform([1, -1.5, 0.1], [4, 1.5, 1.2])
        if things and rng.random() < 0.5:
            at = np.array(things[0].at) + rng.normal(0, [0.25, 0.25, 0.5])
        size = rng.uniform(0.2, [rng.choice([1, 4]), 1, 1])
        things.append(Thing(as_vec3(at), yaw, as_vec3(size)))
    viewer = Viewer(
        as_vec3(rng.uniform([-1, -1, 0.5], [0, 1, 2])), *rng.uniform(-180, 180, 1),
        *rng.uniform(-40, 60, 1), *rng.uniform(-90, 90, 1),
    )  # fmt: skip
    return things, viewer


def wrapped(degrees) -> float:
    return (degrees + 180) % 360 - 180


def bearing_deg(a, point) -> float:
    """Where a point lies as ``a`` faces: 0 ahead, 90 to its left."""
    return wrapped(math.degrees(math.atan2(point[1] - a.at[1], point[0] - a.at[0])) - a.yaw_deg)


def flat_m(a, b) -> float:
    return math.dist(a.at[:2], b.at[:2])


def reach_m(thing) -> float:
    return max(thing.size[:2]) / 2


def nearer(first_m, second_m, length_m, share) -> str:
    low, high = min(first_m, second_m), max(first_m, second_m)
    if high - low < length_m or high < low * (1 + share):
        return AMBIGUOUS
    return 'a' if first_m == low else 'b'


def side_at(degrees) -> str:
    for name, axis in (('front', 0), ('left', 90), ('back', 180), ('right', -90)):
        if abs(wrapped(degrees - axis)) <= 34:
            return name
    return AMBIGUOUS


def higher(a, b) -> str:
    gap = a.at[2] - b.at[2]
    return 'a' if gap >= 0.15 else 'b' if gap <= -0.15 else AMBIGUOUS


def directly_above(a, b) -> str:
    underside, top = a.at[2] - a.size[2] / 2, b.at[2] + b.size[2] / 2
    within = max(0.15, reach_m(b) / 2)
    if flat_m(a, b) < within and underside > top - 0.08:
        return 'yes'
    far = flat_m(a, b) > 2 * within + 0.15 and a.at[2] > b.at[2] + 0.1
    return 'no' if far else AMBIGUOUS


def corners(thing) -> np.ndarray:
    """Return where the corners (4, 2) of its footprint are in the world."""
    length, width, _ = thing.size
    own = [(x * length / 2, y * width / 2, 0) for x, y in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    return (np.array(own) @ about(2, thing.yaw_deg).T + thing.at)[:, :2]


def between_m(a, b) -> float:
    """Return the gap between footprints: how far all ways from one to the other are from none."""
    ways = (corners(b)[:, None] - corners(a)[None]).reshape(-1, 1, 2)
    return -cv2.pointPolygonTest(cv2.convexHull(ways.astype(np.float32)), (0, 0), True)


def next_to(a, b) -> str:
    scale = max(1, min(reach_m(a), reach_m(b)))
    if between_m(a, b) > 0.75 * scale:
        return 'no'
    beside = -0.3 < between_m(a, b) < 0.3 * scale and abs(a.at[2] - b.at[2]) < 0.45 * scale
    return 'yes' if beside else AMBIGUOUS


def in_front_of(a, b) -> str:
    turn = abs(bearing_deg(a, b.at))
    limit = math.degrees(math.acos(0.42))
    if flat_m(a, b) < 0.35 or limit < turn < 180 - limit:
        return AMBIGUOUS
    return 'front' if turn <= limit else 'behind'


def on_the_left(a, b) -> str:
    turned_left = replace(a, yaw_deg=a.yaw_deg + 90)
    return {'front': 'left', 'behind': 'right'}.get(in_front_of(turned_left, b), AMBIGUOUS)


def side_towards(a, b) -> str:
    return AMBIGUOUS if flat_m(a, b) < 0.35 else side_at(bearing_deg(a, b.at))


def closer_to(a, b, c) -> str:
    return nearer(math.dist(a.at, c.at), math.dist(b.at, c.at), 0.30, 0.20)


def facing(a, b, c) -> str:
    if min(flat_m(a, c), flat_m(b, c)) < 0.35:
        return AMBIGUOUS
    cosines = {
        name: math.cos(math.radians(bearing_deg(c, thing.at)))
        for name, thing in (('a', a), ('b', b))
    }
    best = max(cosines, key=cosines.get)
    other = cosines[SWAPPED[best]]
    return best if cosines[best] >= 0.8 and cosines[best] - other >= 0.35 else AMBIGUOUS


def parallel(a, b) -> str:
    turn = abs(wrapped(a.yaw_deg - b.yaw_deg))
    if turn <= 22 or turn >= 158:
        return 'parallel'
    return 'perpendicular' if 65 <= turn <= 115 else AMBIGUOUS


def same_direction(a, b) -> str:
    turn = abs(wrapped(a.yaw_deg - b.yaw_deg))
    return 'same' if turn <= 32 else 'different' if turn >= 75 else AMBIGUOUS


def towards_deg(start, end) -> float:
    return math.degrees(math.atan2(end[1] - start[1], end[0] - start[0]))


def object_moves(a, b, c) -> str:
    arrived = replace(b, yaw_deg=towards_deg(a.at, b.at))
    return AMBIGUOUS if flat_m(a, b) < 0.35 else on_the_left(arrived, c)


def object_turns(a, b, c) -> str:
    turned = replace(a, yaw_deg=towards_deg(a.at, b.at))
    return AMBIGUOUS if flat_m(a, b) < 0.35 else on_the_left(turned, c)


def driven(thing, way_m) -> Thing:
    x, y, z = thing.at
    angle = math.radians(thing.yaw_deg)
    return replace(thing, at=(x + way_m * math.cos(angle), y + way_m * math.sin(angle), z))


def closest(a, b, b_moves) -> tuple[float, float]:
    """Return the way after which a and b are closest and how close, by ternary search."""

    def apart(way_m):
        return flat_m(driven(a, way_m), driven(b, way_m if b_moves else 0))

    low, high = 0.0, 1000.0
    for _ in range(200):
        third = (high - low) / 3
        if apart(low + third) <= apart(high - third):
            high -= third
        else:
            low += third
    return low, apart(low)


def lane_m(a, b, b_moves) -> float:
    """Return half the width that a and b take together, as seen by one of them on its way."""
    motion = np.subtract(driven(b, b_moves).at, b.at) - np.subtract(driven(a, 1).at, a.at)
    x, y = motion[:2] if np.hypot(*motion[:2]) > 1e-3 else (b.at[1] - a.at[1], a.at[0] - b.at[0])
    sideways = np.array([y, -x]) / math.hypot(x, y)
    return sum(np.ptp(corners(thing) @ sideways) for thing in (a, b)) / 2


def meeting(a, b, b_moves) -> str:
    way_m, gap_m = closest(a, b, b_moves)
    reach = lane_m(a, b, b_moves)
    if abs(a.at[2] - b.at[2]) > (a.size[2] + b.size[2]) / 2 or way_m > 6:
        return AMBIGUOUS
    if gap_m < 0.6 * reach and way_m > 1e-9:
        return 'yes'
    return 'no' if gap_m > 1.4 * reach + 0.2 else AMBIGUOUS


def in_the_way(a, b) -> str:
    return meeting(a, b, b_moves=False)


def collision(a, b) -> str:
    return meeting(a, b, b_moves=True)


IN_THE_WORLD = {
    function.__name__: (function, roles, labels)
    for function, roles, labels in (
        (higher, 2, 'a b'),
        (directly_above, 2, 'yes no'),
        (next_to, 2, 'yes no'),
        (in_front_of, 2, 'front behind'),
        (on_the_left, 2, 'left right'),
        (side_towards, 2, 'front left back right'),
        (closer_to, 3, 'a b'),
        (facing, 3, 'a b'),
        (parallel, 2, 'parallel perpendicular'),
        (same_direction, 2, 'same different'),
        (in_the_way, 2, 'yes no'),
        (collision, 2, 'yes no'),
        (object_moves, 3, 'left right'),
        (object_turns, 3, 'left right'),
    )
}
"""Slow formulations of the relations among objects, with their number of roles and labels."""
seeds = st.integers(0, 10**9)


@pytest.mark.parametrize('name', IN_THE_WORLD)
@given(seed=seeds)
def test_a_relation_is_what_the_world_says(name, seed):
    slow, roles, _ = IN_THE_WORLD[name]
    things, viewer = random_world(seed)
    g = geometry_of(things, viewer)
    for indices in permutations(range(3), roles):
        found = getattr(relations, name)(g, *indices)
        assert found.label == slow(*(things[i] for i in indices))
        assert found.is_ambiguous == (found.label == '')


@given(seeds)
def test_the_camera_sees_the_nearer_object_and_the_side_turned_to_it(seed):
    things, viewer = random_world(seed)
    g = geometry_of(things, viewer)
    away = [math.dist(thing.at, viewer.at) for thing in things]
    for a, b in permutations(range(3), 2):
        assert relations.closer_to_camera(g, a, b).label == nearer(away[a], away[b], 0.25, 0.09)
        expected = object_moves(Thing(viewer.at), things[a], things[b])
        assert relations.camera_moves(g, a, b).label == expected
    for index, thing in enumerate(things):
        assert relations.side_seen(g, index).label == side_at(bearing_deg(thing, viewer.at))


@pytest.mark.parametrize('name', IN_THE_WORLD)
def test_random_worlds_hold_every_label(name):
    slow, roles, labels = IN_THE_WORLD[name]
    found = Counter(slow(*random_world(seed)[0][:roles]) for seed in range(400))
    assert set(found) == {*labels.split(), AMBIGUOUS}
    assert min(found.values()) >= 8


THREE = ('closer_to', 'facing')
MUTUAL = ('higher', 'closer_to_camera', 'next_to', 'parallel', 'same_direction', 'collision')


@pytest.mark.parametrize('name', [*MUTUAL, *THREE])
@given(seed=seeds)
def test_exchanging_two_objects_exchanges_the_answer_if_it_names_one(name, seed):
    g = geometry_of(*random_world(seed))
    relation, third = getattr(relations, name), (2,) if name in THREE else ()
    there, back = relation(g, 0, 1, *third).label, relation(g, 1, 0, *third).label
    assert there == SWAPPED.get(back, back)


@given(seeds, st.floats(-180, 180), st.floats(-80, 80), st.floats(-180, 180))
def test_the_way_the_camera_is_held_changes_no_relation(seed, yaw, pitch, roll):
    things, viewer = random_world(seed)
    held = replace(viewer, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)
    assert all_labels(geometry_of(things, held)) == all_labels(geometry_of(things, viewer))


@given(seeds, st.floats(-180, 180), st.tuples(st.floats(-9, 9), st.floats(-9, 9)))
def test_moving_the_world_and_the_camera_together_changes_no_relation(seed, turn, shift):
    things, viewer = random_world(seed)

    def moved(thing):
        at = as_vec3(about(2, turn) @ thing.at + [*shift, 0])
        return replace(thing, at=at, yaw_deg=thing.yaw_deg + turn)

    g = geometry_of([moved(thing) for thing in things], moved(viewer))
    assert all_labels(g) == all_labels(geometry_of(things, viewer))


@given(seeds)
def test_the_mirror_image_exchanges_left_and_right_alone(seed):
    scene = scene_of(*random_world(seed))
    flip = np.diag([-1.0, 1.0, 1.0])
    objects = tuple(
        replace(
            item,
            centre_optical_m=as_vec3(flip @ item.centre_optical_m),
            rotation_optical=as_mat3(flip @ item.rotation_optical @ np.diag([1, -1, 1])),
        )
        for item in scene.objects
    )
    camera = replace(scene.camera, up_optical=as_vec3(flip @ scene.camera.up_optical))
    mirrored = all_labels(scene_geometry(replace(scene, camera=camera, objects=objects)))
    plain = all_labels(scene_geometry(scene))
    assert mirrored == {key: MIRRORED.get(label, label) for key, label in plain.items()}


def all_labels(g) -> dict[tuple, str]:
    found = {('side_seen', i): relations.side_seen(g, i).label for i in range(3)}
    for name, (_, roles, _) in {**IN_THE_WORLD, 'closer_to_camera': (None, 2, '')}.items():
        for indices in permutations(range(3), roles):
            found[name, *indices] = getattr(relations, name)(g, *indices).label
    return found
