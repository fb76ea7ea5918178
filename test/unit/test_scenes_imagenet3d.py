"""ImageNet3D: angles by hand and against the authors' projection; only orientation is asked."""

import contextlib
import io
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spatialllm_ros.errors import SceneError
from spatialllm_ros.geometry import azimuth, project
from spatialllm_ros.questions import Balancer
from spatialllm_ros.scenes.dataset_questions import ask_annotated
from spatialllm_ros.scenes.imagenet3d import object_rotation, posed, read_imagenet3d, turn_to
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.object_arrays import load_objects
from spatialllm_ros.schema import CameraModel

CAMERA = CameraModel(500, 400, 2000.0, 2000.0, 249.5, 199.5, calibrated=False)


def annotation(**changes) -> dict:
    """Return what one object has in a file, with the NumPy types it has there."""
    record = {
        'azimuth': np.float64(math.pi / 2), 'elevation': 0.1, 'theta': 0.0,
        'distance': np.float32(5.0), 'viewport': 2000, 'px': 249.5, 'py': 199.5,
        'bbox': np.array([150.0, 100.0, 350.0, 300.0]), 'class': 'car', 'cad_index': 3,
        'height': np.uint16(400), 'width': np.uint16(500), 'object_status': 'status_good',
        'dense': 'dense_no',
    }  # fmt: skip
    return record | changes


def write(folder: Path, name: str, *records, category='car', image=True) -> None:
    for kind in ('annotations', 'images'):
        (folder / kind / category).mkdir(parents=True, exist_ok=True)
    array = np.empty(len(records), object)
    array[:] = records
    np.savez(folder / 'annotations' / category / f'{name}.npz', annotations=array)
    if image:
        Image.new('RGB', (500, 400)).save(folder / 'images' / category / f'{name}.JPEG')


@pytest.mark.parametrize(
    ('azimuth_deg', 'front'),
    [(0, (0, 0, -1)), (90, (-1, 0, 0)), (180, (0, 0, 1)), (270, (1, 0, 0))],
)
def test_the_heading_axis(azimuth_deg, front):
    """0: the front faces the camera; 90: the left side, so it points to the viewer's left."""
    rotation = object_rotation(math.radians(azimuth_deg), 0.0, 0.0)
    assert rotation[:, 0] == pytest.approx(front, abs=1e-9)
    assert rotation[:, 2] == pytest.approx([0, -1, 0], abs=1e-9)


def test_elevation_and_theta():
    """From above, the object's up leans towards the camera; theta turns the image to the left."""
    up = object_rotation(0.0, math.radians(30), 0.0)[:, 2]
    assert up == pytest.approx([0, -math.cos(math.radians(30)), -0.5])
    up = object_rotation(0.0, 0.0, math.radians(90))[:, 2]
    assert up == pytest.approx([-1, 0, 0], abs=1e-9)


def authors_projection(points, a, e, theta, distance, at_px) -> np.ndarray:
    """Project model points as render_utils.proj2d describes it, in angles and cosines."""
    camera = distance * np.array(
        [math.cos(e) * math.sin(a), -math.cos(e) * math.cos(a), math.sin(e)]
    )
    backwards = camera / distance
    right = np.array([math.cos(a), math.sin(a), 0.0])
    upwards = np.cross(backwards, right)
    offset = points - camera
    depth = -offset @ backwards
    x, y = 2000 * (offset @ right) / depth, 2000 * (offset @ upwards) / depth
    c, s = math.cos(theta), math.sin(theta)
    return np.stack([c * x - s * y + at_px[0], -(s * x + c * y) + at_px[1]], axis=1)


ANGLES = st.floats(0, 6.28)


@given(a=ANGLES, e=st.floats(-1.2, 1.2), theta=ANGLES)
def test_projection_agrees_with_the_authors(a, e, theta):
    item = posed(annotation(azimuth=a, elevation=e, theta=theta), CAMERA)
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 3))  # front -y, up z
    own = np.stack([-points[:, 1], points[:, 0], points[:, 2]], axis=1)  # front x, left y
    optical = own @ np.array(item.rotation_optical).T + np.array(item.centre_optical_m)
    expected = authors_projection(points, a, e, theta, 5.0, (249.5, 199.5))
    assert project(CAMERA, optical) == pytest.approx(expected, abs=1e-6)


@given(a=ANGLES, e=st.floats(-1.2, 1.2), theta=ANGLES, px=st.floats(0, 499), py=st.floats(0, 399))
def test_angles_stay_relative_to_the_line_of_sight(a, e, theta, px, py):
    record = annotation(azimuth=a, elevation=e, theta=theta, px=px, py=py)
    item = posed(record, CAMERA)
    assert project(CAMERA, item.centre_optical_m) == pytest.approx([px, py])
    front, _, up = np.array(item.rotation_optical).T
    assert math.cos(azimuth(front, item.centre_optical_m, up) - a) == pytest.approx(1)


def test_the_smallest_turn():
    ray = np.array([0.6, 0.0, 0.8])
    turn = turn_to(ray)
    assert turn @ [0, 0, 1] == pytest.approx(ray)
    assert turn @ [0, 1, 0] == pytest.approx([0, 1, 0])
    assert np.trace(turn) == pytest.approx(1 + 2 * 0.8)  # by the angle between them


