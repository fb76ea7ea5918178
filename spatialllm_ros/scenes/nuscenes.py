"""nuScenes: the key frames of its cameras into scenes.

Layout: the folder of tables (``v1.0-mini``) beside ``samples``, as the dataset unpacks.

Frames: an annotation is a box in the global frame; ``ego_pose`` takes the car's frame (x forward,
y left, z up, origin on the ground below the rear axle) to it, ``calibrated_sensor`` the camera's
optical frame to the car's. Each image uses the ego pose of its own stamp, not of the sample's;
the objects are where they were at the sample's stamp.

Units: metres, unit quaternions (w, x, y, z), sizes as width, length, height, pixels.

Heading axis: a box's own x points out of its front, y to its left, z up, as in this package.

Gravity: the global z. The car's ego pose always has z = 0, so the camera's global z is its height
above the ground; roads are no planes, so heights above them are not asked.

Visibility: the lower bound of the annotated class (0, 40, 60, 80 %), which counts all six cameras,
times the share of the projected box that this image holds. None annotated counts as hidden. A box
that reaches behind the camera is left out; where its front part is in the image, an object of the
same noun has no phrase.

Licence: the nuScenes terms of use; free for non-commercial use.

Source: docs/schema_nuscenes.md, docs/faqs.md, NuScenes.get_sample_data and data_classes.Box of
nutonomy/nuscenes-devkit; its issues 161 and 691 for the origin on the ground.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spatialllm_ros.errors import SceneError
from spatialllm_ros.geometry import as_vec3, box_corners
from spatialllm_ros.scenes.annotation import (
    Array,
    annotated_object,
    camera_of_matrix,
    clipped_box,
    numbers,
    part_ahead,
    quaternion_rotation,
    singled_out,
)
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

SOURCE, LICENCE = 'nuscenes', 'LicenseRef-nuScenes'
TABLES = (
    'sample_data', 'calibrated_sensor', 'ego_pose', 'sensor', 'sample_annotation', 'instance',
    'category', 'visibility',
)  # fmt: skip
NOUNS: dict[str, tuple[str, bool]] = {
    'animal': ('animal', True),
    'human.pedestrian.adult': ('pedestrian', True),
    'human.pedestrian.child': ('pedestrian', True),
    'human.pedestrian.construction_worker': ('pedestrian', True),
    'human.pedestrian.police_officer': ('pedestrian', True),
    'human.pedestrian.stroller': ('stroller', True),
    'human.pedestrian.wheelchair': ('wheelchair', True),
    'movable_object.barrier': ('barrier', False),
    'movable_object.trafficcone': ('traffic cone', False),
    'static_object.bicycle_rack': ('bicycle rack', False),
    'vehicle.bicycle': ('bicycle', True),
    'vehicle.bus.bendy': ('bus', True),
    'vehicle.bus.rigid': ('bus', True),
    'vehicle.car': ('car', True),
    'vehicle.construction': ('construction vehicle', False),
    'vehicle.emergency.ambulance': ('ambulance', True),
    'vehicle.emergency.police': ('police vehicle', True),
    'vehicle.motorcycle': ('motorcycle', True),
    'vehicle.trailer': ('trailer', False),
    'vehicle.truck': ('truck', True),
}
"""The noun of a category and whether it has a front."""
NAMELESS = (
    'human.pedestrian.personal_mobility', 'movable_object.debris',
    'movable_object.pushable_pullable',
)  # fmt: skip

Row = dict[str, Any]
Table = dict[str, Row]


@dataclass(frozen=True)
class Pose:
    """Where a frame lies in its parent: ``parent = rotation @ own + translation_m``."""

    rotation: Array
    translation_m: Array

    def __matmul__(self, other: Pose) -> Pose:
        """Return the pose of ``other``'s frame in this one's parent."""
        offset = self.rotation @ other.translation_m
        return Pose(self.rotation @ other.rotation, self.translation_m + offset)

    def inverse(self) -> Pose:
        """Return the pose of the parent in this frame."""
        return Pose(self.rotation.T, -self.rotation.T @ self.translation_m)


@dataclass(frozen=True)
class Box:
    """An annotation, in the global frame or in a camera's optical frame."""

    noun: str
    has_front: bool
    pose: Pose
    size_m: Array
    visibility: float

    def corners(self) -> Array:
        """Return the corners (8, 3) in the frame that the pose is in."""
        return box_corners(self.pose.translation_m, self.size_m, self.pose.rotation)


def read_nuscenes(folder: Path, report: ImportReport) -> Iterator[Scene]:
    """Yield a scene for each key frame of each camera, in the order of ``sample_data``.

    Raises:
        SceneError: a table is missing or not a JSON list.
    """
    tables = {name: _table(folder, name, report) for name in TABLES}
    boxes = _boxes_by_sample(tables, report)
    for token, row in tables['sample_data'].items():
        where = f'sample_data {token}'
        for is_wanted in report.reading(where, _is_key_frame_of_camera, row, tables):
            if is_wanted:
                yield from report.reading(where, _scene, row, tables, boxes, folder.parent, report)


