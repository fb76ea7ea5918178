"""ImageNet3D: the orientation of objects in photographs into scenes.

Layout: a folder with ``annotations/CATEGORY/NAME.npz`` and ``images/CATEGORY/NAME.JPEG``.

Heading axis: a CAD model's front is -y and its up is +z. The camera stands at
``d (cos e sin a, -cos e cos a, sin e)`` and looks at the model's origin; ``theta`` then turns the
image counter-clockwise. So azimuth 0 shows the front, pi/2 the left side, as in this package.

Frame: the annotators' camera looks straight at each object, which it shows at (``px``, ``py``)
with a nominal focal length of 2000 pixels, so their angles are relative to the line of sight. The
object is placed on the ray through that pixel, turned along with it.

Units: radians and pixels. ``distance`` is in lengths of a CAD model, not in metres, and the focal
length is a guess: cameras are marked uncalibrated, and only orientation is asked.

Gravity: the mean up of an image's objects, which stand upright in most photographs; an object
tilted from it by more than 20 degrees is left out. Headings are about that mean, so with several
objects they differ from the annotated azimuths by as much as their ups disagree, and by more the
higher the camera: an object seen from more than 60 degrees above or below is left out.

Visibility: a share for each ``object_status``; bad ones are left out, but another object of their
category has no phrase. Images in which objects of one category crowd (``dense_yes``) are left out.

Licence: CC BY-NC 4.0, and the terms of access of ImageNet for its images.

Source: README.md, datasheet_for_dataset.md and render_utils.py (proj2d) of wufeim/imagenet3d;
imagenet3d/utils/pose_utils.py of wufeim/imagenet3d_exp.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spatialllm_ros.errors import SceneError
from spatialllm_ros.geometry import as_vec3, pixel_rays, unit
from spatialllm_ros.scenes.annotation import (
    Array,
    annotated_object,
    image_size_px,
    numbers,
    singled_out,
)
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.licences import licence_expression
from spatialllm_ros.scenes.object_arrays import load_objects
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

SOURCE = 'imagenet3d'
LICENCE = licence_expression(('CC-BY-NC-4.0', 'LicenseRef-ImageNet'))
SHARE_SEEN = {'status_good': 1.0, 'status_partially': 0.6, 'status_barely': 0.3}
FOCAL_PX = 2000.0
MAX_TILT_COSINE = math.cos(math.radians(20))
MAX_ELEVATION_SINE = math.sin(math.radians(60))
"""Nearer to the vertical, an error of up turns a heading by more than 1.7 times as much."""
MODEL_FROM_OBJECT = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Takes our axes of an object (x out of its front, y left) to the CAD model's (front -y)."""
OPTICAL_FROM_OPENGL = np.diag([1.0, -1.0, -1.0])
FRONTED = {
    'aeroplane', 'agitator_truck', 'ambulance', 'bench', 'bicycle', 'bicycle_built_for_two',
    'boat', 'bookshelf', 'bumper_car', 'bus', 'cabinet', 'car', 'chair', 'computer', 'cooker',
    'dishwasher', 'dune_buggy', 'filing_cabinet', 'fire_truck', 'forklift', 'garbage_truck',
    'glider', 'go_kart', 'golfcart', 'harvester', 'highchair', 'jinrikisha', 'laptop',
    'microwave', 'motorbike', 'pay_phone', 'printer', 'recreational_vehicle', 'refrigerator',
    'riding_mower', 'school_bus', 'scooter', 'segway', 'shoe', 'snowmobile', 'sofa', 'speaker',
    'stove', 'tank', 'toilet', 'tractor', 'train', 'tricycle', 'trolley_bus', 'trolleybus',
    'tvmonitor', 'vending_machine', 'washing_machine', 'wheelchair',
}  # fmt: skip
"""Categories with a front that a person would agree on."""

Record = dict[str, Any]


def read_imagenet3d(folder: Path, report: ImportReport) -> Iterator[Scene]:
    """Yield the scenes of an ImageNet3D folder, in the order of category and name.

    Raises:
        SceneError: the folder has no annotations.
    """
    paths = sorted((folder / 'annotations').glob('*/*.npz'))
    if not paths:
        raise SceneError(
            f'expected annotations/CATEGORY/*.npz in {folder}, found none: give the folder that '
            'holds annotations and images'
        )
    for path in paths:
        where = f'annotations/{path.parent.name}/{path.name}'
        for records in report.reading(where, load_objects, path, 'annotations'):
            if any(_field(record, 'dense') == 'dense_yes' for record in records):
                report.leave_out('crowded images')
                continue
            image = folder / 'images' / path.parent.name / f'{path.stem}.JPEG'
            yield from report.reading(where, _scene, where, image, records, report)


