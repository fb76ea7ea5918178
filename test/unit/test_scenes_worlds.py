"""The catalogue and the sampled worlds, checked against what they promise."""

import math

import numpy as np
import pytest

from spatialllm_ros.geometry import project
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS
from spatialllm_ros.scenes.further_shapes import FURTHER_SHAPES
from spatialllm_ros.scenes.layout import sample_world
from spatialllm_ros.scenes.other_shapes import OTHER_SHAPES
from spatialllm_ros.scenes.primitives import Part, box, cylinder, ellipsoid, extent
from spatialllm_ros.scenes.unseen_shapes import UNSEEN_SHAPES
from spatialllm_ros.scenes.varied_shapes import KNOWN, varied_shape
from spatialllm_ros.scenes.world_styles import STYLES
from spatialllm_ros.scenes.worlds import (
    HELD_OUT_SEEDS,
    LARGE_ABOVE,
    SMALL_BELOW,
    VALIDATION_SEEDS,
    Placement,
    World,
    world_camera,
)

WORLDS = [sample_world(seed, 384, 288) for seed in range(60)]


def test_there_are_enough_categories_and_fronts():
    assert len(CATEGORIES) >= 16
    assert sum(category.has_front for category in CATEGORIES.values()) >= 12
    assert len(COLOURS) == 8


def _solid(part: Part) -> tuple:
    spread = np.round(np.abs(np.array(part.rotation)) @ np.array(part.half_size_m), 6)
    return (part.shape, part.role, tuple(spread), np.round(part.centre_m, 6).tolist())


VARIED = [
    varied_shape(name, np.random.default_rng(seed)) for name in CATEGORIES for seed in range(6)
]
FURTHER = [build for builds in FURTHER_SHAPES for build in builds.values()]
BUILDS = [
    *CATEGORIES.values(),
    *OTHER_SHAPES.values(),
    *FURTHER,
    *UNSEEN_SHAPES.values(),
    *VARIED,
]
each_build = pytest.mark.parametrize('build', BUILDS, ids=lambda build: build.name)


@each_build
def test_every_object_is_its_own_mirror_image(build):
    parts = [_solid(part) for part in build.parts]
    mirrored = [(s, r, e, [x, -y + 0.0, z]) for s, r, e, (x, y, z) in parts]
    assert sorted(map(str, mirrored)) == sorted(
        map(str, [(s, r, e, [x, y + 0.0, z]) for s, r, e, (x, y, z) in parts])
    )


@each_build
def test_every_object_stands_on_the_floor(build):
    low, high = build.bounds_m
    assert abs(low[2]) < 0.02
    least, most = (0.1, 1.8) if build in VARIED else (0.2, 1.3)  # stretched, or a foot lost
    assert np.all(high - low > least)
    assert np.all(high - low < most)


def test_extent_of_hand_made_parts():
    low, high = extent([box((2, 4, 6), (1, 0, 3))])
    assert low.tolist() == [0, -2, 0]
    assert high.tolist() == [2, 2, 6]
    low, high = extent([cylinder(2.0, 10.0, (0, 0, 0), axis='y')])
    assert np.allclose(low, [-1, -5, -1])
    low, high = extent([ellipsoid((2, 4, 6), (0, 0, 0))])
    assert np.allclose(high, [1, 2, 3])


def test_tilted_box_extent_equals_that_of_its_corners():
    part = box((0.5, 0.2, 1.0), (0, 0, 0), pitch_deg=30)
    corners = np.array(
        [[x, y, z] for x in (-0.25, 0.25) for y in (-0.1, 0.1) for z in (-0.5, 0.5)]
    )
    turned = corners @ np.array(part.rotation).T
    low, high = extent([part])
    assert np.allclose(high, turned.max(axis=0))
    assert np.allclose(low, turned.min(axis=0))


def test_equal_seeds_make_equal_worlds():
    again = sample_world(17, 384, 288)
    first = WORLDS[17]
    assert again.placements == first.placements
    assert again.slabs == first.slabs
    assert again.room == first.room
    assert again.camera.model == first.camera.model
    assert sample_world(18, 384, 288).placements != first.placements


def test_seed_ranges_do_not_touch():
    assert VALIDATION_SEEDS.stop <= HELD_OUT_SEEDS.start
    assert VALIDATION_SEEDS.start > 0


def test_worlds_hold_two_to_eight_objects_within_the_image():
    counts = [len(world.placements) for world in WORLDS]
    assert min(counts) >= 1
    assert max(counts) <= 8
    assert np.mean(counts) > 3.5
    for world in WORLDS:
        for placed in world.placements:
            u, v = project(world.camera.model, world.camera.to_optical(placed.centre_m))
            assert 0 < u < 384
            assert 0 < v < 288


