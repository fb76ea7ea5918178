"""Camera models against hand calculation and against the simulator's camera."""

import math
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialllm_ros.geometry import camera_token_features
from spatialllm_ros.runtime.camera_info import read_camera, up_from_angles, up_from_quaternion
from spatialllm_ros.scenes.worlds import world_camera

FOV_RAD = math.radians(60)


@dataclass
class Info:
    width: int = 640
    height: int = 480
    d: list = field(default_factory=list)
    k: tuple = (500.0, 0, 320.0, 0, 510.0, 240.0, 0, 0, 1)
    p: tuple = (400.0, 0, 310.0, 0, 0, 410.0, 230.0, 0, 0, 0, 1, 0)
    binning_x: int = 0
    binning_y: int = 0
    roi: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    )


def intrinsics(camera):
    return camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px


def test_k_describes_the_raw_image_and_p_the_rectified_one():
    raw = read_camera(Info(), 640, 480, FOV_RAD, is_rectified=False)
    rectified = read_camera(Info(d=[0.1]), 640, 480, FOV_RAD, is_rectified=True)
    assert intrinsics(raw.camera) == (500.0, 510.0, 320.0, 240.0)
    assert intrinsics(rectified.camera) == (400.0, 410.0, 310.0, 230.0)
    assert raw.camera.calibrated
    assert rectified.camera.calibrated
    assert raw.remark == rectified.remark == ''


def test_binning_and_region_of_interest_move_the_principal_point():
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=400, height=300)
    info = Info(binning_x=2, binning_y=2, roi=roi)
    camera = read_camera(info, 200, 150, FOV_RAD, is_rectified=False).camera
    # Pixel 0 of the image holds pixels 100 and 101 of the sensor: its centre is at 100.5.
    assert intrinsics(camera) == (250.0, 255.0, (320 - 100.5) / 2, (240 - 40.5) / 2)


@pytest.mark.parametrize(('info', 'remark'), [
    (Info(k=(0.0,) * 9), 'K of CameraInfo is not set'),
    (Info(k=(math.nan,) * 9), 'K of CameraInfo is not set'),
    (Info(k=(-500.0, *Info.k[1:])), 'K of CameraInfo is not set'),
    (Info(k=(1e300, *Info.k[1:])), 'describes no camera'),
    (Info(k=(1e-3, *Info.k[1:])), 'describes no camera'),
    (Info(k=(500.0, 0, -1e9, *Info.k[3:])), 'describes no camera'),
    (Info(width=320, height=240), 'describes an image of 320x240 pixels, the image has 640x480'),
])  # fmt: skip
def test_what_cannot_belong_to_the_image_gives_a_guess(info, remark):
    reading = read_camera(info, 640, 480, FOV_RAD, is_rectified=False)
    assert remark in reading.remark
    assert not reading.camera.calibrated
    assert reading.camera.fx_px == pytest.approx(320 / math.tan(math.radians(30)))


anything = st.floats(width=64)


@given(k=st.tuples(*[anything] * 9), d=st.lists(anything, max_size=5))
def test_whatever_the_intrinsics_are_rays_are_finite(k, d):
    camera = read_camera(Info(k=k, d=d), 640, 480, FOV_RAD, is_rectified=False).camera
    assert np.isfinite(camera_token_features(camera, 9, 12)).all()


def test_distortion_is_noted_and_the_camera_still_counts_as_calibrated():
    reading = read_camera(Info(d=[0.0, -0.2]), 640, 480, FOV_RAD, is_rectified=False)
    assert 'distorts' in reading.remark
    assert reading.camera.calibrated


angles = st.floats(-1.5, 1.5)


@given(pitch=angles, roll=st.floats(-3.1, 3.1))
def test_up_agrees_with_the_simulated_camera(pitch, roll):
    simulated = world_camera(
        64, 48, hfov_rad=1.0, height_m=1.0, pitch_rad=pitch, roll_rad=roll, yaw_rad=0.7
    ).model
    assert up_from_angles(pitch, roll) == pytest.approx(simulated.up_optical, abs=1e-9)


@given(axis=st.tuples(angles, angles, angles), angle=st.floats(-3, 3))
def test_up_from_a_quaternion_agrees_with_the_rotation_about_its_axis(axis, angle):
    axis = np.add(axis, (0, 0, 2))
    axis /= np.linalg.norm(axis)
    quaternion = (*(axis * math.sin(angle / 2)), math.cos(angle / 2))
    # Rodrigues: the optical vector that the rotation takes to z is z turned back.
    z = np.array([0.0, 0, 1])
    back = -angle
    expected = (
        z * math.cos(back)
        + np.cross(axis, z) * math.sin(back)
        + axis * (axis @ z) * (1 - math.cos(back))
    )
    assert up_from_quaternion(quaternion) == pytest.approx(expected, abs=1e-9)
