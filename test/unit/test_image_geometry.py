"""Depth maps of planes and boxes, traced ray by ray, measured back to what they were made of."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialllm_ros.errors import SceneError
from spatialllm_ros.geometry import front_from_azimuth, lift, unit
from spatialllm_ros.image_annotation.depth import scaled_depth_m
from spatialllm_ros.image_annotation.depth_points import depth_points, photographed_camera
from spatialllm_ros.image_annotation.ground_plane import find_ground
from spatialllm_ros.image_annotation.measuring import measured_scene
from spatialllm_ros.image_annotation.object_boxes import (
    border_share,
    continuous_part,
    flaw_of,
    upright_box,
)
from spatialllm_ros.image_annotation.photos import Photo
from spatialllm_ros.questions import Balancer
from spatialllm_ros.scenes.dataset_questions import ask_annotated, askable_types
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.schema import CameraModel

WIDTH, HEIGHT, FOCAL = 160, 120, 120.0
CAMERA = CameraModel(WIDTH, HEIGHT, FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
HFOV = 2 * math.atan(WIDTH / 2 / FOCAL)
NO_OBJECTS = np.zeros((HEIGHT, WIDTH), bool)


def rays() -> np.ndarray:
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    x, y = (u - CAMERA.cx_px) / FOCAL, (v - CAMERA.cy_px) / FOCAL
    return np.stack([x, y, np.ones_like(x)], axis=-1)


def up_of(pitch_deg, roll_deg=0.0) -> np.ndarray:
    """Return up for a camera that looks down by a pitch and leans by a roll."""
    pitch, roll = math.radians(pitch_deg), math.radians(roll_deg)
    level = np.array([0.0, -math.cos(pitch), -math.sin(pitch)])
    c, s = math.cos(roll), math.sin(roll)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ level


def plane_depth(up, height_m) -> np.ndarray:
    """Return z where each ray meets a plane below the camera; infinite where it does not."""
    with np.errstate(divide='ignore'):
        z = -height_m / (rays() @ up)
    return np.where(z > 0, z, np.inf)


def box_depth(centre, size, rotation) -> np.ndarray:
    """Return z where each ray enters a box; infinite where it does not."""
    origin, direction = -np.asarray(centre) @ rotation, rays() @ rotation
    with np.errstate(divide='ignore', invalid='ignore'):
        ends = np.stack([(sign * np.array(size) / 2 - origin) / direction for sign in (-1, 1)])
    enters, leaves = np.nanmin(ends, axis=0).max(-1), np.nanmax(ends, axis=0).min(-1)
    return np.where((enters <= leaves) & (enters > 0), enters, np.inf)


def standing_rotation(up, yaw_deg) -> np.ndarray:
    """Return box-to-optical axes: x turned from the camera's right about up, z along up."""
    right = np.array([1.0, 0, 0]) - up[0] * up
    right /= np.linalg.norm(right)
    ahead, yaw = np.cross(up, right), math.radians(yaw_deg)
    front = math.cos(yaw) * right + math.sin(yaw) * ahead
    return np.stack([front, np.cross(up, front), up], axis=1)


def photo(focal_35mm=None, width=WIDTH, height=HEIGHT) -> Photo:
    return Photo('a/b.jpg', 'f' * 64, '/photos/a/b.jpg', width, height, focal_35mm)


def test_the_lens_is_as_told_then_as_exif_then_as_the_model_says():
    told = photographed_camera(photo(28.0, 200, 150), math.radians(90), 50.0)
    assert told.fx_px == pytest.approx(100)
    # A 4:3 image of 4000 x 3000 has a diagonal of 5000; film has one of 43.267 mm.
    exif = photographed_camera(photo(28.0, 4000, 3000), None, 50.0)
    assert exif.fx_px == exif.fy_px == pytest.approx(28 * 5000 / 43.2666, rel=1e-5)
    # A 3:2 image is film itself: 36 mm across.
    film = photographed_camera(photo(36.0, 600, 400), None, None)
    assert film.fx_px == pytest.approx(600)
    assert (film.cx_px, film.cy_px) == (299.5, 199.5)
    assert photographed_camera(photo(), None, 321.0).fx_px == 321
    with pytest.raises(SceneError, match='--hfov-deg'):
        photographed_camera(photo(), None, None)


