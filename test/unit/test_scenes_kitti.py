"""KITTI: one label by hand, real frames against their own label columns, damaged files."""

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spatialllm_ros import relations
from spatialllm_ros.errors import SceneError
from spatialllm_ros.geometry import project
from spatialllm_ros.relations import scene_geometry
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.kitti import calibration, labelled, read_kitti
from spatialllm_ros.scenes.overlay import example_questions, write_overlays

FRAMES = Path(__file__).parents[3] / 'shared' / 'data' / 'kitti'
needs_frames = pytest.mark.skipif(
    not FRAMES.exists(), reason=f'no KITTI frames (label_2, calib, image_2) in {FRAMES}'
)
CALIBRATION = 'P0: 1 2 3\nP2: 700 0 600 45 0 700 180 0.2 0 0 1 0.005\n'
CAR = 'Car 0.25 1 -1.77 600.5 170 700 220 1.4 1.6 4.0 2.0 1.5 10.0 -1.5707963'


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ('label_2', 'calib', 'image_2'):
        (tmp_path / name).mkdir()
    return tmp_path


def add_frame(folder, stem, labels, calib=CALIBRATION, size=(1200, 360)):
    (folder / 'label_2' / f'{stem}.txt').write_text('\n'.join(labels) + '\n')
    (folder / 'calib' / f'{stem}.txt').write_text(calib)
    Image.new('RGB', size).save(folder / 'image_2' / f'{stem}.png')


def test_a_label_by_hand():
    camera, offset = calibration(CALIBRATION, (1200, 360))
    assert (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px) == (700, 700, 600, 180)
    assert (camera.up_optical, camera.height_m) == ((0, -1, 0), 1.65)
    # (45 - 600 * 0.005) / 700, (0.2 - 180 * 0.005) / 700
    assert offset == pytest.approx([0.06, -0.001, 0.005])
    car = labelled(CAR, offset)
    assert car.centre_optical_m == pytest.approx((2.06, 1.5 - 0.7 - 0.001, 10.005))
    assert car.size_m == (4.0, 1.6, 1.4)
    front, left, up = np.array(car.rotation_optical).T
    assert front == pytest.approx([0, 0, 1], abs=1e-6)
    assert left == pytest.approx([-1, 0, 0], abs=1e-6)
    assert up == pytest.approx([0, -1, 0], abs=1e-6)
    assert car.visibility == pytest.approx(0.6 * 0.75)
    assert car.box_xyxy_px == (600.5, 170, 700, 220)


@pytest.mark.parametrize(
    ('turn', 'front'), [(0, (1, 0, 0)), (math.pi / 2, (0, 0, -1)), (math.pi, (-1, 0, 0))]
)
def test_the_heading_axis(turn, front):
    line = ' '.join([*CAR.split()[:-1], str(turn)])
    rotation = np.array(labelled(line, np.zeros(3)).rotation_optical)
    assert rotation[:, 0] == pytest.approx(front, abs=1e-9)


def test_bad_records_are_named_and_the_rest_is_kept(folder):
    good = CAR.replace('Car', 'Van')
    bad = [
        'Car 0 0', CAR.replace('10.0', 'nan'), CAR.replace('1.4 1.6', '0 1.6'),
        CAR.replace('Car', 'Unicorn'), CAR.replace('0.25 1', '0.25 7'),
        CAR.replace('600.5 170 700', '700 170 600'), CAR.replace('10.0', '-10'),
    ]  # fmt: skip
    add_frame(folder, '000000', [*bad, 'DontCare -1 -1 -10 0 0 1 1', good])
    add_frame(folder, '000001', [CAR], calib='P0: 1\n')
    add_frame(folder, '000002', [CAR])
    (folder / 'image_2' / '000002.png').write_bytes(b'no image')
    add_frame(folder, '000003', [good, CAR, 'Car ?'])
    report = ImportReport()
    scenes = list(read_kitti(folder, report))
    assert [scene.scene_id for scene in scenes] == ['kitti-000000', 'kitti-000003']
    # A car that cannot be read is there all the same.
    assert [[item.phrase for item in scene.objects] for scene in scenes] == [['van'], ['van', '']]
    assert {scene.licence for scene in scenes} == {'CC-BY-NC-SA-3.0'}
    lines = [f'label_2/000000.txt:{n}' for n in range(1, len(bad) + 1)]
    expected = [
        *lines, 'label_2/000001.txt', 'label_2/000002.txt', 'label_2/000003.txt:3',
    ]  # fmt: skip
    assert [entry.where for entry in report.skipped] == expected
    assert report.left_out == {'DontCare': 1}
    report.write(folder / 'report.json')
    assert 'Unicorn' in (folder / 'report.json').read_text()


