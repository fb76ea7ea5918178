"""Omni3D: one JSON file per member and split into scenes.

Layout: ``NAME.json`` in a folder beside the members' image folders (``Omni3D/KITTI_train.json``
beside ``KITTI_object/``), as the authors' instructions have it; ``file_path`` starts there.

Frame: ``center_cam`` and ``R_cam`` are in the optical frame (x right, y down, z forward).

Units: metres and pixels. ``dimensions`` are width, height, length; in the object's own frame
length lies along x, height along y (down) and width along z.

Heading axis: none is documented, nor whether +x or -x is an object's front, so no object has a
front here. The readers of KITTI and nuScenes take headings from those members' own annotation.

Gravity: not annotated. Boxes of most members stand upright, so up is the direction that all
boxes of an image agree on; where they do not, or where the sky is flagged as doubtful, it is
unknown and no relation is asked. The camera's height is unknown.

Visibility: ``visibility`` times 1 - ``truncation``; -1 means unavailable: an object of unknown
visibility counts as hidden. As the authors' loader does, boxes are left out that are not
``valid3D``, reach behind the camera, hold no LiDAR or segmentation point or disagree with the
depth map. They are in the image all the same: an object of the same noun has no phrase.

Licence: CC BY-NC 4.0 for the annotation, and each member's own for its images.

Source: DATA.md, LICENSE.md, cubercnn/data/datasets.py (is_ignore) and cubercnn/util/math_util.py
(get_cuboid_verts_faces) of facebookresearch/omni3d; LICENSE.txt of apple/ml-hypersim.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spatialllm_ros.errors import SceneError
from spatialllm_ros.geometry import as_vec3, unit
from spatialllm_ros.scenes.annotation import (
    BoxPx,
    annotated_object,
    camera_of_matrix,
    numbers,
    rotation,
    singled_out,
)
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.licences import licence_expression
from spatialllm_ros.schema import Scene, SceneObject, Vec3

SOURCE, ANNOTATION_LICENCE = 'omni3d', 'CC-BY-NC-4.0'
IMAGE_LICENCES = {
    'ARKitScenes': 'CC-BY-NC-SA-4.0',
    'Hypersim': 'CC-BY-SA-3.0',
    'KITTI': 'CC-BY-NC-SA-3.0',
    'Objectron': 'C-UDA-1.0',
    'SUNRGBD': 'LicenseRef-SUNRGBD',
    'nuScenes': 'LicenseRef-nuScenes',
}
"""Of each member's images."""
OMNI3D_FROM_OBJECT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Takes our axes of an object (x along its length, z up) to Omni3D's (y down)."""
NOT_OBJECTS = ('dontcare', 'ignore', 'void')
MAX_DEPTH_ERROR_M = 0.5
UPRIGHT_COSINE = 0.9986
"""Two boxes agree on what is up if their axes differ by less than three degrees."""

Record = dict[str, Any]


def read_omni3d(path: Path, report: ImportReport) -> Iterator[Scene]:
    """Yield the scenes of one Omni3D file, in the order of its images.

    Raises:
        SceneError: the file is not one of the six members, or not JSON of that form.
    """
    member = path.stem.removeprefix('Omni3D_').split('_')[0]
    if member not in IMAGE_LICENCES:
        raise SceneError(
            f'expected a file named after one of {sorted(IMAGE_LICENCES)}, found {path.name}: '
            'keep the names that Omni3D gives its files'
        )
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
        images, annotations = list(data['images']), list(data['annotations'])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SceneError(f'expected Omni3D JSON in {path}, found {error!r}') from error
    by_image: dict[str, list[Record]] = defaultdict(list)
    for number, record in enumerate(annotations):
        for image_id in report.reading(
            f'annotations[{number}]', lambda r: str(r['image_id']), record
        ):
            by_image[image_id].append(record)
    for number, image in enumerate(images):
        own = by_image[str(image['id'])] if isinstance(image, dict) and 'id' in image else []
        where = f'images[{number}]'
        yield from report.reading(where, _scene, image, own, member, path.parent.parent, report)


def _scene(
    image: Record, annotations: list[Record], member: str, root: Path, report: ImportReport
) -> Scene:
    camera = camera_of_matrix((int(image['width']), int(image['height'])), image['K'])
    objects = _objects(annotations, str(image['id']), report)
    up = None if image.get('src_flagged') else common_up(objects)
    return Scene(
        scene_id=f'omni3d-{member}-{image["id"]}',
        image=str(root / image['file_path']),
        camera=replace(camera, up_optical=up),
        objects=singled_out(objects, map(_noun, annotations)),
        source=f'{SOURCE}/{member}',
        licence=licence_expression(dict.fromkeys((ANNOTATION_LICENCE, IMAGE_LICENCES[member]))),
    )


def _objects(annotations: list[Record], image_id: str, report: ImportReport) -> list[SceneObject]:
    objects: list[SceneObject] = []
    for record in annotations:
        where = f'annotation {record.get("id")} of image {image_id}'
        for reason in report.reading(where, left_out, record):
            if reason:
                report.leave_out(reason)
            else:
                objects += report.reading(where, cuboid, record)
    return objects


def _noun(record: Record) -> str:
    return str(record.get('category_name')).lower()


def left_out(record: Record) -> str:
    """Return why a sound record is not used; empty if it is."""
    reasons = {
        'no object': record['category_name'] in NOT_OBJECTS,
        'not valid3D': not record['valid3D'],
        'behind the camera': record['behind_camera'] is True,
        'without LiDAR points': record['lidar_pts'] == 0,
        'without segmentation points': record['segmentation_pts'] == 0,
        'off the depth map': record['depth_error'] > MAX_DEPTH_ERROR_M,
    }
    return next((reason for reason, holds in reasons.items() if holds), '')


def cuboid(record: Record) -> SceneObject:
    """Return the object of one annotation.

    Raises:
        SceneError: a number is impossible, or no 2D box is given.
    """
    width, height, length = numbers(record['dimensions'], 3)
    seen = max(float(record['visibility']), 0.0)
    return annotated_object(
        _noun(record),
        record['center_cam'],
        (length, width, height),
        rotation(record['R_cam']) @ OMNI3D_FROM_OBJECT,
        has_front=False,
        visibility=seen * (1 - max(float(record['truncation']), 0.0)),
        box_xyxy_px=_image_box(record),
        support='unknown',
    )


def _image_box(record: Record) -> BoxPx:
    """Return the annotated box where there is one, else the projected one."""
    for name in ('bbox2D_tight', 'bbox2D_trunc', 'bbox2D_proj'):
        left, top, right, bottom = record.get(name) or (-1, -1, -1, -1)
        if (left, top, right, bottom) != (-1, -1, -1, -1):
            return (left, top, right, bottom)
    raise SceneError('expected a 2D box, found -1 in bbox2D_tight, _trunc and _proj')


def common_up(objects: list[SceneObject]) -> Vec3 | None:
    """Return the direction in which all boxes stand; None if there is none."""
    if not objects:
        return None
    ups = np.array([item.rotation_optical for item in objects])[:, :, 2]
    total = ups.sum(axis=0)
    if np.linalg.norm(total) < 0.5 or (ups @ unit(total)).min() < UPRIGHT_COSINE:
        return None
    return as_vec3(unit(total))
