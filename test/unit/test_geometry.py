"""Cameras and headings against world-frame trigonometry, homogeneous matrices and OpenCV."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spatialllm_ros.errors import GeometryError
from spatialllm_ros.geometry import (
    CAMERA_FEATURES,
    azimuth,
    camera_token_features,
    fit_letterbox,
    front_from_azimuth,
    guessed_camera,
    horizontal,
    letterboxed_camera,
    lift,
    pixel_rays,
    project,
    rotation_from_front,
    token_centres_px,
    unit,
    unletterboxed_points,
)
from spatialllm_ros.runtime.preprocess import letterbox
from spatialllm_ros.schema import CameraModel

UP = (0.0, -1.0, 0.0)
"""Up of a level camera, optical frame."""
AXES = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float)
"""Optical axes of a level camera that looks along the world's x."""

angles = st.floats(-math.pi, math.pi)
tilts = st.floats(-1.2, 1.2)
lengths = st.floats(0.3, 20)
pixels = st.tuples(st.floats(-100, 800), st.floats(-100, 600))
sizes = st.tuples(st.integers(16, 2000), st.integers(16, 2000))


@st.composite
def cameras(draw) -> CameraModel:
    return CameraModel(
        640, 480, draw(st.floats(100, 2000)), draw(st.floats(100, 2000)),
        draw(st.floats(200, 440)), draw(st.floats(150, 330)),
    )  # fmt: skip


def turned(yaw, pitch, roll) -> np.ndarray:
    """Optical to world: the level camera rolled, then pitched down, then yawed to its left."""
    (cy, sy), (cp, sp), (cr, sr) = ((math.cos(a), math.sin(a)) for a in (yaw, pitch, roll))
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return about_z @ about_y @ about_x @ AXES


def turn_between(a, b) -> float:
    return abs((a - b + math.pi) % math.tau - math.pi)


def test_a_point_projects_as_by_hand():
    camera = CameraModel(640, 480, 100.0, 200.0, 50.0, 60.0)
    assert project(camera, (1.0, 2.0, 4.0)).tolist() == [75.0, 160.0]
    assert project(camera, [[0, 0, 1], [-0.5, 0.3, 2]]).tolist() == [[50, 60], [25, 90]]


@given(cameras(), st.tuples(st.floats(-5, 5), st.floats(-5, 5), lengths))
def test_projection_equals_the_homogeneous_matrix(camera, point):
    matrix = np.array(
        [[camera.fx_px, 0, camera.cx_px], [0, camera.fy_px, camera.cy_px], [0, 0, 1]]
    )
    u, v, w = matrix @ np.array(point)
    assert np.allclose(project(camera, point), [u / w, v / w])


@given(cameras(), pixels, lengths)
def test_lifting_and_projecting_gives_the_pixel_back(camera, pixel, distance_m):
    point = lift(camera, pixel, distance_m)
    assert math.dist((0, 0, 0), point) == pytest.approx(distance_m)
    assert np.allclose(project(camera, point), pixel, atol=1e-6)


@given(cameras(), st.tuples(st.floats(-5, 5), st.floats(-5, 5), lengths))
def test_a_ray_points_at_what_its_pixel_shows(camera, point):
    ray = pixel_rays(camera, project(camera, point))
    assert np.linalg.norm(ray) == pytest.approx(1)
    assert np.allclose(np.cross(ray, point), 0, atol=1e-9)
    assert ray @ point > 0


def test_many_points_go_together():
    camera = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5)
    points = np.random.default_rng(0).uniform([-2, -2, 1], [2, 2, 5], (4, 3, 3))
    distances = np.linalg.norm(points, axis=-1)
    assert np.allclose(lift(camera, project(camera, points), distances), points)


@pytest.mark.parametrize('depth_m', [0.0, -1.0])
def test_nothing_behind_the_camera_is_projected(depth_m):
    camera = guessed_camera(640, 480, 1.0)
    with pytest.raises(GeometryError, match='in front of the camera'):
        project(camera, [[0, 0, 2.0], [1.0, 0, depth_m]])


def test_a_guessed_camera_sees_its_field_of_view_between_its_edges():
    camera = guessed_camera(640, 480, math.radians(90))
    assert not camera.calibrated
    left, right = pixel_rays(camera, [[-0.5, 239.5], [639.5, 239.5]])
    assert np.allclose(left, [-math.sqrt(0.5), 0, math.sqrt(0.5)])
    assert math.acos(left @ right) == pytest.approx(math.radians(90))


def test_a_letterbox_by_hand():
    box = fit_letterbox(640, 480, 192, 192)
    assert (box.inner_width_px, box.inner_height_px) == (192, 144)
    assert (box.pad_left_px, box.pad_top_px) == (0, 24)
    assert (box.scale_x, box.scale_y) == (0.3, 0.3)
    camera = letterboxed_camera(CameraModel(640, 480, 500.0, 510.0, 319.5, 239.5), box)
    assert (camera.width_px, camera.height_px) == (192, 192)
    assert camera.fx_px == pytest.approx(150)
    assert camera.fy_px == pytest.approx(153)
    assert (camera.cx_px, camera.cy_px) == (95.5, 95.5)


