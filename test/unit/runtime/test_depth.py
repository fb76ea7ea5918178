"""Measured distances against planes and spheres whose depth is known in closed form."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spatialllm_ros.errors import DepthError
from spatialllm_ros.runtime.depth import DepthBuffer, DepthFrame, measured_range_m
from spatialllm_ros.schema import CameraModel

CAMERA = CameraModel(160, 120, 150.0, 140.0, 83.0, 57.0)
POINTS = st.tuples(st.floats(0, 159), st.floats(0, 119))
S = 1_000_000_000


def depth_of(surface_z, width=160, height=120):
    """Draw a surface: z (m) where it cuts the ray (x, y, 1) through each pixel's centre."""
    depth = np.empty((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            u = (column + 0.5) * 160 / width - 0.5
            v = (row + 0.5) * 120 / height - 0.5
            depth[row, column] = surface_z((u - 83.0) / 150.0, (v - 57.0) / 140.0)
    return depth


def ray_length(point_px):
    return math.hypot((point_px[0] - 83.0) / 150.0, (point_px[1] - 57.0) / 140.0, 1.0)


@given(POINTS, st.floats(0.3, 60))
def test_a_wall_across_the_axis_is_farther_along_slanted_rays(point_px, z_m):
    wall = np.full((120, 160), z_m, np.float32)
    measured = measured_range_m(wall, CAMERA, point_px)
    assert measured == pytest.approx(z_m * ray_length(point_px), rel=1e-5)


SPHERE_M = 4.0
SPHERE = depth_of(lambda x, y: SPHERE_M / math.hypot(x, y, 1.0))


@given(POINTS)
def test_a_sphere_about_the_camera_is_equally_far_everywhere(point_px):
    assert measured_range_m(SPHERE, CAMERA, point_px) == pytest.approx(SPHERE_M, rel=0.01)


@pytest.mark.parametrize(('width', 'height'), [(80, 60), (320, 240), (53, 40), (640, 480)])
def test_another_size_of_the_same_aspect_is_the_same_surface(width, height):
    floor = depth_of(lambda _, y: 1.5 / y if y > 0.05 else math.inf, width, height)
    point_px = (40.0, 107.0)
    expected = 1.5 / ((107.0 - 57.0) / 140.0) * ray_length(point_px)
    half_a_depth_row = 60 / height / (107.0 - 57.0)
    assert measured_range_m(floor, CAMERA, point_px) == pytest.approx(
        expected, rel=half_a_depth_row + 1e-3
    )


@given(POINTS, st.floats(0.5, 9), st.randoms(use_true_random=False))
def test_holes_and_a_few_wrong_pixels_change_nothing(point_px, z_m, random):
    column, row = round(point_px[0]), round(point_px[1])
    depth = np.full((120, 160), z_m, np.float32)
    nearby = [(r, c) for r in range(row - 2, row + 3) for c in range(column - 2, column + 3)
              if 0 <= r < 120 and 0 <= c < 160]  # fmt: skip
    for place in random.sample(nearby, len(nearby) // 3):
        depth[place] = random.choice([math.nan, math.inf, -math.inf, 0.0, -1.0, 0.01, 90.0])
    assert measured_range_m(depth, CAMERA, point_px) == pytest.approx(
        z_m * ray_length(point_px), rel=1e-5
    )


@pytest.mark.parametrize(('value', 'words'), [
    (math.nan, 'found 0 with one, 0 too near and 0 beyond range'),
    (-math.inf, '[1-9][0-9]* too near and 0 beyond'),
    (math.inf, '0 too near and [1-9][0-9]* beyond range'),
    (0.0, 'found 0 with one'),
])  # fmt: skip
def test_a_place_without_depth_says_of_what_kind_it_is(value, words):
    depth = np.full((120, 160), 2.0, np.float32)
    depth[40:80, 60:100] = value
    with pytest.raises(DepthError, match=words):
        measured_range_m(depth, CAMERA, (80.0, 60.0))
    assert measured_range_m(depth, CAMERA, (20.0, 60.0)) > 2.0


@given(st.integers(1, 400), st.integers(1, 400))
def test_another_aspect_is_refused(width, height):
    assume(abs(width * 120 / 160 - height) >= 1)
    with pytest.raises(DepthError, match=f'160x120 pixels, found {width}x{height}'):
        measured_range_m(np.ones((height, width), np.float32), CAMERA, (80.0, 60.0))


@pytest.mark.parametrize('point_px', [(-1.0, 5.0), (5.0, 120.0), (160.4, 5.0), (5.0, -2.0)])
def test_a_place_beside_the_image_is_refused(point_px):
    with pytest.raises(DepthError, match='beside it'):
        measured_range_m(np.ones((120, 160), np.float32), CAMERA, point_px)


def buffer_with(stamps_ns, size=4, tolerance_s=0.05):
    buffer = DepthBuffer('/depth', size, tolerance_s)
    for stamp_ns in stamps_ns:
        buffer.put(DepthFrame(stamp_ns, np.ones((1, 1), np.float32)))
    return buffer


STAMPS = st.lists(st.integers(0, 2 * S), min_size=1, max_size=12)


@given(STAMPS, st.integers(0, 2 * S), st.integers(1, 6), st.floats(0, 1))
def test_the_nearest_of_the_newest_is_taken_within_the_tolerance(stamps, wanted, size, tolerance):
    kept = stamps[-size:]
    apart = min(abs(stamp - wanted) for stamp in kept)
    buffer = buffer_with(stamps, size, tolerance)
    if apart / S <= tolerance:
        assert abs(buffer.nearest(wanted).stamp_ns - wanted) == apart
    else:
        with pytest.raises(DepthError, match=f'{apart / S:.3f} s (later|earlier)'):
            buffer.nearest(wanted)


def test_no_depth_image_is_told_by_its_topic():
    with pytest.raises(DepthError, match='no depth image has arrived on /depth'):
        buffer_with([]).nearest(0)
    emptied = buffer_with([5])
    emptied.clear()
    with pytest.raises(DepthError, match='/depth'):
        emptied.nearest(5)


def test_later_and_earlier_are_told_apart():
    with pytest.raises(DepthError, match='later'):
        buffer_with([2 * S]).nearest(S)
    with pytest.raises(DepthError, match='earlier'):
        buffer_with([S]).nearest(2 * S)
