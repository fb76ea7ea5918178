"""nuScenes tables: one car park by hand, seen through poses of two stamps; damaged rows."""

import json
import math

import numpy as np
import pytest

from spatialllm_ros.errors import SceneError
from spatialllm_ros.scenes.annotation import quaternion_rotation
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.nuscenes import read_nuscenes

HALF = math.sqrt(0.5)
NORTH, SOUTH = [HALF, 0, 0, HALF], [HALF, 0, 0, -HALF]  # yaw of 90 and -90 degrees
FORWARD_CAMERA = [0.5, -0.5, 0.5, -0.5]  # z ahead, x to the right, y down
K = [[1000, 0, 800], [0, 1000, 450], [0, 0, 1]]


def annotation(token, at, **changes) -> dict:
    row = {
        'token': token, 'sample_token': 's', 'instance_token': 'car', 'visibility_token': '3',
        'translation': at, 'size': [1.8, 4.4, 1.5], 'rotation': NORTH,
    }  # fmt: skip
    return row | changes


def image(token, ego, camera='front', **changes) -> dict:
    row = {
        'token': token, 'sample_token': 's', 'ego_pose_token': ego, 'width': 1600, 'height': 900,
        'calibrated_sensor_token': camera, 'filename': f'samples/{token}.jpg',
        'is_key_frame': True,
    }  # fmt: skip
    return row | changes


@pytest.fixture
def tables() -> dict[str, list]:
    """The car stands at (100, 50) and faces north (+y); a metre on at its second image."""
    return {
        'sample_data': [image('first', 'then'), image('second', 'later')],
        'calibrated_sensor': [
            {'token': 'front', 'sensor_token': 'cam', 'translation': [1.7, 0, 1.5],
             'rotation': FORWARD_CAMERA, 'camera_intrinsic': K},
            {'token': 'top', 'sensor_token': 'lidar', 'translation': [1, 0, 1.8],
             'rotation': [1, 0, 0, 0], 'camera_intrinsic': []},
        ],
        'ego_pose': [
            {'token': 'then', 'translation': [100, 50, 0], 'rotation': NORTH},
            {'token': 'later', 'translation': [100, 51, 0], 'rotation': NORTH},
        ],
        'sensor': [{'token': 'cam', 'modality': 'camera'},
                   {'token': 'lidar', 'modality': 'lidar'}],
        'sample_annotation': [annotation('a', [98, 61.7, 0.75])],
        'instance': [{'token': 'car', 'category_token': 'c'},
                     {'token': 'bag', 'category_token': 'd'}],
        'category': [{'token': 'c', 'name': 'vehicle.car'},
                     {'token': 'd', 'name': 'movable_object.debris'}],
        'visibility': [{'token': '1', 'level': 'v0-40'}, {'token': '3', 'level': 'v60-80'}],
    }  # fmt: skip


@pytest.fixture
def read(tables, tmp_path):
    def scenes_of(report=None) -> list:
        folder = tmp_path / 'v1.0-test'
        folder.mkdir(exist_ok=True)
        for name, rows in tables.items():
            (folder / f'{name}.json').write_text(json.dumps(rows))
        return list(read_nuscenes(folder, report or ImportReport()))

    return scenes_of


def test_quaternions_turn_as_they_should():
    assert quaternion_rotation(NORTH) @ [1, 0, 0] == pytest.approx([0, 1, 0])
    camera = quaternion_rotation(FORWARD_CAMERA)
    assert camera == pytest.approx(np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]]))


def test_a_car_by_hand_at_each_images_own_stamp(read, tmp_path):
    first, second = read()
    # 61.7 - 50 - 1.7 = 10 m ahead of the camera, 2 m to its left, 1.5 - 0.75 m below it.
    assert first.objects[0].centre_optical_m == pytest.approx((-2, 0.75, 10))
    assert second.objects[0].centre_optical_m == pytest.approx((-2, 0.75, 9))
    assert first.objects[0].size_m == (4.4, 1.8, 1.5)
    front, left, up = np.array(first.objects[0].rotation_optical).T
    assert front == pytest.approx([0, 0, 1])
    assert left == pytest.approx([-1, 0, 0])
    assert up == pytest.approx([0, -1, 0])
    assert first.camera.up_optical == pytest.approx((0, -1, 0))
    assert first.camera.height_m == pytest.approx(1.5)
    assert (first.camera.fx_px, first.camera.cy_px) == (1000, 450)
    assert first.image == str(tmp_path / 'samples' / 'first.jpg')
    assert (first.objects[0].phrase, first.licence) == ('car', 'LicenseRef-nuScenes')
    # Its rear face is the nearest: 7.8 m away, from 1.1 to 2.9 m left, 0 to 1.5 m below.
    left, _, _, bottom = first.objects[0].box_xyxy_px
    assert (left, bottom) == pytest.approx((800 - 2900 / 7.8, 450 + 1500 / 7.8))
    assert first.objects[0].visibility == pytest.approx(0.6)