@given(sizes, sizes)
def test_a_letterboxed_image_fills_the_canvas_one_way_and_is_centred(size, canvas):
    box = fit_letterbox(*size, *canvas)
    right = canvas[0] - box.inner_width_px - box.pad_left_px
    below = canvas[1] - box.inner_height_px - box.pad_top_px
    assert min(box.pad_left_px, box.pad_top_px, right, below) >= 0
    assert right - box.pad_left_px in (0, 1)
    assert below - box.pad_top_px in (0, 1)
    assert box.inner_width_px == canvas[0] or box.inner_height_px == canvas[1]
    assert abs(box.inner_width_px * size[1] / size[0] - box.inner_height_px) <= max(
        1, size[1] / size[0]
    )


@given(cameras(), sizes, st.tuples(st.floats(-3, 3), st.floats(-3, 3), lengths))
def test_the_letterboxed_camera_sees_a_point_where_the_edges_say(camera, canvas, point):
    box = fit_letterbox(640, 480, *canvas)
    u, v = project(camera, point)
    left, top = box.pad_left_px - 0.5, box.pad_top_px - 0.5
    expected = (
        left + (u + 0.5) / 640 * box.inner_width_px,
        top + (v + 0.5) / 480 * box.inner_height_px,
    )
    seen = project(letterboxed_camera(camera, box), point)
    assert np.allclose(seen, expected, atol=1e-6)
    assert np.allclose(unletterboxed_points(seen, box), (u, v), atol=1e-6)


@pytest.mark.parametrize('size', [(848, 480), (641, 480), (100, 333)])
def test_a_letterboxed_blob_lies_where_the_letterbox_says(size):
    at = np.array([0.7, 0.8]) * size
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    blob = 255 * np.exp(-((columns - at[0]) ** 2 + (rows - at[1]) ** 2) / (2 * 8.0**2))
    box = fit_letterbox(*size, 192, 144)
    canvas = letterbox(np.stack([blob.astype(np.uint8)] * 3, axis=-1), box)
    inner = canvas[
        box.pad_top_px : box.pad_top_px + box.inner_height_px,
        box.pad_left_px : box.pad_left_px + box.inner_width_px,
        0,
    ].astype(float)
    rows, columns = np.indices(inner.shape)
    middle = np.array([(inner * columns).sum(), (inner * rows).sum()]) / inner.sum()
    found = unletterboxed_points(middle + np.array([box.pad_left_px, box.pad_top_px]), box)
    assert np.allclose(found, at, atol=0.1)


@pytest.mark.parametrize(
    ('front', 'degrees'),
    [((0, 0, -1), 0), ((-1, 0, 0), 90), ((0, 0, 1), 180), ((1, 0, 0), 270), ((-1, 0, -1), 45)],
)
def test_headings_straight_ahead_by_hand(front, degrees):
    assert math.degrees(azimuth(front, (0, 0, 5), UP)) == pytest.approx(degrees)


def test_an_object_to_the_right_that_looks_along_the_line_of_sight_shows_its_back():
    assert math.degrees(azimuth((1, 0, 1), (3, 0, 3), UP)) == pytest.approx(180)
    assert math.degrees(azimuth((0, 0, 1), (3, 0, 3), UP)) == pytest.approx(135)


def test_a_heading_just_below_zero_is_less_than_a_whole_turn():
    assert azimuth((1e-20, 0, -1), (0, 0, 5), UP) == 0.0


@given(angles, tilts, tilts, angles, angles, st.floats(0.5, 15), st.floats(-2, 2))
def test_heading_equals_the_angle_in_the_world(yaw, pitch, roll, facing, bearing, away_m, low_m):
    rotation = turned(yaw, pitch, roll)
    world = [away_m * math.cos(bearing), away_m * math.sin(bearing), low_m]
    front = [math.cos(facing), math.sin(facing), 0.0]
    found = azimuth(rotation.T @ front, rotation.T @ world, rotation.T @ [0, 0, 1])
    towards_camera = bearing + math.pi
    assert 0 <= found < math.tau
    assert turn_between(found, towards_camera - facing) < 1e-6


@given(st.floats(0, math.tau), tilts, tilts, angles)
def test_a_front_made_from_a_heading_has_that_heading(heading, pitch, roll, bearing):
    rotation = turned(0, pitch, roll)
    up = rotation.T @ [0, 0, 1]
    centre = rotation.T @ [4 * math.cos(bearing), 4 * math.sin(bearing), -0.7]
    front = front_from_azimuth(heading, centre, up)
    assert np.linalg.norm(front) == pytest.approx(1)
    assert front @ up == pytest.approx(0, abs=1e-9)
    assert turn_between(azimuth(front, centre, up), heading) < 1e-6


