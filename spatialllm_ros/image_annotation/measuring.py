"""From what the steps found in a photo to its scene: geometry alone, no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.geometry import front_from_azimuth
from spatialllm_ros.image_annotation.depth import DEPTH, scaled_depth_m
from spatialllm_ros.image_annotation.depth_points import depth_points, photographed_camera
from spatialllm_ros.image_annotation.detection import DETECTION
from spatialllm_ros.image_annotation.ground_plane import ASSUMED_UP, GroundPlane, find_ground
from spatialllm_ros.image_annotation.masking import MASKS, unpacked_masks
from spatialllm_ros.image_annotation.object_boxes import (
    Box,
    border_share,
    continuous_part,
    flaw_of,
    upright_box,
)
from spatialllm_ros.image_annotation.orientation import MIN_AGREEMENT, ORIENTATION
from spatialllm_ros.image_annotation.photos import Photo
from spatialllm_ros.image_annotation.steps import Arrays, Found
from spatialllm_ros.scenes.annotation import annotated_object, singled_out
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

SOURCE = 'images'
NO_GROUND = 'ground planes that were not found'

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """An object's pixels and box; ``has_front`` tells whether the box's first axis is a front."""

    category: str
    mask: NDArray[np.bool_]
    box: Box
    has_front: bool


def measured_scene(
    photo: Photo, found: Found, hfov_rad: float | None, licence: str, report: ImportReport
) -> Scene:
    """Return the scene of a photo; the report counts what could not be measured.

    Where no ground is found, up is unknown, no object has a front, and boxes are upright in the
    image.

    Raises:
        SceneError: the lens is not known.
    """
    focal_px = float(found[DEPTH]['focal_px'])
    camera = photographed_camera(photo, hfov_rad, None if np.isnan(focal_px) else focal_px)
    points = depth_points(camera, scaled_depth_m(found[DEPTH], camera.fx_px))
    masks = unpacked_masks(found[MASKS])
    ground = find_ground(points, np.asarray(masks.any(axis=0)))
    report.leave_out(NO_GROUND, int(ground is None))
    fronts = _azimuths(found.get(ORIENTATION, {}), len(masks), ground)
    objects: list[SceneObject] = []
    categories = found[DETECTION]['categories'].tolist()
    for index, category in enumerate(categories):
        flaw = flaw_of(masks[index], points)
        if flaw is not None:
            report.leave_out(flaw)
            continue
        up = ASSUMED_UP if ground is None else ground.up_optical
        seen = _measured(category, masks[index], points, np.asarray(up), fronts[index])
        objects += report.reading(f'{photo.name}[{index}]', _described, seen)
    return Scene(
        scene_id=scene_id(photo),
        image=str(photo.path),
        camera=_with_gravity(camera, ground),
        objects=singled_out(objects, categories),
        source=SOURCE,
        licence=licence,
    )


def scene_id(photo: Photo) -> str:
    """Return a name for files that no other image of a folder has."""
    parts = PurePosixPath(photo.name).with_suffix('').parts
    return '-'.join((SOURCE, *parts, photo.key[:8]))


def _azimuths(outcome: Arrays, count: int, ground: GroundPlane | None) -> Sequence[float | None]:
    """Return each object's heading; None where it is unknown or no person would agree on it."""
    if not outcome or ground is None:
        return [None] * count
    pairs = zip(outcome['azimuths_rad'].tolist(), outcome['agreements'].tolist(), strict=True)
    return [azimuth if agreement >= MIN_AGREEMENT else None for azimuth, agreement in pairs]


def _measured(
    category: str, mask: NDArray[np.bool_], points: Array, up: Array, azimuth_rad: float | None
) -> Measured:
    surface = points[continuous_part(mask, points[..., 2])]
    front = None
    if azimuth_rad is not None:
        front = front_from_azimuth(azimuth_rad, np.median(surface, axis=0), up)
    return Measured(category, mask, upright_box(surface, up, front), front is not None)


def _described(seen: Measured) -> SceneObject:
    rows, columns = np.flatnonzero(seen.mask.any(axis=1)), np.flatnonzero(seen.mask.any(axis=0))
    return annotated_object(
        seen.category,
        seen.box.centre_optical_m,
        seen.box.size_m,
        seen.box.rotation_optical,
        has_front=seen.has_front,
        # How much others hide of it is not known, only how much of it meets the border.
        visibility=1 - border_share(seen.mask),
        box_xyxy_px=(columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5),
        support='unknown',
    )


def _with_gravity(camera: CameraModel, ground: GroundPlane | None) -> CameraModel:
    if ground is None:
        return camera
    height_m = ground.height_m if ground.is_lowest else None
    return replace(camera, up_optical=ground.up_optical, height_m=height_m)