def test_the_other_direction(read, tables):
    tables['sample_annotation'] = [annotation('a', [98, 61.7, 0.75], rotation=SOUTH)]
    assert np.array(read()[0].objects[0].rotation_optical)[:, 0] == pytest.approx([0, 0, -1])


def test_a_box_that_leaves_the_image_is_less_visible(read, tables):
    # 8 m to the right: 7.1 to 8.9 m right of 7.8 to 12.2 m ahead, so the image ends within it.
    tables['sample_annotation'] = [annotation('a', [108, 61.7, 0.75])]
    left, right, edge = 800 + 7100 / 12.2, 800 + 8900 / 7.8, 1599.5
    share = (edge - left) / (right - left)
    assert read()[0].objects[0].visibility == pytest.approx(0.6 * share)


def test_only_key_frames_of_cameras_and_what_they_see(read, tables):
    tables['sample_data'] += [
        image('sweep', 'then', is_key_frame=False), image('points', 'then', camera='top'),
    ]  # fmt: skip
    tables['sample_annotation'] += [
        annotation('behind', [100, 30, 0.75]), annotation('aside', [160, 61.7, 0.75]),
        annotation('unseen', [101, 70, 0.75], visibility_token=''),
        annotation('bag', [100, 60, 0.3], instance_token='bag'),
    ]  # fmt: skip
    report = ImportReport()
    scenes = read(report)
    assert [scene.scene_id for scene in scenes] == ['nuscenes-first', 'nuscenes-second']
    assert [item.visibility for item in scenes[0].objects] == pytest.approx([0.6, 0])
    assert report.left_out == {'movable_object.debris': 1}
    assert not report.skipped


@pytest.mark.parametrize('ahead_m', [1.5, -0.5])
def test_a_vehicle_beside_the_camera_is_seen_but_not_placed(read, tables, ahead_m):
    # Its right side is 2.4 - 1.25 = 1.15 m to the left, its front face 2 m beyond the middle: its
    # nearest edge is in column 800 - 1150 / (ahead + 2), the camera's rear in none.
    beside = annotation('n', [97.6, 51.7 + ahead_m, 0.75], size=[2.5, 4.0, 3.0])
    tables['sample_annotation'] = [annotation('a', [100, 71.7, 0.75]), beside]
    tables['sample_data'] = [image('first', 'then')]
    report = ImportReport()
    (scene,) = read(report)
    edge_px = 800 - 1150 / (ahead_m + 2)
    assert edge_px > 0
    assert [(item.category, item.phrase) for item in scene.objects] == [('car', '')]
    assert scene.objects[0].centre_optical_m == pytest.approx((0, 0.75, 20))
    assert report.left_out == {'objects that reach behind the camera': 1}


def test_a_vehicle_beside_the_view_takes_no_name(read, tables):
    # Its front face ends 0.6 m ahead and 1.15 m to the left: column 800 - 1150 / 0.6 < 0.
    beside = annotation('n', [97.6, 51.7 - 1.4, 0.75], size=[2.5, 4.0, 3.0])
    tables['sample_annotation'] = [annotation('a', [100, 71.7, 0.75]), beside]
    tables['sample_data'] = [image('first', 'then')]
    report = ImportReport()
    (scene,) = read(report)
    assert [item.phrase for item in scene.objects] == ['car']
    assert not report.left_out


def test_bad_rows_are_named_once_and_the_rest_is_kept(read, tables):
    tables['sample_data'] += [image('lost', 'nowhere'), image('odd', 'then', width='wide')]
    tables['sample_annotation'] += [
        annotation('stretched', [98, 60, 1], rotation=[1, 1, 0, 0]),
        annotation('flat', [98, 60, 1], size=[1, 0, 1]),
        annotation('orphan', [98, 60, 1], instance_token='gone'),
        annotation('nan', [98, float('nan'), 1]),
        {'sample_token': 's'},
    ]
    report = ImportReport()
    scenes = read(report)
    assert [len(scene.objects) for scene in scenes] == [1, 1]
    assert [entry.where for entry in report.skipped] == [
        'sample_annotation[5]', 'sample_annotation stretched', 'sample_annotation flat',
        'sample_annotation orphan', 'sample_annotation nan', 'sample_data lost', 'sample_data odd',
    ]  # fmt: skip


@pytest.mark.parametrize('rows', [5, None, {'token': 'a'}])
def test_a_table_that_is_no_list_is_an_error(read, tables, rows):
    tables['sensor'] = rows
    with pytest.raises(SceneError, match=r'expected the nuScenes table .*sensor\.json'):
        read()


def test_a_missing_table_is_an_error(tmp_path):
    with pytest.raises(SceneError, match=r'sample_data\.json'):
        list(read_nuscenes(tmp_path, ImportReport()))
