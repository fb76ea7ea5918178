"""The truth drawn over an image: labels that can be read, and headings in degrees."""

import cv2
import numpy as np
import pytest

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import rotation_from_front
from spatialllm_ros.scenes import preview
from spatialllm_ros.scenes.preview import draw_truth, heading_deg
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

UP = (0.0, -1.0, 0.0)
CAMERA = CameraModel(480, 360, 400.0, 400.0, 239.5, 179.5, up_optical=UP, height_m=1.4)


def scene_of(*boxes, front=(-1, 0, 0)) -> Scene:
    objects = tuple(
        SceneObject(
            'aeroplane', 'red', '', 'aeroplane', (0.0, 0.0, 3.0), (1.0, 1.0, 0.5),
            rotation_from_front(front, UP), True, 1.0, box, 'floor',
        )
        for box in boxes
    )  # fmt: skip
    return Scene('s', '', CAMERA, objects, 'simulated', 'Apache-2.0')


def test_a_heading_is_written_in_degrees():
    scene = scene_of((10, 10, 60, 60))
    assert heading_deg(scene.objects[0], scene) == pytest.approx(90)


@pytest.mark.parametrize('name', ['sheet', 'sheet.doc'])
def test_a_name_that_no_image_has_is_refused_before_anything_is_drawn(tmp_path, monkeypatch, name):
    monkeypatch.setattr(preview, 'SceneSimulator', None)
    with pytest.raises(
        ConfigError, match=f'expected an image file, such as .*png, found .*{name}'
    ):
        preview.write_preview(tmp_path / 'new' / name, 0)
    assert not (tmp_path / 'new').exists()


@pytest.mark.parametrize(
    'boxes',
    [
        [(100, 100, 160, 160)] * 4,
        [(0, 0, 30, 30), (450, 0, 479, 30), (0, 330, 30, 359), (450, 340, 479, 359)],
        [(100, 100, 160, 160), (110, 110, 170, 170), (190, 105, 240, 150), (60, 98, 99, 120)],
    ],
)
def test_labels_stay_apart_and_inside(boxes):
    grey = np.full((360, 480, 3), 128, np.uint8)
    drawn = draw_truth(grey, scene_of(*boxes))
    assert (grey == 128).all()
    black = (drawn.max(axis=2) < 40).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(black, connectivity=8)
    fields = [row for row in stats[1:] if row[cv2.CC_STAT_AREA] > 500]
    assert len(fields) == len(boxes)
    sizes = {(row[cv2.CC_STAT_WIDTH], row[cv2.CC_STAT_HEIGHT]) for row in fields}
    assert len(sizes) == 1