WORDS = st.sampled_from(['0', '1', '2.5', '-3', '10', 'nan', 'inf', '1e999', 'x', '9' * 400])


@given(words=st.lists(WORDS, min_size=13, max_size=15))
def test_any_line_is_an_object_or_an_error(words):
    report = ImportReport()
    for item in report.reading('line', labelled, ' '.join(['Car', *words]), np.zeros(3)):
        assert np.isfinite([*item.centre_optical_m, *item.size_m, *item.box_xyxy_px]).all()
        assert min(item.size_m) > 0
        assert 0 <= item.visibility <= 1
        return
    assert report.skipped[0].where == 'line'


def test_a_wrong_folder_is_an_error(folder):
    with pytest.raises(SceneError, match=r'label_2/\*.txt'):
        list(read_kitti(folder, ImportReport()))


def real_frames():
    report = ImportReport()
    scenes = list(read_kitti(FRAMES, report))
    assert [scene.scene_id for scene in scenes] == [f'kitti-00000{n}' for n in range(3)]
    assert not report.skipped
    return scenes


def label_columns(scene) -> list[list[float]]:
    """Return alpha, height, width, length, x, y, z, rotation_y of each labelled object."""
    text = (FRAMES / 'label_2' / f'{scene.scene_id[-6:]}.txt').read_text()
    words = [line.split() for line in text.splitlines()]
    wanted = [row for row in words if row[0] not in ('DontCare', 'Misc')]
    return [[float(row[3]), *map(float, row[8:])] for row in wanted]


@needs_frames
def test_real_objects_project_where_p2_says():
    for scene in real_frames():
        text = (FRAMES / 'calib' / f'{scene.scene_id[-6:]}.txt').read_text()
        line = next(row for row in text.splitlines() if row.startswith('P2:'))
        p2 = np.array(line.split()[1:], float).reshape(3, 4)
        for item, (_, h, _, _, x, y, z, _) in zip(
            scene.objects, label_columns(scene), strict=True
        ):
            u, v, w = p2 @ (x, y - h / 2, z, 1)
            pixel = project(scene.camera, item.centre_optical_m)
            assert pixel == pytest.approx([u / w, v / w], abs=1e-6)
            left, top, right, bottom = item.box_xyxy_px
            assert left < pixel[0] < right
            assert top < pixel[1] < bottom


@needs_frames
def test_real_headings_agree_with_the_observation_angle():
    """Alpha is labelled apart from rotation_y: pi/2 shows the front, -pi/2 the back."""
    for scene in real_frames():
        g = scene_geometry(scene)
        for found, (alpha, *_) in zip(g.azimuths_rad, label_columns(scene), strict=True):
            assert math.cos(found - (alpha - math.pi / 2)) > math.cos(math.radians(2))


def quarter_side(angle_deg) -> str:
    """Return the side at an angle from the front, counter-clockwise, within 34 degrees."""
    quarter = round(angle_deg / 90)
    off = abs(angle_deg - 90 * quarter)
    return ('front', 'left', 'back', 'right')[quarter % 4] if off <= 34 else ''