def object_rotation(azimuth_rad: float, elevation_rad: float, theta_rad: float) -> Array:
    """Return object-to-optical rotation (3, 3) for a camera that looks straight at the object."""
    tilt = -(math.pi / 2 - elevation_rad)
    about_x = np.array(
        [[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]]
    )
    opengl_from_model = _about_z(theta_rad) @ about_x @ _about_z(-azimuth_rad)
    return np.asarray(OPTICAL_FROM_OPENGL @ opengl_from_model @ MODEL_FROM_OBJECT)


def _about_z(angle_rad: float) -> Array:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def turn_to(ray: Array) -> Array:
    """Return the smallest rotation (3, 3) that takes the optical axis to a unit ray with z > 0."""
    x, y, z = ray
    k = 1 / (1 + z)
    return np.array([[1 - k * x * x, -k * x * y, x], [-k * x * y, 1 - k * y * y, y], [-x, -y, z]])


def _field(record: object, name: str) -> object:
    """Return a field of what may be no record at all: reading it will tell."""
    return record.get(name) if isinstance(record, dict) else None


def _scene(where: str, image: Path, records: list[Record], report: ImportReport) -> Scene:
    size_px = image_size_px(image)
    cx_px, cy_px = ((pixels - 1) / 2 for pixels in size_px)
    camera = CameraModel(*size_px, FOCAL_PX, FOCAL_PX, cx_px, cy_px, calibrated=False)
    upright = _upright(_objects(where, records, camera, report), report)
    return Scene(
        scene_id=f'imagenet3d-{image.parent.name}-{image.stem}',
        image=str(image),
        camera=replace(camera, up_optical=as_vec3(unit(_ups(upright).sum(axis=0)))),
        objects=singled_out(upright, map(_noun, records)),
        source=SOURCE,
        licence=LICENCE,
    )


def _objects(
    where: str, records: list[Record], camera: CameraModel, report: ImportReport
) -> list[SceneObject]:
    """Return what is seen well enough and from the side."""
    objects: list[SceneObject] = []
    for number, record in enumerate(records):
        if _field(record, 'object_status') == 'status_bad':
            report.leave_out('objects hardly seen')
            continue
        for item in report.reading(f'{where}[{number}]', posed, record, camera):
            if _sine_of_elevation(item) > MAX_ELEVATION_SINE:
                report.leave_out('objects seen from above or below')
            else:
                objects.append(item)
    return objects


def _sine_of_elevation(item: SceneObject) -> float:
    return abs(float(_ups([item])[0] @ unit(item.centre_optical_m)))


def _noun(record: object) -> str:
    return str(_field(record, 'class')).replace('_', ' ')


def posed(record: Record, camera: CameraModel) -> SceneObject:
    """Return the object of one annotation.

    Raises:
        SceneError: it has impossible numbers.
    """
    pose = [record[name] for name in ('azimuth', 'elevation', 'theta', 'distance', 'px', 'py')]
    azimuth, elevation, theta, distance, px, py = numbers(pose, 6)
    if distance <= 0:
        raise SceneError(f'expected a distance above zero, found {distance:g}')
    ray = pixel_rays(camera, [px, py])
    left, top, right, bottom = box = numbers(record['bbox'], 4)
    width, height = distance / camera.fx_px * np.array([right - left, bottom - top])
    return annotated_object(
        _noun(record),
        distance * ray,
        (width, width, height),
        turn_to(ray) @ object_rotation(azimuth, elevation, theta),
        has_front=record['class'] in FRONTED,
        visibility=SHARE_SEEN[record['object_status']],
        box_xyxy_px=box,
        support='unknown',
    )


def _ups(objects: list[SceneObject]) -> Array:
    return np.array([item.rotation_optical for item in objects]).reshape(-1, 3, 3)[:, :, 2]


def _upright(objects: list[SceneObject], report: ImportReport) -> list[SceneObject]:
    """Return the objects that stand as most of them do; the report counts the others.

    Raises:
        SceneError: there is none.
    """
    if not objects:
        raise SceneError('expected an object with a pose seen from the side, found none')
    ups = _ups(objects)
    cosines = ups @ unit(np.median(ups, axis=0))
    pairs = zip(objects, cosines, strict=True)
    upright = [item for item, cosine in pairs if cosine >= MAX_TILT_COSINE]
    if not upright:
        raise SceneError('expected objects that agree on what is up, found none')
    report.leave_out('tilted objects', len(objects) - len(upright))
    return upright