@given(angles, tilts, st.tuples(st.floats(-3, 3), st.floats(-1, 1), lengths))
def test_the_mirror_image_turns_the_other_way(facing, roll, centre):
    rotation = turned(0, 0.3, roll)
    front, up = rotation.T @ [math.cos(facing), math.sin(facing), 0], rotation.T @ [0, 0, 1]
    mirrored = np.array([-1, 1, 1])
    found = azimuth(front * mirrored, centre * mirrored, up * mirrored)
    assert turn_between(found, -azimuth(front, centre, up)) < 1e-6


@given(angles, tilts, tilts)
def test_an_upright_rotation_has_its_front_first_and_up_last(facing, pitch, roll):
    rotation = turned(0, pitch, roll)
    front, up = rotation.T @ [math.cos(facing), math.sin(facing), 0], rotation.T @ [0, 0, 1]
    matrix = np.array(rotation_from_front(front + 0.4 * up, up))
    assert np.allclose(matrix.T @ matrix, np.eye(3))
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert np.allclose(matrix[:, 0], front)
    assert np.allclose(matrix[:, 2], up)


def test_the_left_of_an_object_that_faces_the_camera_is_on_the_viewers_right():
    matrix = np.array(rotation_from_front((0, 0, -1), UP))
    assert np.allclose(matrix[:, 1], [1, 0, 0])


@given(st.tuples(*[st.floats(-5, 5)] * 3), angles, tilts)
def test_a_horizontal_direction_is_a_unit_vector_across_up(vector, yaw, pitch):
    up = turned(yaw, pitch, 0)[:, 1]
    across = np.cross(vector, up)
    assume(np.linalg.norm(across) > 1e-3)
    flat = horizontal(vector, 3 * up)
    assert np.allclose(flat, np.cross(up, across) / np.linalg.norm(across), atol=1e-6)


def test_what_has_no_direction_is_refused():
    with pytest.raises(GeometryError, match='length zero'):
        unit([[1, 0, 0], [0, 0, 0]])
    with pytest.raises(GeometryError, match='length zero'):
        azimuth((0, 0, -1), (0, 2.0, 0), UP)
    with pytest.raises(GeometryError, match='length zero'):
        azimuth((0, -1, 0), (0, 0, 2.0), UP)


def test_token_centres_of_a_small_grid_by_hand():
    assert token_centres_px(8, 4, 2, 2).tolist() == [
        [1.5, 0.5],
        [5.5, 0.5],
        [1.5, 2.5],
        [5.5, 2.5],
    ]


def slow_features(camera, row, column, rows, columns) -> dict[str, float]:
    span_x, span_y = camera.width_px / columns, camera.height_px / rows
    u, v = (column + 0.5) * span_x - 0.5, (row + 0.5) * span_y - 0.5
    ray = [(u - camera.cx_px) / camera.fx_px, (v - camera.cy_px) / camera.fy_px, 1.0]
    length = math.hypot(*ray)
    x, y, z = (value / length for value in ray)
    up = camera.up_optical
    return {
        'column': (column + 0.5) / columns * 2 - 1,
        'row': (row + 0.5) / rows * 2 - 1,
        'ray_x': x, 'ray_y': y, 'ray_z': z,
        'elevation': x * up[0] + y * up[1] + z * up[2],
        'up_x': up[0], 'up_y': up[1], 'up_z': up[2],
        'has_gravity': 1.0, 'is_calibrated': 1.0,
    }  # fmt: skip


@given(cameras(), tilts, tilts, st.integers(1, 6), st.integers(1, 6))
def test_camera_features_equal_a_slow_reading_of_each_token(camera, pitch, roll, rows, columns):
    up = turned(0, pitch, roll).T @ [0, 0, 1]
    camera = replace(camera, up_optical=tuple(up))
    features = camera_token_features(camera, rows, columns)
    slow = [
        slow_features(camera, r, c, rows, columns) for r in range(rows) for c in range(columns)
    ]
    assert np.allclose(
        features, [[own[name] for name in CAMERA_FEATURES] for own in slow], atol=1e-6
    )


def test_what_is_not_known_of_a_camera_is_zero_with_its_flag():
    camera = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5)
    gravity = [CAMERA_FEATURES.index(name) for name in CAMERA_FEATURES if name[:2] in ('up', 'el')]
    features = camera_token_features(camera, 3, 4)
    assert not features[:, [*gravity, CAMERA_FEATURES.index('has_gravity')]].any()
    assert features[:, CAMERA_FEATURES.index('is_calibrated')].all()
    guess = camera_token_features(guessed_camera(64, 48, 1.0), 3, 4)
    assert guess[:, :2].any()
    assert not guess[:, 2:].any()


@given(tilts, angles)
def test_elevation_does_not_depend_on_how_the_camera_is_rolled(pitch, roll):
    middle = CameraModel(65, 65, 60.0, 60.0, 32.0, 32.0)
    index = CAMERA_FEATURES.index('elevation')

    def elevation(camera_roll) -> float:
        up = turned(0, pitch, camera_roll).T @ [0, 0, 1]
        return float(camera_token_features(replace(middle, up_optical=tuple(up)), 1, 1)[0, index])

    assert elevation(roll) == pytest.approx(-math.sin(pitch), abs=1e-6)
