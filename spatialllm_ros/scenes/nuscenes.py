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
times the share of the projected box that this image holds. None annotated counts as hidden.

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
from spatialllm_ros.questions.referring import assign_phrases
from spatialllm_ros.scenes.annotation import (
    Array,
    annotated_object,
    camera_of_matrix,
    clipped_box,
    numbers,
    quaternion_rotation,
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


@dataclass(frozen=True)
class GlobalBox:
    """An annotation in the global frame, before any camera has looked at it."""

    noun: str
    has_front: bool
    pose: Pose
    size_m: Array
    visibility: float


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
                yield from report.reading(where, _scene, row, tables, boxes, folder.parent)


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
    table: Table = {}
    for number, row in enumerate(rows):
        for token in report.reading(f'{name}[{number}]', lambda r: str(r['token']), row):
            table[token] = row
    return table


def _is_key_frame_of_camera(row: Row, tables: dict[str, Table]) -> bool:
    calibrated = tables['calibrated_sensor'][row['calibrated_sensor_token']]
    is_camera = tables['sensor'][calibrated['sensor_token']]['modality'] == 'camera'
    return bool(row['is_key_frame']) and is_camera


def _boxes_by_sample(tables: dict[str, Table], report: ImportReport) -> dict[str, list[GlobalBox]]:
    boxes: dict[str, list[GlobalBox]] = defaultdict(list)
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


def _global_box(row: Row, name: str, tables: dict[str, Table]) -> GlobalBox:
    noun, has_front = NOUNS[name]
    width, length, height = numbers(row['size'], 3)
    visibility = 0.0
    if row['visibility_token']:
        level = tables['visibility'][row['visibility_token']]['level']
        visibility = int(re.findall(r'\d+', level)[0]) / 100
    size_m = np.array([length, width, height])
    if size_m.min() <= 0:
        raise SceneError(f'expected a size above zero, found {row["size"]}')
    return GlobalBox(noun, has_front, pose_of(row), size_m, visibility)


def _scene(
    row: Row, tables: dict[str, Table], boxes: dict[str, list[GlobalBox]], root: Path
) -> Scene:
    calibrated = tables['calibrated_sensor'][row['calibrated_sensor_token']]
    pose = pose_of(tables['ego_pose'][row['ego_pose_token']]) @ pose_of(calibrated)
    camera = replace(
        camera_of_matrix((int(row['width']), int(row['height'])), calibrated['camera_intrinsic']),
        up_optical=as_vec3(pose.rotation[2]),
        height_m=float(pose.translation_m[2]),
    )
    seen = (_seen(box, pose, camera) for box in boxes.get(row['sample_token'], []))
    objects = [item for item in seen if item is not None]
    return Scene(
        f'nuscenes-{row["token"]}', str(root / row['filename']), camera,
        assign_phrases(objects), SOURCE, LICENCE,
    )  # fmt: skip


def _seen(box: GlobalBox, camera_pose: Pose, camera: CameraModel) -> SceneObject | None:
    """Return an object in the camera's frame; None if this camera does not see it."""
    to_camera = camera_pose.rotation.T
    centre = to_camera @ (box.pose.translation_m - camera_pose.translation_m)
    rotation = to_camera @ box.pose.rotation
    clipped = clipped_box(camera, box_corners(centre, box.size_m, rotation))
    if clipped is None:
        return None
    edges, share = clipped
    return annotated_object(
        box.noun, centre, box.size_m, rotation, has_front=box.has_front,
        visibility=box.visibility * share, box_xyxy_px=edges,
    )  # fmt: skip
