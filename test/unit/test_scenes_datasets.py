"""From an annotated dataset to shards: licences, letterboxes, object maps, the command."""

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import fit_letterbox, project
from spatialllm_ros.questions import Balancer
from spatialllm_ros.runtime.preprocess import letterbox
from spatialllm_ros.scenes.annotation import clipped_box, fitted_scene
from spatialllm_ros.scenes.dataset_questions import ask_annotated
from spatialllm_ros.scenes.datasets import (
    ImportRequest,
    annotated_scenes,
    fitted_image,
    import_shards,
)
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.kitti import calibration, labelled
from spatialllm_ros.scenes.licences import LICENCES, accepted
from spatialllm_ros.scenes.shard_questions import Asking, write_questions
from spatialllm_ros.scenes.shards import read_scenes
from spatialllm_ros.schema import CameraModel, Scene

ROOT = Path(__file__).parents[2]
NAME = 'CC-BY-NC-SA-3.0'
CALIBRATION = 'P2: 500 0 319.5 0 0 500 159.5 0 0 0 1 0\n'
# 2 m wide and 1 m high at 10 m and, behind it, at 20 m.
NEAR = 'Car 0 0 0 269.5 134.5 369.5 184.5 1 2 4 0 0.5 10 -1.57'
FAR = 'Truck 0 0 0 294.5 147 419.5 172 1 2 4 1 0.5 20 -1.57'


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ('label_2', 'calib', 'image_2'):
        (tmp_path / 'kitti' / name).mkdir(parents=True)
    for stem, lines in (('000000', [NEAR, FAR]), ('000001', [FAR, 'Car ?'])):
        (tmp_path / 'kitti' / 'label_2' / f'{stem}.txt').write_text('\n'.join(lines))
        (tmp_path / 'kitti' / 'calib' / f'{stem}.txt').write_text(CALIBRATION)
        Image.new('RGB', (640, 320), (200, 10, 10)).save(
            tmp_path / 'kitti' / 'image_2' / f'{stem}.png'
        )
    return tmp_path / 'kitti'


def run_command(*arguments) -> None:
    argv, script = sys.argv, ROOT / 'training' / 'import_dataset.py'
    sys.argv = [str(script), *map(str, arguments)]
    try:
        runpy.run_path(str(script), run_name='__main__')
    finally:
        sys.argv = argv


def test_nothing_is_written_before_a_licence_is_accepted(folder, tmp_path):
    out = tmp_path / 'out'
    with pytest.raises(SystemExit, match=f'--accept-licence {NAME}'):
        run_command('kitti', folder, '--out', out)
    assert not out.exists() or not list(out.iterdir())
    with pytest.raises(ConfigError, match='--accept-licence CC-BY-NC-SA'):
        next(annotated_scenes('kitti', folder, ['CC-BY-NC-4.0'], ImportReport()))


def test_each_part_of_a_licence_has_to_be_accepted():
    camera = CameraModel(1, 1, 1, 1, 0, 0)

    def admitted(licence, *names) -> int:
        scene = Scene('s', '', camera, (), 'omni3d/KITTI', licence)
        return len(list(accepted([scene], names)))

    assert admitted('CC-BY-SA-3.0') == 1
    assert admitted('CC-BY-NC-4.0 AND C-UDA-1.0', 'CC-BY-NC-4.0') == 1
    with pytest.raises(ConfigError, match='LicenseRef-nuScenes'):
        admitted('CC-BY-NC-4.0 AND LicenseRef-nuScenes', 'CC-BY-NC-4.0')
    assert all(name == licence.name for name, licence in LICENCES.items())


def test_the_command_writes_shards_to_ask_about_and_a_report(
    folder, tmp_path, capsys, said_of_two
):
    out = tmp_path / 'out'
    run_command('kitti', folder, '--out', out, '--accept-licence', NAME)
    write_questions(out, Asking(per_scene=20, seed=1), show_progress=False)
    scenes = list(read_scenes(out))
    assert [scene.scene_id for scene in scenes] == ['kitti-000000', 'kitti-000001']
    assert {scene.licence for scene in scenes} == {NAME}
    asked = [json.loads(line) for line in (out / 'questions-00000.jsonl').read_text().splitlines()]
    assert {(record['source'], record['licence']) for record in asked} == {('kitti', NAME)}
    pairs = [record for record in asked if record['type'] == 'location_closer_to_camera']
    for record in pairs:
        assert record['answer'] == said_of_two(record['question'], 'car', 'truck')
    assert pairs
    assert not any('  ' in record['question'] for record in asked)
    for record in asked:
        named = [record['question'][m['start'] : m['end']] for m in record['mentions']]
        assert named
        assert set(named) <= {'car', 'truck'}
    report = json.loads((out / 'report.json').read_text())
    assert (report['scenes'], report['objects']) == (2, 3)
    assert [entry['where'] for entry in report['skipped']] == ['label_2/000001.txt:2']
    assert '1 malformed records skipped' in capsys.readouterr().out


