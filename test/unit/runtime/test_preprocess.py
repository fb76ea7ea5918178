"""Frames into what the vision graph takes, pixel by pixel."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialllm_ros.errors import ImageError
from spatialllm_ros.geometry import camera_token_features, fit_letterbox, guessed_camera
from spatialllm_ros.runtime.bundle import ImageSpec
from spatialllm_ros.runtime.preprocess import PAD_GREY, letterbox, vision_inputs
from spatialllm_ros.schema import CameraModel, Frame

SPEC = ImageSpec(32, 24, 3, 4, 12, mean=0.5, std=0.25)


def frame(rgb, camera):
    return Frame(rgb, camera, 0, 'optical', 'front')


def random_rgb(height, width):
    return np.random.default_rng(width).integers(256, size=(height, width, 3), dtype=np.uint8)


def test_an_image_of_the_canvas_s_size_is_only_normalised():
    rgb, camera = random_rgb(24, 32), guessed_camera(32, 24, 1.0)
    pixels, features = vision_inputs(frame(rgb, camera), SPEC)
    assert pixels.dtype == features.dtype == np.float32
    assert pixels.flags.c_contiguous
    for row, column, channel in ((0, 0, 0), (5, 7, 1), (23, 31, 2)):
        expected = (rgb[row, column, channel] / 255 - 0.5) / 0.25
        assert pixels[0, channel, row, column] == pytest.approx(expected)
    np.testing.assert_array_equal(features[0], camera_token_features(camera, 3, 4))


def test_halving_an_image_averages_its_pixels_and_halves_its_camera():
    rgb = random_rgb(48, 64)
    camera = CameraModel(64, 48, 50.0, 50.0, 33.5, 21.5, (0.0, -1.0, 0.0))
    pixels, features = vision_inputs(frame(rgb, camera), SPEC)
    means = rgb.reshape(24, 2, 32, 2, 3).mean((1, 3))
    shown = pixels[0].transpose(1, 2, 0) * 0.25 * 255 + 0.5 * 255
    np.testing.assert_allclose(shown, means, atol=0.51)
    # Pixels 33 and 34 meet at the edge of pixel 16 and 17 of the canvas: (33.5 + 0.5) / 2 - 0.5.
    halved = replace(
        camera, width_px=32, height_px=24, fx_px=25.0, fy_px=25.0, cx_px=16.5, cy_px=10.5
    )
    np.testing.assert_allclose(features[0], camera_token_features(halved, 3, 4), atol=1e-6)


@pytest.mark.parametrize(('height', 'width', 'bars'), [
    (24, 8, (slice(None), [slice(0, 12), slice(20, 32)])),
    (8, 32, ([slice(0, 8), slice(16, 24)], slice(None))),
])  # fmt: skip
def test_other_aspects_get_grey_bars(height, width, bars):
    rgb = np.zeros((height, width, 3), np.uint8)
    canvas = letterbox(rgb, fit_letterbox(width, height, 32, 24))
    expected = np.zeros((24, 32, 3), np.uint8)
    rows, columns = bars
    for bar in rows if isinstance(rows, list) else columns:
        expected[(bar, slice(None)) if isinstance(rows, list) else (slice(None), bar)] = PAD_GREY
    np.testing.assert_array_equal(canvas, expected)


@settings(deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90))
def test_any_size_fits_and_keeps_its_colour(height, width):
    rgb = np.full((height, width, 3), (200, 30, 90), np.uint8)
    pixels, _ = vision_inputs(frame(rgb, guessed_camera(width, height, 1.0)), SPEC)
    assert pixels.shape == (1, 3, 24, 32)
    shown = pixels[0].transpose(1, 2, 0).reshape(-1, 3) * 0.25 * 255 + 0.5 * 255
    is_image = np.abs(shown - (200, 30, 90)).max(1) < 1.01
    is_bar = np.abs(shown - PAD_GREY).max(1) < 1.01
    assert np.all(is_image | is_bar)
    # The whole of one side is filled, and no more is lost of the other than rounding takes.
    share = min(1.0, width / height * 24 / 32, height / width * 32 / 24)
    assert is_image.mean() == pytest.approx(share, abs=1.1 / 24)


@pytest.mark.parametrize('rgb', [
    np.zeros((24, 32), np.uint8), np.zeros((32, 24, 3), np.uint8), np.zeros((24, 32, 3), float),
])  # fmt: skip
def test_pixels_of_another_camera_are_refused(rgb):
    with pytest.raises(ImageError, match=r'shape \(24, 32, 3\)'):
        vision_inputs(frame(rgb, guessed_camera(32, 24, 1.0)), SPEC)


def test_no_pixels_are_refused():
    with pytest.raises(ImageError):
        vision_inputs(frame(np.zeros((0, 0, 3), np.uint8), CameraModel(0, 0, 1, 1, 0, 0)), SPEC)
