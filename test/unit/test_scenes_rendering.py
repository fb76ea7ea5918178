"""The renderer against analytic silhouettes, and shards against their promises."""

import json
import math
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from spatialllm_ros.errors import ConfigError, SceneError
from spatialllm_ros.geometry import azimuth, project
from spatialllm_ros.scenes.jobs import Part, Workers
from spatialllm_ros.scenes.layout import sample_world
from spatialllm_ros.scenes.mirror import mirrored_scene
from spatialllm_ros.scenes.rendering import RenderRequest, render_scenes
from spatialllm_ros.scenes.shards import read_scenes, read_shard, shard_indices, shard_path
from spatialllm_ros.scenes.simulated import SceneSimulator
from spatialllm_ros.scenes.simulated_renderer import WorldRenderer
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS, VALIDATION_SEEDS, Placement, world_camera

WIDTH, HEIGHT = 384, 288


@pytest.fixture(scope='module')
def renderer():
    with WorldRenderer(WIDTH, HEIGHT) as opened:
        yield opened


@pytest.fixture(scope='module')
def simulator():
    opened = SceneSimulator(192, 144)
    yield opened
    opened.close()


def world_of(*placements: Placement):
    camera = world_camera(WIDTH, HEIGHT, hfov_rad=math.radians(60), height_m=1.0, pitch_rad=0.2)
    return replace(sample_world(3, WIDTH, HEIGHT), placements=placements, slabs=(), camera=camera)


def test_ball_silhouette_matches_the_projected_sphere(renderer):
    world = world_of(Placement('ball', 'red', 1.0, (3.0, 0.3, 0.5), 0.0, 'block'))
    mask = renderer.object_image(world) == 0
    centre = world.camera.to_optical(world.placements[0].centre_m)
    u, v = project(world.camera.model, centre)
    rows, columns = np.nonzero(mask)
    assert columns.mean() == pytest.approx(u, abs=1.0)
    assert rows.mean() == pytest.approx(v, abs=1.0)
    angular_radius = math.asin(0.24 / np.linalg.norm(centre))
    off_axis = centre[2] / np.linalg.norm(centre)
    area_px = math.pi * (math.tan(angular_radius) * world.camera.model.fx_px) ** 2 / off_axis**3
    assert mask.sum() == pytest.approx(area_px, rel=0.05)


def test_a_car_at_90_degrees_has_its_lamps_on_the_viewers_left(renderer):
    world = world_of(Placement('car', 'black', 1.3, (2.5, 0.0, 0.0), math.pi / 2, 'floor'))
    camera = world.camera
    placed = world.placements[0]
    front = camera.world_from_optical.T @ placed.rotation[:, 0]
    heading = azimuth(front, camera.to_optical(placed.centre_m), camera.model.up_optical)
    assert math.degrees(heading) == pytest.approx(90, abs=3)
    image = renderer.colour_image(world).astype(int)
    mask = renderer.object_image(world) == 0
    red = mask & (image[..., 0] > 90) & (image[..., 1] < 40)
    middle = np.nonzero(mask)[1].mean()
    assert np.nonzero(red)[1].mean() > middle


def test_rendering_repeats_byte_for_byte_after_other_worlds(renderer):
    world = sample_world(5, WIDTH, HEIGHT)
    first = renderer.colour_image(world)
    renderer.colour_image(sample_world(6, WIDTH, HEIGHT))
    assert np.array_equal(renderer.colour_image(world), first)


def test_a_hidden_object_has_low_visibility(simulator):
    near = Placement('crate', 'red', 1.3, (1.9, 0.0, 0.0), 0.0, 'floor')
    far = Placement('mug', 'blue', 1.0, (4.0, 0.0, 0.0), 0.0, 'floor')
    world = replace(world_of(near, far))
    scene = simulator.render_world(world).scene
    assert scene.objects[0].visibility > 0.95
    assert scene.objects[1].visibility < 0.5


def test_boxes_hold_the_projected_centres(simulator):
    scene = simulator.render(11).scene
    for item in scene.objects:
        if item.visibility > 0.95:
            u, v = project(scene.camera, item.centre_optical_m)
            left, top, right, bottom = item.box_xyxy_px
            assert left <= u <= right
            assert top <= v <= bottom


def test_owner_map_agrees_with_boxes(simulator):
    rendered = simulator.render(12)
    assert rendered.owners.shape == (36, 48)
    for index, item in enumerate(rendered.scene.objects):
        rows, columns = np.nonzero(rendered.owners == index)
        if len(rows):
            left, top, right, bottom = item.box_xyxy_px
            assert left - 4 <= columns.min() * 4 + 2
            assert columns.max() * 4 + 2 <= right + 4
            assert top - 4 <= rows.min() * 4 + 2
            assert rows.max() * 4 + 2 <= bottom + 4


def test_mirrored_scene_is_the_flipped_image(simulator):
    scene = simulator.render(21).scene
    flipped = mirrored_scene(scene)
    for item, other in zip(scene.objects, flipped.objects, strict=True):
        u, v = project(scene.camera, item.centre_optical_m)
        assert np.allclose(project(flipped.camera, other.centre_optical_m), [191 - u, v])
        rotation = np.array(other.rotation_optical)
        assert np.linalg.det(rotation) == pytest.approx(1)
        if item.has_front:
            turn = _azimuth(item, scene) + _azimuth(other, flipped)
            assert math.cos(turn) == pytest.approx(1)