def pose_of(row: Row) -> Pose:
    """Return the pose that a row's translation and rotation give.

    Raises:
        SceneError: they are not three numbers and a unit quaternion.
    """
    return Pose(quaternion_rotation(row['rotation']), numbers(row['translation'], 3))


def _table(folder: Path, name: str, report: ImportReport) -> Table:
    path = folder / f'{name}.json'
    try:
        rows = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise SceneError(
            f'expected the nuScenes table {path}, found {error!r}: give the folder of tables, '
            'such as v1.0-mini'
        ) from error
    if not isinstance(rows, list):
        raise SceneError(
            f'expected the nuScenes table {path} to be a list, found {type(rows).__name__}: '
            'download it again'
        )
    table: Table = {}
    for number, row in enumerate(rows):
        for token in report.reading(f'{name}[{number}]', lambda r: str(r['token']), row):
            table[token] = row
    return table


def _is_key_frame_of_camera(row: Row, tables: dict[str, Table]) -> bool:
    calibrated = tables['calibrated_sensor'][row['calibrated_sensor_token']]
    is_camera = tables['sensor'][calibrated['sensor_token']]['modality'] == 'camera'
    return bool(row['is_key_frame']) and is_camera


def _boxes_by_sample(tables: dict[str, Table], report: ImportReport) -> dict[str, list[Box]]:
    boxes: dict[str, list[Box]] = defaultdict(list)
    for token, row in tables['sample_annotation'].items():
        where = f'sample_annotation {token}'
        for name in report.reading(where, _category, row, tables):
            if name in NAMELESS:
                report.leave_out(name)
                continue
            for box in report.reading(where, _global_box, row, name, tables):
                boxes[str(row['sample_token'])].append(box)
    return boxes


def _category(row: Row, tables: dict[str, Table]) -> str:
    instance = tables['instance'][row['instance_token']]
    return str(tables['category'][instance['category_token']]['name'])


def _global_box(row: Row, name: str, tables: dict[str, Table]) -> Box:
    noun, has_front = NOUNS[name]
    width, length, height = numbers(row['size'], 3)
    visibility = 0.0
    if row['visibility_token']:
        level = tables['visibility'][row['visibility_token']]['level']
        visibility = int(re.findall(r'\d+', level)[0]) / 100
    size_m = np.array([length, width, height])
    if size_m.min() <= 0:
        raise SceneError(f'expected a size above zero, found {row["size"]}')
    return Box(noun, has_front, pose_of(row), size_m, visibility)


def _scene(
    row: Row, tables: dict[str, Table], boxes: dict[str, list[Box]], root: Path,
    report: ImportReport,
) -> Scene:  # fmt: skip
    calibrated = tables['calibrated_sensor'][row['calibrated_sensor_token']]
    pose = pose_of(tables['ego_pose'][row['ego_pose_token']]) @ pose_of(calibrated)
    camera = replace(
        camera_of_matrix((int(row['width']), int(row['height'])), calibrated['camera_intrinsic']),
        up_optical=as_vec3(pose.rotation[2]),
        height_m=float(pose.translation_m[2]),
    )
    objects = _objects(boxes.get(row['sample_token'], []), pose, camera, report)
    return Scene(
        f'nuscenes-{row["token"]}', str(root / row['filename']), camera, objects, SOURCE, LICENCE
    )


def _objects(
    boxes: list[Box], camera_pose: Pose, camera: CameraModel, report: ImportReport
) -> tuple[SceneObject, ...]:
    """Return what a camera sees whole; the report counts what reaches behind it."""
    to_camera = camera_pose.inverse()
    placed = [replace(box, pose=to_camera @ box.pose) for box in boxes]
    in_image = [box for box in placed if clipped_box(camera, part_ahead(box.corners()))]
    seen = [item for box in in_image for item in _seen(box, camera)]
    report.leave_out('objects that reach behind the camera', len(in_image) - len(seen))
    return singled_out(seen, [box.noun for box in in_image])


def _seen(box: Box, camera: CameraModel) -> list[SceneObject]:
    """Return the object of a box in the camera's frame; none where it reaches behind the camera.

    Of such a box no share can be told: its image has no end.
    """
    clipped = clipped_box(camera, box.corners())
    if clipped is None:
        return []
    edges, share = clipped
    return [
        annotated_object(
            box.noun, box.pose.translation_m, box.size_m, box.pose.rotation,
            has_front=box.has_front, visibility=box.visibility * share, box_xyxy_px=edges,
        )
    ]  # fmt: skip
