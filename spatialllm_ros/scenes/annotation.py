"""What the readers of annotated images share: checks, phrases, rotations, boxes, resizing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from spatialllm_ros.errors import SceneError
from spatialllm_ros.geometry import Letterbox, as_mat3, as_vec3, letterboxed_camera, project
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

Array = NDArray[np.float64]
BoxPx = tuple[float, float, float, float]
"""Left, top, right and bottom."""

NEAREST_M = 0.1
"""A centre nearer than this to the camera's plane is no object in view."""
ROTATION_TOLERANCE = 1e-3


def annotated_object(
    category: str, centre_optical_m: ArrayLike, size_m: ArrayLike, rotation_optical: ArrayLike,
    *, has_front: bool, visibility: float, box_xyxy_px: ArrayLike, support: str = 'ground',
) -> SceneObject:  # fmt: skip
    """Return an object of a real image: nobody annotated its colour, so it has none.

    Raises:
        SceneError: a number is missing, out of range or not finite.
    """
    centre, size, box = numbers(centre_optical_m, 3), numbers(size_m, 3), numbers(box_xyxy_px, 4)
    if centre[2] < NEAREST_M:
        raise SceneError(f'expected a centre in front of the camera, found z = {centre[2]:g} m')
    if (size <= 0).any():
        raise SceneError(f'expected a size above zero, found {size.tolist()}')
    if box[0] >= box[2] or box[1] >= box[3]:
        raise SceneError(f'expected left < right and top < bottom, found {box.tolist()}')
    if not category or not 0 <= visibility <= 1:
        raise SceneError(
            f'expected a category and a visibility from 0 to 1, found {category!r}, {visibility}'
        )
    left, top, right, bottom = (float(edge) for edge in box)
    return SceneObject(
        category=category,
        colour='',
        size_word='',
        phrase='',
        centre_optical_m=as_vec3(centre),
        size_m=as_vec3(size),
        rotation_optical=as_mat3(rotation(rotation_optical)),
        has_front=has_front,
        visibility=visibility,
        box_xyxy_px=(left, top, right, bottom),
        support=support,
    )


def singled_out(objects: Iterable[SceneObject], nouns: Iterable[str]) -> tuple[SceneObject, ...]:
    """Return the objects, each with its noun as its phrase where nothing else goes by that noun.

    Args:
        objects: those that are kept.
        nouns: of all that is annotated in the image, whether it is kept or not: what is left out
            is seen all the same.
    """
    counts = Counter(nouns)
    return tuple(
        replace(item, phrase=item.category if counts[item.category] == 1 else '')
        for item in objects
    )


def numbers(values: ArrayLike, *shape: int) -> Array:
    """Return finite numbers of a shape.

    Raises:
        SceneError: there are more, fewer or not finite ones.
    """
    array = np.asarray(values, float)
    if array.shape != shape or not np.isfinite(array).all():
        raise SceneError(f'expected finite numbers of shape {shape}, found {values!r}')
    return array


def rotation(matrix: ArrayLike) -> Array:
    """Return a rotation matrix (3, 3).

    Raises:
        SceneError: it stretches or mirrors.
    """
    array = numbers(matrix, 3, 3)
    error = float(np.abs(array @ array.T - np.eye(3)).max())
    if error > ROTATION_TOLERANCE or np.linalg.det(array) < 0:
        raise SceneError(f'expected a rotation matrix, found {array.tolist()}')
    return array


def quaternion_rotation(wxyz: ArrayLike) -> Array:
    """Return the rotation matrix (3, 3) of a unit quaternion.

    Raises:
        SceneError: its length is not one.
    """
    w, x, y, z = numbers(wxyz, 4)
    if abs(w * w + x * x + y * y + z * z - 1) > ROTATION_TOLERANCE:
        raise SceneError(f'expected a quaternion of length one, found {wxyz!r}')
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def camera_of_matrix(size_px: tuple[int, int], matrix: ArrayLike) -> CameraModel:
    """Return the pinhole camera of an image size (width, height) and an intrinsic matrix (3, 3).

    Raises:
        SceneError: the matrix is not that of a pinhole camera.
    """
    k = numbers(matrix, 3, 3)
    if min(k[0, 0], k[1, 1]) <= 0 or k[2, 2] != 1:
        raise SceneError(f'expected an intrinsic matrix, found {k.tolist()}')
    fx, fy, cx, cy = (float(k[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return CameraModel(*size_px, fx, fy, cx, cy)


def image_size_px(path: Path) -> tuple[int, int]:
    """Return width and height from an image file's header.

    Raises:
        OSError: there is no such file, or it is no image.
    """
    with Image.open(path) as image:
        return image.size


def part_ahead(corners_optical: Array) -> Array:
    """Return the corners (N, 3) of the part of a box that lies before the camera; N may be 0.

    Args:
        corners_optical: (8, 3) as ``geometry.box_corners`` orders them.
    """
    beyond = corners_optical[:, 2] - NEAREST_M
    cuts = [
        (corners_optical[a] * beyond[b] - corners_optical[b] * beyond[a]) / (beyond[b] - beyond[a])
        for a in range(8)
        for b in (a | bit for bit in (1, 2, 4) if not a & bit)
        if beyond[a] * beyond[b] < 0
    ]
    points = np.array([*corners_optical[beyond >= 0], *cuts]).reshape(-1, 3)
    points[:, 2] = np.maximum(points[:, 2], NEAREST_M)  # a cut may be rounded to before it
    return points


def clipped_box(camera: CameraModel, points_optical: Array) -> tuple[BoxPx, float] | None:
    """Return the image box around points and the share of it that the image holds.

    None where the image holds nothing of it, where there is no point, or where one is too near or
    behind the camera.
    """
    if points_optical[:, 2].min(initial=np.inf) < NEAREST_M or len(points_optical) == 0:
        return None
    pixels = project(camera, points_optical)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    edge = np.array([camera.width_px, camera.height_px]) - 0.5
    inside = np.clip([low, high], -0.5, edge)
    share = float(np.prod(inside[1] - inside[0]) / np.prod(high - low))
    if share <= 0:
        return None
    (left, top), (right, bottom) = inside.tolist()
    return (left, top, right, bottom), share


def fitted_scene(scene: Scene, box: Letterbox) -> Scene:
    """Return the scene of the letterboxed image."""

    def fitted(edges: Sequence[float]) -> BoxPx:
        scale = (box.scale_x, box.scale_y) * 2
        pad = (box.pad_left_px, box.pad_top_px) * 2
        left, top, right, bottom = (
            (edge + 0.5) * s - 0.5 + p for edge, s, p in zip(edges, scale, pad, strict=True)
        )
        return (left, top, right, bottom)

    objects = tuple(replace(item, box_xyxy_px=fitted(item.box_xyxy_px)) for item in scene.objects)
    return replace(scene, camera=letterboxed_camera(scene.camera, box), objects=objects)
