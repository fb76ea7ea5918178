"""Cameras, pixels, rays and headings: the 3D arithmetic everything else shares.

Knows no question, model or message. Notation: ``points_px`` are (column, row) with integers at
pixel centres; ``*_optical`` vectors live in the optical frame of REP-103 (x right, y down,
z forward).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialllm_ros.errors import GeometryError
from spatialllm_ros.schema import CameraModel, Mat3, Vec3

Array = NDArray[np.float64]

CAMERA_FEATURES = (
    'column', 'row', 'ray_x', 'ray_y', 'ray_z', 'elevation',
    'up_x', 'up_y', 'up_z', 'has_gravity', 'is_calibrated',
)  # fmt: skip
"""What each image token is told about its place, in order; see ``camera_token_features``."""

FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)


@dataclass(frozen=True)
class Letterbox:
    """How an image sits in a canvas of another size: scaled to whole pixels, then padded.

    A source pixel ``p`` lies at ``(p + 0.5) * scale - 0.5 + pad`` in the canvas. The two scales
    differ by what rounding to whole pixels takes.
    """

    scale_x: float
    scale_y: float
    pad_left_px: int
    pad_top_px: int
    inner_width_px: int
    inner_height_px: int
    canvas_width_px: int
    canvas_height_px: int


def fit_letterbox(width_px: int, height_px: int, canvas_w_px: int, canvas_h_px: int) -> Letterbox:
    """Return the largest centred placement of an image in a canvas that keeps its aspect."""
    scale = min(canvas_w_px / width_px, canvas_h_px / height_px)
    inner_w = max(1, min(canvas_w_px, round(width_px * scale)))
    inner_h = max(1, min(canvas_h_px, round(height_px * scale)))
    return Letterbox(
        scale_x=inner_w / width_px,
        scale_y=inner_h / height_px,
        pad_left_px=(canvas_w_px - inner_w) // 2,
        pad_top_px=(canvas_h_px - inner_h) // 2,
        inner_width_px=inner_w,
        inner_height_px=inner_h,
        canvas_width_px=canvas_w_px,
        canvas_height_px=canvas_h_px,
    )


def letterboxed_camera(camera: CameraModel, box: Letterbox) -> CameraModel:
    """Return the camera that would have taken the letterboxed image."""
    return replace(
        camera,
        width_px=box.canvas_width_px,
        height_px=box.canvas_height_px,
        fx_px=camera.fx_px * box.scale_x,
        fy_px=camera.fy_px * box.scale_y,
        cx_px=(camera.cx_px + 0.5) * box.scale_x - 0.5 + box.pad_left_px,
        cy_px=(camera.cy_px + 0.5) * box.scale_y - 0.5 + box.pad_top_px,
    )


def unletterboxed_points(points_px: ArrayLike, box: Letterbox) -> Array:
    """Take (..., 2) canvas pixels back to pixels of the source image."""
    pad = np.array([box.pad_left_px, box.pad_top_px], float)
    scale = np.array([box.scale_x, box.scale_y])
    return np.asarray((np.asarray(points_px, float) - pad + 0.5) / scale - 0.5)


def guessed_camera(width_px: int, height_px: int, horizontal_fov_rad: float) -> CameraModel:
    """Return an uncalibrated camera with square pixels and its axis through the image centre."""
    focal_px = width_px / 2 / math.tan(horizontal_fov_rad / 2)
    return CameraModel(
        width_px, height_px, focal_px, focal_px, (width_px - 1) / 2, (height_px - 1) / 2,
        calibrated=False,
    )  # fmt: skip


def horizontal_fov_rad(focal_35mm: float, width_px: int, height_px: int) -> float:
    """Return the field of view across an image's width, of a lens told for 35 mm film.

    A focal length for 35 mm film holds for the diagonal, as cameras of other aspects report it.

    Args:
        focal_35mm: focal length in millimetres that gives the image's view on 36 x 24 mm.
        width_px: of the whole image.
        height_px: of the whole image.

    Source: CIPA DCG-001, 35 mm film equivalent focal length.
    """
    width_mm = FILM_DIAGONAL_MM * width_px / math.hypot(width_px, height_px)
    return 2 * math.atan(width_mm / 2 / focal_35mm)


def unit(vectors: ArrayLike) -> Array:
    """Scale (..., 3) vectors to length one.

    Raises:
        GeometryError: a vector has no direction.
    """
    array = np.asarray(vectors, float)
    norms: Array = np.linalg.norm(array, axis=-1, keepdims=True)
    if not np.all(norms > 1e-12):
        raise GeometryError('expected vectors with a direction, found one of length zero')
    return np.asarray(array / norms)


def pixel_rays(camera: CameraModel, points_px: ArrayLike) -> Array:
    """Return the unit rays (..., 3), optical frame, through pixels (..., 2)."""
    points = np.asarray(points_px, float)
    x = (points[..., 0] - camera.cx_px) / camera.fx_px
    y = (points[..., 1] - camera.cy_px) / camera.fy_px
    return unit(np.stack([x, y, np.ones_like(x)], axis=-1))


def project(camera: CameraModel, points_optical: ArrayLike) -> Array:
    """Project points (..., 3), metres, to pixels (..., 2).

    Raises:
        GeometryError: a point is not in front of the camera.
    """
    points = np.asarray(points_optical, float)
    z: Array = points[..., 2]
    if not np.all(z > 1e-9):
        raise GeometryError('expected points in front of the camera, found z <= 0')
    u = camera.fx_px * points[..., 0] / z + camera.cx_px
    v = camera.fy_px * points[..., 1] / z + camera.cy_px
    return np.stack([u, v], axis=-1)


def lift(camera: CameraModel, points_px: ArrayLike, distances_m: ArrayLike) -> Array:
    """Return the points (..., 3) at the given distances along the rays through pixels (..., 2).

    The distance is Euclidean from the optical centre, not the z coordinate.
    """
    distances: Array = np.asarray(distances_m, float)[..., None]
    return pixel_rays(camera, points_px) * distances


def horizontal(vectors: ArrayLike, up: ArrayLike) -> Array:
    """Return unit directions (..., 3) of vectors with their part along ``up`` taken out.

    Raises:
        GeometryError: a vector is vertical.
    """
    array, up_unit = np.asarray(vectors, float), unit(up)
    flat = array - (array @ up_unit)[..., None] * up_unit
    return unit(flat)


def azimuth(front_optical: ArrayLike, centre_optical: ArrayLike, up_optical: ArrayLike) -> float:
    """Return an object's heading in [0, 2 pi), relative to the line of sight to it.

    0: its front faces the camera; pi/2: its left side does (it points to the viewer's left);
    pi: its back; 3 pi/2: its right side.

    Raises:
        GeometryError: the object is straight above or below the camera, or points so.
    Source: ImageNet3D azimuth, with the ray correction of SpatialReasoner's annotation code.
    """
    front = horizontal(front_optical, up_optical)
    sight = horizontal(centre_optical, up_optical)
    right = np.cross(sight, unit(up_optical))
    heading = math.atan2(-(front @ right), -(front @ sight)) % math.tau
    return float(heading % math.tau)  # a tiny negative angle was rounded to the whole turn


def front_from_azimuth(
    azimuth_rad: float, centre_optical: ArrayLike, up_optical: ArrayLike
) -> Array:
    """Return the horizontal unit front vector, optical frame, of an object with this heading."""
    sight = horizontal(centre_optical, up_optical)
    right = np.cross(sight, unit(up_optical))
    return np.asarray(-math.cos(azimuth_rad) * sight - math.sin(azimuth_rad) * right)


def rotation_from_front(front_optical: ArrayLike, up_optical: ArrayLike) -> Mat3:
    """Return object-to-optical rotation rows of an upright object with this horizontal front."""
    x, z = horizontal(front_optical, up_optical), unit(up_optical)
    matrix = np.stack([x, np.cross(z, x), z], axis=1)
    return as_mat3(matrix)


def as_vec3(values: ArrayLike) -> Vec3:
    """Return three plain floats."""
    x, y, z = (float(v) for v in np.asarray(values, float).reshape(3))
    return (x, y, z)


def as_mat3(values: ArrayLike) -> Mat3:
    """Return three rows of plain floats."""
    a, b, c = np.asarray(values, float).reshape(3, 3)
    return (as_vec3(a), as_vec3(b), as_vec3(c))


def token_centres_px(width_px: int, height_px: int, rows: int, columns: int) -> Array:
    """Return the centres (rows * columns, 2) of a grid of image tokens, row by row."""
    u = (np.arange(columns) + 0.5) * width_px / columns - 0.5
    v = (np.arange(rows) + 0.5) * height_px / rows - 0.5
    grid: Array = np.stack(np.meshgrid(u, v), axis=-1)
    return grid.reshape(-1, 2)


def camera_token_features(camera: CameraModel, rows: int, columns: int) -> NDArray[np.float32]:
    """Return what each image token is told about its place: (rows * columns, 11).

    Position in the image from -1 to 1, the ray through the token's centre, the ray's elevation
    (its cosine with up) and up itself in the optical frame. What is unknown is zero and its flag
    (``has_gravity``, ``is_calibrated``) is zero too.
    """
    centres = token_centres_px(camera.width_px, camera.height_px, rows, columns)
    features = np.zeros((rows * columns, len(CAMERA_FEATURES)), np.float32)
    size = np.array([camera.width_px, camera.height_px], float)
    features[:, 0:2] = (centres + 0.5) / size * 2 - 1
    if not camera.calibrated:
        return features
    rays = pixel_rays(camera, centres)
    features[:, 2:5] = rays
    features[:, 10] = 1
    if camera.up_optical is not None:
        up = unit(camera.up_optical)
        features[:, 5] = rays @ up
        features[:, 6:9] = up
        features[:, 9] = 1
    return features


def box_corners(centre: ArrayLike, size: ArrayLike, rotation: ArrayLike) -> Array:
    """Return the corners (8, 3) of a box; corner i is at the far end of each axis set in i.

    The bits of i, highest first, stand for the box's own x, y and z.
    """
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    local: Array = signs * np.asarray(size, float) / 2
    turned: Array = local @ np.asarray(rotation, float).T
    return np.asarray(centre, float) + turned
