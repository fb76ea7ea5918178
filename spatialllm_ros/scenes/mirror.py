"""The mirror image of a scene: what the same camera would see of the mirrored world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spatialllm_ros.geometry import as_mat3
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

_FLIP_X = np.diag([-1.0, 1.0, 1.0])
_FLIP_Y = np.diag([1.0, -1.0, 1.0])


def mirrored_scene(scene: Scene) -> Scene:
    """Return the scene whose image is this scene's image flipped left to right.

    Exact because every object is symmetric to its own x-z plane: the mirrored object is the same
    object with another rotation.
    """
    return replace(
        scene,
        scene_id=f'{scene.scene_id}-mirrored',
        camera=mirrored_camera(scene.camera),
        objects=tuple(_mirrored_object(item, scene.camera.width_px) for item in scene.objects),
    )


def mirrored_camera(camera: CameraModel) -> CameraModel:
    """Return the camera of the flipped image."""
    up = camera.up_optical
    return replace(
        camera,
        cx_px=camera.width_px - 1 - camera.cx_px,
        up_optical=None if up is None else (-up[0], up[1], up[2]),
    )


def _mirrored_object(item: SceneObject, width_px: int) -> SceneObject:
    left, top, right, bottom = item.box_xyxy_px
    x, y, z = item.centre_optical_m
    return replace(
        item,
        centre_optical_m=(-x, y, z),
        rotation_optical=as_mat3(_FLIP_X @ np.array(item.rotation_optical) @ _FLIP_Y),
        box_xyxy_px=(width_px - 1 - right, top, width_px - 1 - left, bottom),
    )