def test_depth_in_proportion_to_the_lens():
    outcome = {'depth_m': np.full((2, 2), 3.0, np.float16), 'focal_px': np.array(100.0)}
    assert scaled_depth_m(outcome, 150.0) == pytest.approx(np.full((2, 2), 4.5))
    outcome['focal_px'] = np.array(np.nan)
    assert scaled_depth_m(outcome, 150.0) == pytest.approx(np.full((2, 2), 3.0))


def test_points_lie_on_the_rays_of_their_pixels():
    depth = np.linspace(1, 9, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    depth[0, :5] = np.nan, np.inf, 0.0, -1.0, 1e4
    points = depth_points(CAMERA, depth)
    assert np.isnan(points[0, :5]).all()
    for row, column in ((40, 70), (119, 0), (3, 159)):
        point = points[row, column]
        assert point[2] == depth[row, column]
        expected = lift(CAMERA, [column, row], np.linalg.norm(point))
        assert point == pytest.approx(expected)


@settings(max_examples=25)
@given(
    pitch=st.floats(5, 45), roll=st.floats(-25, 25), height=st.floats(0.3, 6),
    noise=st.floats(0, 0.01), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_ground_is_found(pitch, roll, height, noise, seed):
    up, rng = up_of(pitch, roll), np.random.default_rng(seed)
    depth = plane_depth(up, height) * (1 + noise * rng.standard_normal((HEIGHT, WIDTH)))
    depth[70:100, 30:60] = height / 2  # something that stands on it and was not detected
    ground = find_ground(depth_points(CAMERA, depth), NO_OBJECTS)
    angle = math.degrees(math.acos(min(1, np.dot(ground.up_optical, up))))
    assert angle < 1
    assert ground.height_m == pytest.approx(height, rel=0.03)
    assert ground.is_lowest


def test_no_ground_is_no_ground():
    rng = np.random.default_rng(0)
    wall = np.full((HEIGHT, WIDTH), 3.0)
    clutter = rng.uniform(1, 8, (HEIGHT, WIDTH))
    nothing = np.full((HEIGHT, WIDTH), np.nan)
    ceiling = plane_depth(-up_of(-20), 2.0)
    for depth in (wall, clutter, nothing, ceiling):
        assert find_ground(depth_points(CAMERA, depth), NO_OBJECTS) is None
    floor = depth_points(CAMERA, plane_depth(up_of(20), 1.5))
    assert find_ground(floor, ~NO_OBJECTS) is None


def test_a_desk_has_the_floors_up_but_not_its_height():
    up = up_of(30)
    desk, floor = plane_depth(up, 0.5), plane_depth(up, 1.3)
    depth = np.where(np.arange(WIDTH) < 110, desk, floor)
    ground = find_ground(depth_points(CAMERA, depth), NO_OBJECTS)
    assert np.dot(ground.up_optical, up) > 0.9999
    assert ground.height_m == pytest.approx(0.5, rel=0.02)
    assert not ground.is_lowest


@settings(max_examples=25)
@given(
    pitch=st.floats(10, 35), yaw=st.floats(25, 65), width=st.floats(0.4, 1.2),
    length=st.floats(0.4, 1.2), height=st.floats(0.3, 1.0), aside=st.floats(-0.4, 0.4),
)  # fmt: skip
def test_a_box_seen_from_a_corner_is_measured_whole(pitch, yaw, width, length, height, aside):
    up = up_of(pitch)
    rotation, centre = standing_rotation(up, yaw), np.array([aside, 0.2, 4.0])
    depth = box_depth(centre, (length, width, height), rotation)
    points = depth_points(CAMERA, depth)
    part = continuous_part(np.isfinite(depth), points[..., 2])
    box = upright_box(points[part], up)
    assert box.centre_optical_m == pytest.approx(centre, abs=0.06)
    assert box.rotation_optical[:, 2] == pytest.approx(up)
    assert sorted(box.size_m[:2]) == pytest.approx(sorted((length, width)), abs=0.12)
    assert box.size_m[2] == pytest.approx(height, abs=0.08)
    turn = math.degrees(math.acos(min(1, abs(box.rotation_optical[:, 0] @ rotation[:, 0]))))
    assert min(turn, 90 - turn) < 6


def test_a_plate_that_faces_the_camera():
    depth = np.full((HEIGHT, WIDTH), np.inf)
    depth[30:91, 50:131] = 2.4  # 81 x 61 pixels of 0.02 m, around pixel (90, 60)
    points = depth_points(CAMERA, depth)
    box = upright_box(points[np.isfinite(depth)], (0, -1, 0), (0, 0, -1))
    assert box.rotation_optical[:, 0] == pytest.approx([0, 0, -1])
    assert box.size_m == pytest.approx([0.01, 81 * 0.02 * 0.98, 61 * 0.02 * 0.98], abs=0.03)
    assert box.centre_optical_m == pytest.approx([10.5 * 0.02, 0.5 * 0.02, 2.4], abs=0.005)


def test_what_a_mask_spills_onto_is_cut_off():
    up = up_of(0)
    depth = np.full((HEIGHT, WIDTH), 6.0)
    depth[30:90, 40:100] = 2.0
    depth[50, 102] = 2.0  # a speck
    mask = NO_OBJECTS.copy()
    mask[20:95, 35:104] = True
    points = depth_points(CAMERA, depth)
    part = continuous_part(mask, points[..., 2])
    assert part.sum() == 60 * 60
    box = upright_box(points[part], up)
    assert box.centre_optical_m[2] == pytest.approx(2)
    assert box.size_m[2] == pytest.approx(60 * 2 / FOCAL, rel=0.04)


def rectangle(top, bottom, left, right) -> np.ndarray:
    mask = NO_OBJECTS.copy()
    mask[top:bottom, left:right] = True
    return mask


def test_why_an_object_is_left_out():
    points = depth_points(CAMERA, np.full((HEIGHT, WIDTH), 2.0))
    assert flaw_of(rectangle(20, 60, 20, 60), points) is None
    assert flaw_of(rectangle(20, 29, 20, 29), points) == 'too small objects'
    cut = rectangle(40, 80, 0, 40)
    # 40 pixels at the border of an outline of 4 x 39
    assert border_share(cut) == pytest.approx(40 / 156)
    assert flaw_of(cut, points) == 'objects cut off by the border'
    # touched by a corner of 4 rows only
    assert flaw_of(rectangle(0, 60, 20, 22) | rectangle(30, 80, 20, 60), points) is None
    holes = points.copy()
    holes[20:60, 20:45] = np.nan
    assert flaw_of(rectangle(20, 60, 20, 60), holes) == 'objects without valid depth'
    torn = points.copy()
    torn[:, ::2] *= 2
    assert flaw_of(rectangle(20, 60, 20, 60), torn) == 'objects in pieces'


def room(up, boxes) -> dict:
    """Return what the steps would find of a floor 1.4 m below and the boxes on it."""
    depth = plane_depth(up, 1.4)
    masks = []
    for centre, size, rotation in boxes:
        own = box_depth(centre, size, rotation)
        masks.append(own < depth)
        depth = np.minimum(depth, own)
    masks = [mask & (depth == box_depth(*box)) for mask, box in zip(masks, boxes, strict=True)]
    packed = np.array(masks)
    return {
        'detection': {'categories': np.array(['chair', 'table', 'lamp'][: len(boxes)])},
        'masks': {'packed': np.packbits(packed), 'shape': np.array(packed.shape)},
        'depth': {'depth_m': depth.astype(np.float16), 'focal_px': np.array(np.nan)},
    }


def on_floor(up, ahead_m, right_m, size, yaw_deg):
    """Return a box that stands on the floor 1.4 m below."""
    ahead = unit(np.array([0, 0, 1.0]) - up[2] * up)
    right = np.cross(ahead, up)
    centre = ahead * ahead_m + right * right_m - up * (1.4 - size[2] / 2)
    return centre, size, standing_rotation(up, yaw_deg)


UP = up_of(20)
BOXES = [
    on_floor(UP, 3.0, -0.6, (0.5, 0.5, 0.8), 45),
    on_floor(UP, 4.5, 0.7, (0.9, 0.7, 0.7), 40),
]


def test_a_room_is_measured_and_asked_about(said_of_two):
    report = ImportReport()
    found = room(UP, BOXES)
    scene = measured_scene(photo(), found, HFOV, 'MIT', report)
    assert (scene.scene_id, scene.source, scene.licence) == (
        'images-a-b-ffffffff',
        'images',
        'MIT',
    )
    assert scene.image == '/photos/a/b.jpg'
    assert np.dot(scene.camera.up_optical, UP) > 0.9999
    assert scene.camera.height_m == pytest.approx(1.4, rel=0.02)
    assert scene.camera.calibrated
    assert (report.left_out, report.skipped) == ({}, [])
    for item, (centre, size, _) in zip(scene.objects, BOXES, strict=True):
        assert item.centre_optical_m == pytest.approx(centre, abs=0.06)
        assert sorted(item.size_m) == pytest.approx(sorted(size), abs=0.08)
        assert not item.has_front
    made = ask_annotated(scene, np.random.default_rng(0), Balancer(), 30)
    kinds = {record.type for record in made}
    assert {'location_closer_to_camera', 'height_above_floor', 'distance_between'} <= kinds
    assert not {name for name in kinds if 'orientation' in name} | (kinds & {'exist', 'count'})
    for record in made:
        if record.type == 'location_closer_to_camera':
            assert record.answer == said_of_two(record.question, 'chair', 'table')


def test_without_a_ground_nothing_that_needs_up_is_asked():
    found = room(UP, BOXES)
    is_box = np.unpackbits(found['masks']['packed']).reshape(2, HEIGHT, WIDTH).any(0)
    found['depth']['depth_m'] = np.where(is_box, found['depth']['depth_m'], np.inf)
    found['orientation'] = {'azimuths_rad': np.zeros(2), 'agreements': np.ones(2)}
    report = ImportReport()
    scene = measured_scene(photo(), found, HFOV, 'MIT', report)
    assert scene.camera.up_optical is None
    assert scene.camera.height_m is None
    assert not any(item.has_front for item in scene.objects)
    assert report.left_out == {'ground planes that were not found': 1}
    kinds = {r.type for r in ask_annotated(scene, np.random.default_rng(0), Balancer(), 30)}
    assert {'location_closer_to_camera', 'distance_between'} <= kinds
    assert not kinds & {'height_higher', 'location_above', 'location_next_to', 'heading'}
    for item, (centre, _, _) in zip(scene.objects, BOXES, strict=True):
        assert item.centre_optical_m == pytest.approx(centre, abs=0.25)


def test_above_a_desk_no_height_is_asked():
    scene = measured_scene(photo(), room(UP, BOXES), HFOV, 'MIT', ImportReport())
    assert 'height_above_floor' in askable_types(scene)
    found = room(UP, BOXES)
    found['depth']['depth_m'][:, :20] = plane_depth(UP, 2.2)[:, :20]
    desk = measured_scene(photo(), found, HFOV, 'MIT', ImportReport())
    assert desk.camera.up_optical is not None
    assert desk.camera.height_m is None
    assert set(askable_types(scene)) - set(askable_types(desk)) == {'height_above_floor'}


def test_fronts_are_those_that_the_orientation_step_is_sure_of():
    found = room(UP, BOXES)
    azimuths = np.radians([75.0, 200.0])
    found['orientation'] = {'azimuths_rad': azimuths, 'agreements': np.array([0.95, 0.4])}
    chair, table = measured_scene(photo(), found, HFOV, 'MIT', ImportReport()).objects
    assert (chair.has_front, table.has_front) == (True, False)
    expected = front_from_azimuth(azimuths[0], BOXES[0][0], UP)
    assert np.array(chair.rotation_optical)[:, 0] @ expected > math.cos(math.radians(3))


def test_no_lens_is_an_error_and_flaws_are_counted():
    with pytest.raises(SceneError, match='--hfov-deg'):
        measured_scene(photo(), room(UP, BOXES), None, 'MIT', ImportReport())
    tiny = on_floor(UP, 6.0, 0.0, (0.2, 0.2, 0.2), 30)
    report = ImportReport()
    scene = measured_scene(photo(), room(UP, [*BOXES, tiny]), HFOV, 'MIT', report)
    assert [item.category for item in scene.objects] == ['chair', 'table']
    assert report.left_out == {'too small objects': 1}


def test_what_cannot_be_measured_is_still_in_the_image_and_takes_the_name():
    tiny = on_floor(UP, 6.0, 0.0, (0.2, 0.2, 0.2), 30)
    found = room(UP, [*BOXES, tiny])
    found['detection'] = {'categories': np.array(['chair', 'table', 'chair'])}
    scene = measured_scene(photo(), found, HFOV, 'MIT', ImportReport())
    assert [(item.category, item.phrase) for item in scene.objects] == [
        ('chair', ''), ('table', 'table'),
    ]  # fmt: skip
    made = ask_annotated(scene, np.random.default_rng(0), Balancer(), 30)
    assert made
    assert not any('chair' in record.question for record in made)
