"""Omni3D: one cuboid by hand against its own corners, what is left out, damaged records."""

import json
import math

import numpy as np
import pytest

from spatialllm_ros.errors import SceneError
from spatialllm_ros.geometry import box_corners
from spatialllm_ros.questions import Balancer
from spatialllm_ros.scenes.dataset_questions import ask_annotated
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.omni3d import read_omni3d

IMAGE = {
    'id': 7, 'width': 640, 'height': 480, 'file_path': 'SUNRGBD/a.jpg',
    'K': [[500, 0, 320], [0, 500, 240], [0, 0, 1]], 'src_flagged': False,
}  # fmt: skip


def cuboid(number, **changes) -> dict:
    record = {
        'id': number, 'image_id': 7, 'category_name': 'table', 'valid3D': True,
        'behind_camera': False, 'center_cam': [0.5, 0.25, 3.0], 'dimensions': [0.6, 0.8, 1.4],
        'R_cam': np.eye(3).tolist(), 'visibility': 0.9, 'truncation': 0.2, 'lidar_pts': -1,
        'segmentation_pts': 300, 'depth_error': -1, 'bbox2D_tight': [-1, -1, -1, -1],
        'bbox2D_trunc': [300, 200, 500, 400], 'bbox2D_proj': [290, 200, 510, 400],
    }  # fmt: skip
    return record | changes


@pytest.fixture
def read(tmp_path):
    def scenes_of(annotations, report=None, images=(IMAGE,), name='SUNRGBD_train') -> list:
        (tmp_path / 'Omni3D').mkdir(exist_ok=True)
        path = tmp_path / 'Omni3D' / f'{name}.json'
        path.write_text(json.dumps({'images': list(images), 'annotations': annotations}))
        return list(read_omni3d(path, report or ImportReport()))

    return scenes_of


def about_y(degrees) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def test_a_cuboid_by_hand(read, tmp_path):
    (scene,) = read([cuboid(1)])
    (table,) = scene.objects
    assert table.size_m == (1.4, 0.6, 0.8)  # length, width, height
    length, width, up = np.array(table.rotation_optical).T
    assert (length.tolist(), width.tolist(), up.tolist()) == ([1, 0, 0], [0, 0, 1], [0, -1, 0])
    assert table.visibility == pytest.approx(0.9 * 0.8)
    assert table.box_xyxy_px == (300, 200, 500, 400)
    assert not table.has_front
    assert (scene.camera.up_optical, scene.camera.height_m) == ((0, -1, 0), None)
    assert scene.image == str(tmp_path / 'SUNRGBD' / 'a.jpg')
    assert scene.source == 'omni3d/SUNRGBD'
    assert scene.licence == 'CC-BY-NC-4.0 AND LicenseRef-SUNRGBD'


def test_corners_agree_with_the_documented_box(read):
    """DATA.md: v0 is left (-x), top (-y) and near (-z) where R_cam is the identity."""
    turn = about_y(30)
    (scene,) = read([cuboid(1, R_cam=turn.tolist())])
    signs = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    documented = {
        tuple(np.round(turn @ (x * 0.7, y * 0.4, z * 0.3) + (0.5, 0.25, 3.0), 6))
        for x, y, z in signs
    }
    item = scene.objects[0]
    found = box_corners(item.centre_optical_m, item.size_m, item.rotation_optical)
    assert {tuple(corner) for corner in np.round(found, 6)} == documented


def test_a_tight_box_comes_first(read):
    (scene,) = read([cuboid(1, bbox2D_tight=[310, 210, 490, 390])])
    assert scene.objects[0].box_xyxy_px == (310, 210, 490, 390)


def test_what_the_authors_leave_out_is_left_out(read):
    report = ImportReport()
    unwanted = [
        {'valid3D': False}, {'behind_camera': True}, {'lidar_pts': 0}, {'segmentation_pts': 0},
        {'depth_error': 0.6}, {'category_name': 'dontcare'},
    ]  # fmt: skip
    records = [cuboid(number, **change) for number, change in enumerate(unwanted)]
    (scene,) = read([*records, cuboid(9)], report)
    assert len(scene.objects) == 1
    assert sum(report.left_out.values()) == len(unwanted) == len(report.left_out)


@pytest.mark.parametrize('flaw', [{'depth_error': 0.8}, {'visibility': None}])
def test_what_is_left_out_is_still_in_the_image_and_takes_the_name(read, flaw):
    chair = {'category_name': 'Chair', 'bbox2D_trunc': [100, 200, 250, 420]}
    far = cuboid(1, **chair, center_cam=[-1.0, 0.3, 3.0])
    near = cuboid(2, **chair, center_cam=[1.0, 0.3, 2.0])
    (scene,) = read([far, near | flaw, cuboid(3)])
    assert [(item.category, item.phrase) for item in scene.objects] == [
        ('chair', ''), ('table', 'table'),
    ]  # fmt: skip
    made = ask_annotated(scene, np.random.default_rng(0), Balancer(), 20)
    assert {record.type for record in made} >= {'distance_to_camera', 'locate'}
    assert not any('chair' in record.question for record in made)