def sign(cosine, positive, negative) -> str:
    return '' if abs(cosine) < 0.42 else positive if cosine > 0 else negative


def clearer(first, second, least, share) -> str:
    near, far = sorted((first, second))
    return '' if far - near < max(least, share * near) else 'a' if first < second else 'b'


def expected_labels(rows) -> dict[tuple, str]:
    """Return each relation of the labelled objects, from the label columns alone.

    Seen from above, x to the right and z up the page, an object points at -rotation_y.
    """
    at = [np.array([x, y - h / 2, z]) for _, h, _, _, x, y, z, _ in rows]
    turn = [math.degrees(row[-1]) for row in rows]

    def bearing(a, b) -> float:
        x, _, z = at[b] - at[a]
        return (math.degrees(math.atan2(z, x)) + turn[a] + 180) % 360 - 180

    def apart(a, b) -> float:
        return float(np.linalg.norm(at[a] - at[b]))

    labels = {}
    for a, row in enumerate(rows):
        labels['side_seen', a] = quarter_side(math.degrees(row[0]) - 90)
    for a, b in permutations(range(len(rows)), 2):
        ahead = math.radians(bearing(a, b))
        between = abs((turn[a] - turn[b] + 180) % 360 - 180)
        crossing = min(between, 180 - between)
        labels |= {
            ('closer_to_camera', a, b): clearer(*map(np.linalg.norm, (at[a], at[b])), 0.25, 0.09),
            ('in_front_of', a, b): sign(math.cos(ahead), 'front', 'behind'),
            ('on_the_left', a, b): sign(math.sin(ahead), 'left', 'right'),
            ('side_towards', a, b): quarter_side(bearing(a, b)),
            ('same_direction', a, b):
                'same' if between <= 32 else 'different' if between >= 75 else '',
            ('parallel', a, b):
                'parallel' if crossing <= 22 else 'perpendicular' if crossing >= 65 else '',
        }  # fmt: skip
    for a, b, c in permutations(range(len(rows)), 3):
        to_a, to_b = (math.cos(math.radians(bearing(c, other))) for other in (a, b))
        is_clear = max(to_a, to_b) >= 0.8 and abs(to_a - to_b) >= 0.35
        labels['facing', a, b, c] = ('a' if to_a > to_b else 'b') if is_clear else ''
        labels['closer_to', a, b, c] = clearer(apart(a, c), apart(b, c), 0.30, 0.20)
    return labels


@needs_frames
def test_relations_of_real_frames_agree_with_the_label_columns():
    compared = []
    for scene in real_frames():
        g = scene_geometry(scene)
        for (name, *roles), label in expected_labels(label_columns(scene)).items():
            assert getattr(relations, name)(g, *roles).label == label, (
                scene.scene_id,
                name,
                roles,
            )
            compared.append(label)
    assert len(compared) == 1 + 3 + 1 + 6 * 6 + 6 * 2
    assert {'front', 'behind', 'left', 'right', 'back', 'a', 'b', 'parallel'} <= set(compared)


@needs_frames
def test_overlays_show_three_questions_each(tmp_path):
    scenes, report = real_frames(), ImportReport()
    write_overlays(scenes, tmp_path, report)
    assert (report.scenes, report.objects, report.skipped) == (3, 5, [])
    asked = [dict(example_questions(scene)) for scene in scenes]
    assert [len(questions) for questions in asked] == [3, 3, 3]
    assert asked[0]['which side of the pedestrian faces the camera?'] == 'right'
    assert asked[2]['which side of the car faces the camera?'] == 'back'
    for scene in scenes:
        with Image.open(tmp_path / f'{scene.scene_id}.png') as drawn:
            assert drawn.width == 2 * scene.camera.width_px
            assert drawn.height > 2 * scene.camera.height_px
            colours = set(map(tuple, np.asarray(drawn).reshape(-1, 3).tolist()))
        assert {(0, 255, 0), (255, 0, 255)} <= colours
