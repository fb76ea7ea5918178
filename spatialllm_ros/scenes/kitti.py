"""KITTI object detection: label and calibration files into scenes.

Layout: a folder with ``label_2/N.txt``, ``calib/N.txt`` and ``image_2/N.png``.

Frame: labels live in the rectified frame of camera 0 (x right, y down, z forward). The image is
camera 2's, whose matrix is P2 = K [I | t]: adding t = K^-1 P2[:, 3] to a location takes it to the
optical frame of camera 2, whose axes are the same.

Units: metres, radians, pixels counted from 0. Dimensions are height, width, length; the location
is the middle of the box's lower face.

Heading axis: at rotation_y = 0 an object points along the camera's x; the angle turns about y
(down), so the front is (cos ry, 0, -sin ry): -pi/2 points away from the camera.

Gravity: the cameras are level with the road and 1.65 m above it. Roads are no planes, so heights
above the road are not asked (``dataset_questions``).

Visibility: the class ``occluded`` becomes a share, times 1 - ``truncated``. ``Unknown`` counts as
hidden: nothing is asked about it. ``DontCare`` and ``Misc`` have no noun and are left out.

Licence: CC BY-NC-SA 3.0.

Source: readme of the object development kit, and ``kitti_util.py`` of kuixu/kitti_object_vis for
projection; Geiger et al., Vision meets Robotics, IJRR 2013, for the cameras' height.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from spatialllm_ros.errors import SceneError
from spatialllm_ros.geometry import rotation_from_front
from spatialllm_ros.scenes.annotation import (
    Array,
    annotated_object,
    camera_of_matrix,
    image_size_px,
    numbers,
    singled_out,
)
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

SOURCE, LICENCE = 'kitti', 'CC-BY-NC-SA-3.0'
UP, CAMERA_HEIGHT_M = (0.0, -1.0, 0.0), 1.65
NOUNS = {
    'Car': 'car', 'Van': 'van', 'Truck': 'truck', 'Tram': 'tram', 'Cyclist': 'cyclist',
    'Pedestrian': 'pedestrian', 'Person_sitting': 'pedestrian',
}  # fmt: skip
NAMELESS = ('DontCare', 'Misc')
SHARE_SEEN = {0: 1.0, 1: 0.6, 2: 0.3, 3: 0.0}
"""Of each class ``occluded``: fully visible, partly and largely occluded, unknown."""
COLUMNS = 15


def read_kitti(folder: Path, report: ImportReport) -> Iterator[Scene]:
    """Yield the scenes of a KITTI folder, in the order of their numbers.

    Raises:
        SceneError: the folder has no label files.
    """
    labels = sorted((folder / 'label_2').glob('*.txt'))
    if not labels:
        raise SceneError(
            f'expected label_2/*.txt in {folder}, found none: give the folder that holds label_2, '
            'calib and image_2 (KITTI calls it training)'
        )
    for path in labels:
        yield from report.reading(f'label_2/{path.name}', _frame, folder, path, report)


def _frame(folder: Path, path: Path, report: ImportReport) -> Scene:
    image = folder / 'image_2' / f'{path.stem}.png'
    camera, offset_m = calibration(
        (folder / 'calib' / path.name).read_text(encoding='utf-8'), image_size_px(image)
    )
    objects: list[SceneObject] = []
    lines = path.read_text(encoding='utf-8').splitlines()
    kinds = [line.split(' ')[0] for line in lines]
    for number, (kind, line) in enumerate(zip(kinds, lines, strict=True), start=1):
        if kind in NAMELESS:
            report.leave_out(kind)
            continue
        objects += report.reading(f'label_2/{path.name}:{number}', labelled, line, offset_m)
    named = singled_out(objects, [NOUNS.get(kind, kind) for kind in kinds])
    return Scene(f'kitti-{path.stem}', str(image), camera, named, SOURCE, LICENCE)


def calibration(text: str, size_px: tuple[int, int]) -> tuple[CameraModel, Array]:
    """Return camera 2 and the offset (3,) from the labels' frame to its optical frame.

    Raises:
        SceneError: there is no P2, or it is not that of a rectified camera.
    """
    rows = dict(line.split(':', 1) for line in text.splitlines() if ':' in line)
    if 'P2' not in rows:
        raise SceneError(f'expected a line P2 in the calibration, found {sorted(rows)}')
    p2 = numbers([float(word) for word in rows['P2'].split()], 12).reshape(3, 4)
    camera = camera_of_matrix(size_px, p2[:, :3])
    level = replace(camera, up_optical=UP, height_m=CAMERA_HEIGHT_M)
    return level, np.asarray(np.linalg.solve(p2[:, :3], p2[:, 3]), float)


def labelled(line: str, offset_m: Array) -> SceneObject:
    """Return the object of one label line, in the optical frame of camera 2.

    Raises:
        SceneError: the line has other columns, an unknown type or impossible numbers.
    """
    kind, *words = line.split()
    if kind not in NOUNS or len(words) != COLUMNS - 1:
        raise SceneError(f'expected a type and 14 numbers, found {line[:120]!r}')
    columns = numbers([float(word) for word in words], COLUMNS - 1)
    truncated, occluded = columns[:2]
    height, width, length, x, y, z, turn = columns[7:]
    if occluded not in SHARE_SEEN or not 0 <= truncated <= 1:
        raise SceneError(f'expected occluded 0 to 3, truncated 0 to 1, found {line[:120]!r}')
    return annotated_object(
        NOUNS[kind],
        np.array([x, y - height / 2, z]) + offset_m,
        (length, width, height),
        rotation_from_front((math.cos(turn), 0.0, -math.sin(turn)), UP),
        has_front=True,
        visibility=SHARE_SEEN[int(occluded)] * (1 - float(truncated)),
        box_xyxy_px=columns[3:7],
    )