def test_only_orientation_is_asked(tmp_path):
    write(tmp_path, 'n1', annotation())
    write(tmp_path, 'n2', annotation(**{'class': 'bottle'}), category='bottle')
    bottle, car = read_imagenet3d(tmp_path, ImportReport())
    assert car.licence == 'CC-BY-NC-4.0 AND LicenseRef-ImageNet'
    assert not car.camera.calibrated
    assert car.camera.height_m is None
    made = ask_annotated(car, np.random.default_rng(1), Balancer(), 10)
    assert {record.type for record in made} == {'orientation_viewpoint', 'heading'}
    assert {record.answer for record in made} == {'left', '90 degrees'}
    assert not bottle.objects[0].has_front
    assert ask_annotated(bottle, np.random.default_rng(1), Balancer(), 10) == []


@pytest.mark.parametrize(
    'rival', [{'object_status': 'status_bad'}, {'theta': 1.0}, {'distance': -1.0}]
)
def test_what_is_left_out_is_still_in_the_image_and_takes_the_name(tmp_path, rival):
    bus = {'class': 'school_bus'}
    write(tmp_path, 'a', annotation(), annotation(**bus), annotation(), annotation(**bus | rival))
    write(tmp_path, 'b', annotation(), annotation(**bus), annotation(**bus | rival))
    crowd, pair = read_imagenet3d(tmp_path, ImportReport())
    assert [item.phrase for item in crowd.objects] == ['', '', '']
    assert [(item.category, item.phrase) for item in pair.objects] == [
        ('car', 'car'), ('school bus', ''),
    ]  # fmt: skip
    made = ask_annotated(pair, np.random.default_rng(1), Balancer(), 10)
    assert made
    assert not any('bus' in record.question for record in made)


@pytest.mark.parametrize('elevation_deg', [59, 61, -61, 90, 88])
def test_what_is_seen_from_straight_above_or_below_has_no_heading(tmp_path, elevation_deg):
    write(tmp_path, 'a', annotation(elevation=math.radians(elevation_deg)))
    write(tmp_path, 'b', annotation())
    report = ImportReport()
    scenes = list(read_imagenet3d(tmp_path, report))
    is_steep = abs(elevation_deg) > 60
    assert [scene.scene_id for scene in scenes] == [
        *([] if is_steep else ['imagenet3d-car-a']), 'imagenet3d-car-b',
    ]  # fmt: skip
    assert report.left_out == ({'objects seen from above or below': 1} if is_steep else {})
    for scene in scenes:
        made = ask_annotated(scene, np.random.default_rng(1), Balancer(), 10)
        assert 'heading' in {record.type for record in made}


def test_bad_records_are_named_and_the_rest_is_kept(tmp_path):
    fine = {'class': 'chair', 'azimuth': 0.0}
    without = annotation()
    del without['px']
    write(
        tmp_path, 'a', annotation(), annotation(distance=-1.0), without,
        annotation(azimuth=math.nan), annotation(bbox=np.array([9.0, 9.0, 1.0, 1.0])),
        annotation(object_status='unheard of'), 'no record', annotation(**fine),
        annotation(object_status='status_bad'), annotation(theta=1.0),
    )  # fmt: skip
    write(tmp_path, 'b', annotation(dense='dense_yes'))
    write(tmp_path, 'c', annotation(), image=False)
    (tmp_path / 'annotations' / 'car' / 'd.npz').write_bytes(b'PK nonsense')
    write(tmp_path, 'e', annotation(distance=0))
    report = ImportReport()
    (scene,) = read_imagenet3d(tmp_path, report)
    assert [item.category for item in scene.objects] == ['car', 'chair']
    named = [entry.where.removeprefix('annotations/car/') for entry in report.skipped]
    expected = [*(f'a.npz[{n}]' for n in range(1, 7)), 'c.npz', 'd.npz', 'e.npz[0]', 'e.npz']
    assert named == expected
    assert report.left_out == {
        'objects hardly seen': 1, 'tilted objects': 1, 'crowded images': 1,
    }  # fmt: skip


class Harmful:
    """Runs a command when a pickle of it is loaded without care."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_harmful_file_is_refused_and_not_run(tmp_path):
    target = tmp_path / 'touched'
    write(tmp_path, 'bad', annotation(azimuth=Harmful(target)))
    write(tmp_path, 'good', annotation())
    report = ImportReport()
    (scene,) = read_imagenet3d(tmp_path, report)
    assert scene.scene_id == 'imagenet3d-car-good'
    assert not target.exists()
    assert 'expected arrays and numbers, found a pickle of' in report.skipped[0].why


def test_objects_come_as_numpy_itself_reads_them(tmp_path):
    record = annotation(
        text=np.str_('abc'), matrix=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        nested=[np.arange(2, dtype='>i4'), {'deep': np.bool_(True)}],
    )  # fmt: skip
    write(tmp_path, 'n', record)
    path = tmp_path / 'annotations' / 'car' / 'n.npz'
    (found,) = load_objects(path, 'annotations')
    (expected,) = np.load(path, allow_pickle=True)['annotations']
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert np.array_equal(found[name], value) or name == 'nested', name
    assert found['nested'][0].tolist() == [0, 1]
    assert found['nested'][1] == {'deep': True}


@given(changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=4))
def test_damaged_pickles_are_errors_and_no_crash(tmp_path_factory, changes):
    """NumPy's own constructors can bring the whole process down here."""
    stream = io.BytesIO()
    array = np.empty(1, object)
    array[0] = annotation()
    np.save(stream, array)
    content = bytearray(stream.getvalue())
    for at, byte in changes:
        content[int(at * len(content))] = byte
    path = tmp_path_factory.getbasetemp() / 'damaged.npz'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('annotations.npy', bytes(content))
    with contextlib.suppress(SceneError):
        assert isinstance(load_objects(path, 'annotations'), list)


def test_a_wrong_folder_is_an_error(tmp_path):
    with pytest.raises(SceneError, match='annotations/CATEGORY'):
        list(read_imagenet3d(tmp_path, ImportReport()))