@pytest.mark.parametrize(
    ('turns', 'is_flagged', 'is_known'),
    [
        ((0, 50), False, True),
        ((0, 50), True, False),
        ((0, None), False, False),
    ],
)
def test_up_is_what_all_boxes_agree_on(read, turns, is_flagged, is_known):
    lying = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    records = [
        cuboid(n, R_cam=(lying if turn is None else about_y(turn)).tolist())
        for n, turn in enumerate(turns)
    ]
    (scene,) = read(records, images=[IMAGE | {'src_flagged': is_flagged}])
    assert (scene.camera.up_optical is not None) == is_known


def test_questions_need_no_front_and_without_up_no_height(read, said_of_two):
    chair = {'category_name': 'chair', 'center_cam': [-0.5, 0.3, 2.0]}
    records = [cuboid(1), cuboid(2, **chair, bbox2D_trunc=[100, 200, 250, 420])]
    (scene,) = read(records)
    made = ask_annotated(scene, np.random.default_rng(0), Balancer(), 20)
    kinds = {record.type for record in made}
    assert {'location_closer_to_camera', 'distance_between'} <= kinds
    assert not kinds & {'orientation_viewpoint', 'heading', 'height_above_floor', 'describe'}
    for record in made:
        if record.type == 'location_closer_to_camera':
            assert record.answer == said_of_two(record.question, 'chair', 'table')
    (scene,) = read(records, images=[IMAGE | {'src_flagged': True}])
    assert scene.camera.up_optical is None
    kinds = {r.type for r in ask_annotated(scene, np.random.default_rng(0), Balancer(), 20)}
    assert {'location_closer_to_camera', 'distance_between'} <= kinds
    assert kinds <= {
        *('location_closer_to_camera', 'distance_to_camera', 'distance_between', 'locate'),
        'multi_object_closer_to',
    }


def test_bad_records_are_named_and_the_rest_is_kept(read):
    bad = [
        {'R_cam': (2 * np.eye(3)).tolist()}, {'R_cam': np.diag([1, 1, -1]).tolist()},
        {'dimensions': [1, 1]}, {'dimensions': [1, -1, 1]}, {'center_cam': [0, 0, -2]},
        {'bbox2D_trunc': [-1] * 4, 'bbox2D_proj': [-1] * 4}, {'visibility': None},
    ]  # fmt: skip
    records = [cuboid(number, **change) for number, change in enumerate(bad)]
    broken = {'id': 8, 'width': 640, 'height': 480, 'file_path': 'b.jpg', 'K': [[1]]}
    report = ImportReport()
    (scene,) = read([*records, cuboid(9), {'id': 10}, 5], report, images=[IMAGE, broken, 'x'])
    assert len(scene.objects) == 1
    named = [entry.where for entry in report.skipped]
    assert named == [
        'annotations[8]', 'annotations[9]',
        *(f'annotation {n} of image 7' for n in range(len(bad))), 'images[1]', 'images[2]',
    ]  # fmt: skip


@pytest.mark.parametrize(
    'text',
    [
        '[]', '{', '{"images": []}', '{"images": null, "annotations": []}',
        '{"images": [], "annotations": 5}', 'null',
    ],
)  # fmt: skip
def test_another_file_is_an_error(tmp_path, text):
    path = tmp_path / 'KITTI_val.json'
    path.write_text(text)
    with pytest.raises(SceneError, match='expected Omni3D JSON'):
        list(read_omni3d(path, ImportReport()))
    with pytest.raises(SceneError, match='named after one of'):
        list(read_omni3d(tmp_path / 'other.json', ImportReport()))


@pytest.mark.parametrize(
    ('name', 'licence'),
    [
        ('KITTI_train', 'CC-BY-NC-4.0 AND CC-BY-NC-SA-3.0'),
        ('Omni3D_nuScenes_val', 'CC-BY-NC-4.0 AND LicenseRef-nuScenes'),
        ('ARKitScenes_test', 'CC-BY-NC-4.0 AND CC-BY-NC-SA-4.0'),
        ('Hypersim_val', 'CC-BY-NC-4.0 AND CC-BY-SA-3.0'),
        ('Objectron_val', 'CC-BY-NC-4.0 AND C-UDA-1.0'),
    ],
)
def test_each_member_brings_its_licence(read, name, licence):
    (scene,) = read([cuboid(1)], name=name)
    assert scene.licence == licence