def test_parts_of_a_dataset_have_no_scene_in_common(folder, tmp_path):
    for stem in ('000002', '000003'):
        for kind, suffix in (('label_2', 'txt'), ('calib', 'txt'), ('image_2', 'png')):
            first = folder / kind / f'000000.{suffix}'
            (folder / kind / f'{stem}.{suffix}').write_bytes(first.read_bytes())

    def imported(name, *options) -> list[str]:
        out = tmp_path / name
        run_command('kitti', folder, '--out', out, '--accept-licence', NAME, *options)
        return [scene.scene_id for scene in read_scenes(out)]

    assert imported('train', '--skip', 1) == [f'kitti-00000{n}' for n in (1, 2, 3)]
    assert imported('validation', '--limit', 1) == ['kitti-000000']
    assert imported('middle', '--skip', 1, '--limit', 2) == ['kitti-000001', 'kitti-000002']
    with pytest.raises(SystemExit, match='--skip of at least 0, found -2'):
        imported('none', '--skip', -2)


def test_images_are_letterboxed_with_their_truth(folder, tmp_path):
    report = ImportReport()
    scenes = annotated_scenes('kitti', folder, [NAME], report)
    import_shards(scenes, ImportRequest(tmp_path / 'out', 160, 120), report)
    scene = next(read_scenes(tmp_path / 'out'))
    images = np.load(tmp_path / 'out' / 'images-00000.npy')
    owners = np.load(tmp_path / 'out' / 'owners-00000.npy')
    assert images.shape == (2, 120, 160, 3)
    # A quarter of the size: 80 rows, below and above 20 rows of grey.
    assert (images[0, :20] == 128).all()
    assert (images[0, 20:100] == (200, 10, 10)).all()
    # (269.5 + 0.5) / 4 - 0.5 and so on; the map's samples lie at 4 i + 2.
    assert scene.objects[0].box_xyxy_px == pytest.approx((67.0, 53.25, 92.0, 65.75))
    assert owners.shape == (2, 30, 40)
    assert {(int(r), int(c)) for r, c in np.argwhere(owners[0] == 0)} == {
        (r, c) for r in (13, 14, 15) for c in range(17, 23)
    }
    assert owners[0, 14, 24] == 1
    assert owners[0, 14, 27] == -1
    column, _ = project(scene.camera, scene.objects[1].centre_optical_m)
    assert column == pytest.approx((319.5 + 500 / 20 + 0.5) / 4 - 0.5)


def test_shards_are_not_mixed(folder, tmp_path):
    request, report = ImportRequest(tmp_path / 'out', 64, 48, shard_size=1), ImportReport()
    import_shards(annotated_scenes('kitti', folder, [NAME], report), request, report)
    assert len(list((tmp_path / 'out').glob('scenes-*.jsonl'))) == 2
    with pytest.raises(ConfigError, match='without shards'):
        import_shards([], request, report)


@pytest.mark.parametrize(
    ('options', 'complaint'),
    [
        (('--width', 0), 'multiples of 4 pixels, found 0x144'),
        (('--height', 142), 'multiples of 4 pixels, found 192x142'),
        (('--width', -4), 'multiples of 4 pixels, found -4x144'),
        (('--limit', -1), '--limit of at least 1, found -1'),
        (('--limit', 0), '--limit of at least 1, found 0'),
    ],
)
def test_what_cannot_be_imported_is_refused_before_anything_is_written(
    folder, tmp_path, options, complaint
):
    with pytest.raises(SystemExit, match=complaint):
        run_command('kitti', folder, '--out', tmp_path / 'out', *options, '--accept-licence', NAME)
    assert not (tmp_path / 'out').exists()


def test_shards_and_overlays_do_not_share_a_folder(folder, tmp_path, capsys):
    both = ('--out', tmp_path / 'out', '--overlays', tmp_path / 'other' / '..' / 'out')
    with pytest.raises(SystemExit):
        run_command('kitti', folder, *both, '--accept-licence', NAME)
    assert 'expected two folders at --out and --overlays, found one' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_shard_holds_at_least_one_scene(tmp_path):
    with pytest.raises(ConfigError, match='shard size of at least 1, found 0'):
        ImportRequest(tmp_path, shard_size=0)


