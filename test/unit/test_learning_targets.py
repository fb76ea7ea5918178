"""Regression targets and token truth against hand calculation and mirrored scenes."""

import math

import numpy as np
import pytest
import torch

from spatialllm_ros.geometry import (
    as_mat3,
    camera_token_features,
    guessed_camera,
    rotation_from_front,
)
from spatialllm_ros.learning.object_targets import (
    MIRROR_SIGNS,
    OBJECT_TARGETS,
    distance_m,
    heading_rad,
    object_targets,
)
from spatialllm_ros.learning.probing import OFFSET_SCALE, dense_truth
from spatialllm_ros.learning.scene_arrays import SceneArrays, token_shares
from spatialllm_ros.learning.views import CAMERA_MIRROR_SIGNS, scene_views
from spatialllm_ros.scenes.mirror import mirrored_camera, mirrored_scene
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

DOWN = math.radians(20)
UP = (0.0, -math.cos(DOWN), -math.sin(DOWN))
"""Up of a camera that looks down by 20 degrees."""
CAMERA = CameraModel(192, 144, 160.0, 160.0, 100.0, 70.0, up_optical=UP, height_m=1.4)


def scene_with(centre, front, has_front=True) -> Scene:
    item = SceneObject(
        'car', 'red', '', 'car', centre, (1.0, 0.5, 0.4), rotation_from_front(front, UP),
        has_front, 1.0, (60.0, 40.0, 120.0, 90.0), 'floor',
    )  # fmt: skip
    return Scene('s', '', CAMERA, (item,), 'simulated', 'Apache-2.0')


def value(targets, name) -> float:
    return float(targets[OBJECT_TARGETS.index(name)])


def test_targets_of_a_point_straight_ahead_on_the_axis():
    targets = object_targets(
        scene_with((0, 0, 3.0), (0, 0, -1)).objects[0], scene_with((0, 0, 3.0), (0, 0, -1))
    )
    assert value(targets, 'column') == pytest.approx((100.5 / 192) * 2 - 1)
    assert value(targets, 'row') == pytest.approx((70.5 / 144) * 2 - 1)
    assert value(targets, 'right') == pytest.approx(0, abs=1e-6)
    assert value(targets, 'forward') == pytest.approx((3 * math.cos(DOWN) - 3.5) / 2, abs=1e-6)
    assert value(targets, 'height') == pytest.approx(1.4 - 3 * math.sin(DOWN) - 0.5, abs=1e-6)
    assert distance_m(targets) == pytest.approx(3.0, rel=1e-5)
    assert heading_rad(targets) == pytest.approx(0, abs=1e-5)
    assert value(targets, 'front_forward') == pytest.approx(-1)


def test_front_to_the_right_is_270_degrees():
    scene = scene_with((0, 0, 3.0), (1, 0, 0))
    targets = object_targets(scene.objects[0], scene)
    assert value(targets, 'azimuth_sin') == pytest.approx(-1)
    assert value(targets, 'front_right') == pytest.approx(1)


def test_an_object_without_front_has_no_heading_targets():
    scene = scene_with((0, 0, 3.0), (1, 0, 0), has_front=False)
    assert object_targets(scene.objects[0], scene)[9:].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize('seed', range(5))
def test_mirroring_a_scene_flips_the_stated_signs(seed):
    rng = np.random.default_rng(seed)
    centred = CameraModel(192, 144, 160.0, 160.0, 95.5, 70.0, up_optical=UP, height_m=1.4)
    scene = scene_with(
        (rng.uniform(-1, 1), rng.uniform(-0.5, 0.5), 3.0), tuple(rng.normal(size=3))
    )
    scene = Scene('s', '', centred, scene.objects, 'simulated', 'Apache-2.0')
    flipped = mirrored_scene(scene)
    expected = object_targets(scene.objects[0], scene) * MIRROR_SIGNS
    assert np.allclose(object_targets(flipped.objects[0], flipped), expected, atol=1e-5)


def test_mirrored_camera_features_are_the_flipped_ones():
    plain = camera_token_features(CAMERA, 9, 12).reshape(9, 12, -1)
    flipped = camera_token_features(mirrored_camera(CAMERA), 9, 12).reshape(9, 12, -1)
    assert np.allclose(flipped, plain[:, ::-1] * CAMERA_MIRROR_SIGNS, atol=1e-6)


def test_uncalibrated_features_keep_only_the_position():
    features = camera_token_features(guessed_camera(192, 144, 1.0), 9, 12)
    assert np.any(features[:, :2] != 0)
    assert np.all(features[:, 2:] == 0)


def test_token_shares_count_samples_by_hand():
    owners = np.full((1, 36, 48), -1, np.int8)
    owners[0, 0:4, 0:2] = 0
    owners[0, 2:6, 4:8] = 1
    shares = token_shares(owners, (9, 12))
    assert shares.shape == (1, 8, 108)
    assert shares[0, 0, 0] == 8
    assert shares[0, 1, 1] == 8
    assert shares[0, 1, 13] == 8
    assert shares.sum() == 24


def test_dense_truth_gives_each_token_its_object():
    shares = torch.zeros(1, 2, 3)
    shares[0, 0] = torch.tensor([16, 2, 5])
    shares[0, 1] = torch.tensor([0, 1, 9])
    labels = torch.tensor([[[3, 1, 1], [7, 2, 0]]])
    targets = torch.zeros(1, 2, 13)
    targets[0, :, 0] = torch.tensor([0.5, -0.5])
    positions = torch.tensor([[0.25, 0.0], [0.0, 0.0], [-1.0, 0.0]])
    truth = dense_truth(shares, labels, targets, positions)
    assert truth.owner.tolist() == [[0, -1, 1]]
    assert truth.category[0, [0, 2]].tolist() == [3, 7]
    assert truth.has_front[0, [0, 2]].tolist() == [True, False]
    assert truth.targets[0, 0, 0] == pytest.approx(0.25 * OFFSET_SCALE)
    assert truth.targets[0, 2, 0] == pytest.approx(0.5 * OFFSET_SCALE)


def test_mirrored_views_equal_views_of_the_flipped_image():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (1, 144, 192, 3), dtype=np.uint8)
    owners = rng.integers(-1, 1, (1, 36, 48)).astype(np.int8)
    scene = scene_with((0.4, 0.1, 3.0), (1, 0, -1))
    scene = Scene(
        's', '', CameraModel(192, 144, 160, 160, 95.5, 71.5, UP, 1.4), scene.objects, '', ''
    )
    flipped = mirrored_scene(scene)
    mirrored = scene_views(
        _arrays(scene, pixels, owners), np.array([0]), np.array([True]), (9, 12)
    )
    plain = scene_views(
        _arrays(flipped, pixels[:, :, ::-1], owners[:, :, ::-1]),
        np.array([0]),
        np.array([False]),
        (9, 12),
    )
    for name, tensor in plain.items():
        assert torch.allclose(mirrored[name].float(), tensor.float(), atol=2e-3), name


def _arrays(scene: Scene, pixels, owners) -> SceneArrays:
    targets = np.zeros((1, 8, 13), np.float32)
    targets[0, 0] = object_targets(scene.objects[0], scene)
    labels = np.full((1, 8, 3), -1)
    labels[0, 0] = (0, 0, 1)
    features = camera_token_features(scene.camera, 9, 12)[None].astype(np.float16)
    return SceneArrays(
        [pixels],
        np.array([[0, 0]]),
        features,
        targets,
        labels,
        token_shares(owners, (9, 12)),
    )


def test_rotation_rows_are_plain_floats():
    assert as_mat3(np.eye(3)) == ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