def test_objects_on_the_floor_do_not_overlap():
    for world in WORLDS:
        standing = [p for p in world.placements if p.base_m[2] == 0]
        for i, a in enumerate(standing):
            for b in standing[i + 1 :]:
                distance = math.dist(a.base_m, b.base_m)
                assert distance > 0.5 * min(a.size_m[:2].min(), b.size_m[:2].min())


def test_no_size_is_between_words():
    scales = [placed.scale for world in WORLDS for placed in world.placements]
    assert not [s for s in scales if SMALL_BELOW <= s < 0.92 or 1.09 < s <= LARGE_ABOVE]


def test_camera_rotation_is_proper_and_up_points_up():
    camera = world_camera(
        640,
        480,
        hfov_rad=math.radians(60),
        height_m=1.2,
        pitch_rad=0.3,
        roll_rad=0.05,
        yaw_rad=0.2,
    )
    rotation = camera.world_from_optical
    assert np.allclose(rotation.T @ rotation, np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1)
    up_world = rotation @ np.array(camera.model.up_optical)
    assert np.allclose(up_world, [0, 0, 1])


def test_a_camera_rolled_clockwise_sees_what_stands_lean_to_the_left():
    camera = world_camera(
        200, 100, hfov_rad=1.0, height_m=1.5, pitch_rad=0.2, roll_rad=math.radians(20)
    )
    (foot_px, _), (head_px, _) = project(
        camera.model, camera.to_optical(np.array([[4.0, 0.0, 0.0], [4.0, 0.0, 1.0]]))
    )
    assert head_px < foot_px - 5
    assert camera.model.up_optical[0] < 0


def test_camera_sees_the_floor_point_it_looks_at_in_the_middle():
    camera = world_camera(
        640, 480, hfov_rad=math.radians(60), height_m=1.5, pitch_rad=math.atan2(1.5, 3.0)
    )
    assert np.allclose(
        project(camera.model, camera.to_optical(np.array([3.0, 0.0, 0.0]))), [319.5, 239.5]
    )
    left = project(camera.model, camera.to_optical(np.array([3.0, 0.5, 0.0])))
    assert left[0] < 319.5


def test_placement_centre_follows_yaw():
    placed = Placement('mug', 'red', 1.0, (2.0, 1.0, 0.5), math.pi / 2, 'block')
    low, high = CATEGORIES['mug'].bounds_m
    middle = (low + high) / 2
    assert np.allclose(placed.centre_m, [2.0 - middle[1], 1.0 + middle[0], 0.5 + middle[2]])


def test_every_category_has_a_build_that_training_never_shows():
    assert UNSEEN_SHAPES.keys() == CATEGORIES.keys()
    for name, build in UNSEEN_SHAPES.items():
        for shown in (builds[name] for builds in KNOWN):
            assert build.parts != shown.parts
            assert not np.allclose(build.size_m, shown.size_m, atol=0.02)


def test_training_knows_six_builds_of_every_category():
    assert (CATEGORIES, OTHER_SHAPES, *FURTHER_SHAPES) == KNOWN
    for builds in KNOWN:
        assert builds.keys() == CATEGORIES.keys()
    for name, category in CATEGORIES.items():
        own = [builds[name] for builds in KNOWN]
        assert len({build.parts for build in own}) == len(KNOWN) == 6
        assert {build.has_front for build in own} == {category.has_front}
        assert {build.flat_top for build in own} == {category.flat_top}


def hfov_deg(world: World) -> float:
    model = world.camera.model
    return math.degrees(2 * math.atan(model.width_px / 2 / model.fx_px))


def roll_deg(world: World) -> float:
    right, _, _ = world.camera.world_from_optical.T
    return abs(math.degrees(math.asin(right[2])))


def test_each_set_leaves_the_training_ranges_in_its_own_way():
    worlds = {
        name: [sample_world(seed, 384, 288, style) for seed in range(40)]
        for name, style in STYLES.items()
    }
    assert worlds['trained'][5].placements == WORLDS[5].placements
    assert all(not 46 < hfov_deg(world) < 79 for world in worlds['lenses'])
    heights = [world.camera.position_m[2] for world in worlds['cameras']]
    assert all(height < 0.61 or height > 2.09 for height in heights)
    assert max(map(roll_deg, worlds['cameras'])) > 12 > max(map(roll_deg, worlds['trained']))
    trained_textures = {world.room.floor_texture for world in worlds['trained']}
    assert not trained_textures & {world.room.floor_texture for world in worlds['rooms']}
    counts = {name: np.mean([len(w.placements) for w in own]) for name, own in worlds.items()}
    assert counts['crowds'] > counts['trained'] + 3
    shapes = {n: [i.shape for w in own for i in w.placements] for n, own in worlds.items()}
    assert all(shape in UNSEEN_SHAPES.values() for shape in shapes['shapes'])
    assert not any(shapes['trained'])
    assert not any(shape in UNSEEN_SHAPES.values() for shape in shapes['varied'])
    assert 0.5 < np.mean([shape is not None for shape in shapes['varied']]) < 0.7