def _azimuth(item, scene) -> float:
    front = np.array(item.rotation_optical)[:, 0]
    return azimuth(front, item.centre_optical_m, scene.camera.up_optical)


def test_mirroring_twice_changes_nothing(simulator):
    scene = simulator.render(22).scene
    twice = mirrored_scene(mirrored_scene(scene))
    for item, other in zip(scene.objects, twice.objects, strict=True):
        assert np.allclose(item.centre_optical_m, other.centre_optical_m)
        assert np.allclose(item.rotation_optical, other.rotation_optical)


def request(folder, **changes) -> RenderRequest:
    wanted = {'folder': folder, 'split': 'train', 'first_seed': 0, 'count': 6, 'shard_size': 3}
    return RenderRequest(**{**wanted, **changes})


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'first_seed': HELD_OUT_SEEDS.start}, 'never trained on'),
        ({'split': 'test'}, 'do not belong'),
        ({'split': 'exam'}, 'exam'),
        ({'count': 0}, 'at least 1'),
        ({'width_px': 190}, 'multiples of 4 pixels, found 190x144'),
    ],
)
def test_requests_that_must_not_be_rendered(tmp_path, changes, words):
    with pytest.raises(ConfigError, match=words):
        request(tmp_path, **changes)


def rendered(wanted, **workers) -> int:
    return render_scenes(wanted, Workers(**workers), show_progress=False).scenes


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_shards_resume_and_do_not_depend_on_who_renders_them(tmp_path):
    one, processes, machines = (tmp_path / name for name in ('one', 'processes', 'machines'))
    assert rendered(request(one)) == 6
    shard_path(one, 1).unlink()
    assert rendered(request(one)) == 3
    assert rendered(request(processes), processes=2) == 6
    for index, scenes in ((2, 0), (0, 3), (1, 3)):
        assert rendered(request(machines), part=Part(index, 3)) == scenes
    assert files(one) == files(processes) == files(machines)
    assert len(files(one)) == 6
    assert [scene.scene_id for scene in read_scenes(one)] == [f'sim-{i}' for i in range(6)]
    assert read_shard(one, 1)[0].image == 'images-00001.npy#0'


def test_a_longer_request_completes_the_last_shard(tmp_path):
    whole, twice = tmp_path / 'whole', tmp_path / 'twice'
    assert rendered(request(whole, count=5)) == 5
    assert rendered(request(twice, count=4)) == 4
    assert rendered(request(twice, count=5)) == 2
    assert files(twice) == files(whole)


@pytest.mark.parametrize('changes', [
    {'first_seed': 3}, {'split': 'validation', 'first_seed': VALIDATION_SEEDS.start},
    {'shard_size': 2}, {'width_px': 96, 'height_px': 72},
])  # fmt: skip
def test_other_scenes_in_the_folder_are_not_taken_for_these(tmp_path, changes):
    rendered(request(tmp_path))
    before = files(tmp_path)
    with pytest.raises(ConfigError, match=r'scenes-00000\.jsonl, found sim-0 to sim-2 in 192x144'):
        rendered(request(tmp_path, **changes))
    assert files(tmp_path) == before


@pytest.mark.parametrize(('count', 'further'), [(3, 1), (6, 5)])
def test_further_scenes_in_the_folder_are_refused(tmp_path, count, further):
    """In whatever order machines made them: what follows the request may begin with a gap."""
    rendered(request(tmp_path))
    shard_path(tmp_path, 1).rename(shard_path(tmp_path, further))
    before = files(tmp_path)
    with pytest.raises(ConfigError, match=rf'no more than {count // 3} .*scenes-0000{further}'):
        rendered(request(tmp_path, count=count))
    assert files(tmp_path) == before


@pytest.mark.skipif(not find_spec('ray'), reason='requirements/ray.txt is not installed')
@pytest.mark.filterwarnings('ignore')  # Ray's own
def test_a_ray_cluster_renders_the_same(tmp_path):
    here, there = tmp_path / 'here', tmp_path / 'there'
    assert rendered(request(here)) == rendered(request(there), use_ray=True) == 6
    assert files(here) == files(there)


def test_a_broken_line_is_named(tmp_path):
    rendered(request(tmp_path, count=2))
    path = shard_path(tmp_path, 0)
    lines = path.read_text().splitlines()
    record = json.loads(lines[1])
    del record['camera']['fx_px']
    path.write_text('\n'.join([lines[0], json.dumps(record)]))
    with pytest.raises(SceneError, match=r'scenes-00000\.jsonl:2'):
        list(read_scenes(tmp_path))


def test_an_empty_file_is_named(tmp_path):
    shard_path(tmp_path, 0).write_text('')
    with pytest.raises(SceneError, match=r'expected scenes in .*scenes-00000\.jsonl, found none'):
        rendered(request(tmp_path))


def test_files_of_other_names_are_no_shards(tmp_path):
    for name in ('scenes-00000', 'scenes-00012', 'scenes-123456', 'scenes-old', 'scenes-00000-old',
                 'scenes-7', 'scenes-000001', 'scenes-00001.bak'):  # fmt: skip
        (tmp_path / f'{name}.jsonl').write_text('')
    assert shard_indices(tmp_path) == [0, 12, 123456]


def test_an_empty_folder_says_how_to_fill_it(tmp_path):
    with pytest.raises(SceneError, match=r'render_scenes\.py'):
        list(read_scenes(tmp_path))