def test_an_image_of_another_size_is_skipped(folder, tmp_path):
    report = ImportReport()
    scenes = list(annotated_scenes('kitti', folder, [NAME], report))
    Image.new('RGB', (320, 320)).save(folder / 'image_2' / '000000.png')
    (folder / 'image_2' / '000001.png').unlink()
    import_shards(scenes, ImportRequest(tmp_path / 'out'), report)
    assert report.scenes == 0
    assert [entry.where for entry in report.skipped[1:]] == ['kitti-000000', 'kitti-000001']


def test_damaged_images_are_skipped(folder, tmp_path):
    report = ImportReport()
    scene, _ = annotated_scenes('kitti', folder, [NAME], report)
    whole = bytearray((folder / 'image_2' / '000000.png').read_bytes())
    for at in range(30, len(whole), len(whole) // 40):
        content = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        (folder / 'image_2' / '000000.png').write_bytes(content)
        report.reading('image', fitted_image, scene, (64, 48))
    assert len(report.skipped) > 20


@pytest.mark.parametrize(('count', 'bits'), [(128, 8), (129, 16)])
def test_object_maps_hold_the_objects_of_a_crowd(tmp_path, count, bits):
    """Object i has the square of samples i; the last object has one for itself."""
    camera, offset = calibration(CALIBRATION, (80, 80))
    squares = [(4 * (i % 20), 4 * (i // 20)) for i in range(count)]
    boxes = [(left, top, left + 3, top + 3) for left, top in squares]
    item = labelled(NEAR, offset)
    crowd = tuple(replace(item, box_xyxy_px=box) for box in boxes)
    Image.new('RGB', (80, 80)).save(tmp_path / 'image.png')
    scene = Scene('s', str(tmp_path / 'image.png'), camera, crowd, 'kitti', NAME)
    few = replace(scene, scene_id='t', objects=crowd[:1])
    report = ImportReport()
    import_shards([few, scene], ImportRequest(tmp_path / 'out', 80, 80), report)
    assert (report.scenes, report.skipped) == (2, [])
    owners = np.load(tmp_path / 'out' / 'owners-00000.npy')
    assert owners.dtype == np.dtype(f'int{bits}')
    expected = [*range(count), *[-1] * (400 - count)]
    assert owners[1].ravel().tolist() == expected
    assert owners[0].ravel().tolist() == [0] + [-1] * 399


def test_fitting_a_scene_moves_boxes_with_points():
    camera, offset = calibration(CALIBRATION, (640, 320))
    item = labelled(NEAR, offset)
    scene = Scene('s', '', camera, (item,), 'kitti', NAME)
    fitted = fitted_scene(scene, fit_letterbox(640, 320, 200, 200))
    left, top, right, bottom = item.box_xyxy_px
    rays = np.array([[left - 319.5, top - 159.5, 500], [right - 319.5, bottom - 159.5, 500]])
    expected = project(fitted.camera, rays).reshape(4)
    assert fitted.objects[0].box_xyxy_px == pytest.approx(expected)


def test_distances_beyond_what_answers_can_say_are_not_asked():
    camera, offset = calibration(CALIBRATION, (640, 320))
    for z, is_asked in (('10', True), ('60', False)):
        item = replace(labelled(NEAR.replace(' 10 ', f' {z} '), offset), phrase='car')
        scene = Scene('s', '', camera, (item,), 'kitti', NAME)
        made = ask_annotated(scene, np.random.default_rng(0), Balancer(), 40)
        kinds = {record.type for record in made}
        assert {'orientation_viewpoint', 'heading'} <= kinds
        assert ({'distance_to_camera', 'locate'} <= kinds) == is_asked
        assert ({'distance_to_camera', 'locate'} & kinds == set()) != is_asked


def test_boxes_are_clipped_to_the_image():
    camera = CameraModel(100, 100, 100.0, 100.0, 49.5, 49.5)
    points = np.array([[-1.0, -0.1, 1.0], [0.1, 0.1, 1.0]])
    box, share = clipped_box(camera, points)
    assert box == pytest.approx((-0.5, 39.5, 59.5, 59.5))
    assert share == pytest.approx(60 / 110)
    assert clipped_box(camera, points + np.array([5, 0, 0])) is None
    assert clipped_box(camera, points - np.array([0, 0, 0.95])) is None


@pytest.mark.parametrize('size_px', [(640, 320), (96, 200)])
def test_images_are_letterboxed_as_the_run_time_does(tmp_path, size_px):
    width, height = size_px
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / 'image.png')
    camera = CameraModel(width, height, 500.0, 500.0, (width - 1) / 2, (height - 1) / 2)
    scene = Scene('s', str(tmp_path / 'image.png'), camera, (), 'kitti', NAME)
    expected = letterbox(rgb, fit_letterbox(width, height, 192, 144))
    assert np.array_equal(fitted_image(scene, (192, 144)).image, expected)
