"""Worlds as the demo's camera turns in them: the truth holds in every image."""

import math
from dataclasses import replace

import numpy as np
import pytest

from spatialllm_ros.demo import worlds
from spatialllm_ros.demo.worlds import WorldFilm, seen_in_both, turned
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import project
from spatialllm_ros.questions import Balancer, generate
from spatialllm_ros.scenes.layout import sample_world
from spatialllm_ros.scenes.simulated import SceneSimulator

SEEDS = range(950_100_000, 950_100_010)


@pytest.fixture(scope='module')
def film():
    film = WorldFilm()
    yield film
    film.close()


@pytest.fixture(scope='module')
def views():
    """Return three views of each of a few worlds: turned to the left, ahead, to the right."""
    simulator = SceneSimulator(160, 120)
    yaws_rad = (math.radians(20), 0.0, math.radians(-20))
    seen = [
        [simulator.render_world(turned(sample_world(s, 320, 240), yaw)).scene for yaw in yaws_rad]
        for s in SEEDS
    ]
    simulator.close()
    return seen


SIDE = 'control_image_side'
"""A turn keeps who is left of whom, but not that they are far enough apart to be asked."""


def asked(scene):
    """Return the questions of a scene as if all of it were in full view."""
    objects = tuple(
        replace(item, visibility=1.0, box_xyxy_px=(0, 0, 80, 80)) for item in scene.objects
    )
    rng = np.random.Generator(np.random.PCG64(0))
    records = generate(
        replace(scene, objects=objects), rng, Balancer(), 16, split='eval',
        types=[name for name in worlds.TYPES if name not in (worlds.ABSENT_OBJECT, SIDE)],
    )  # fmt: skip
    return [(record.question, record.answer) for record in records]


def test_a_turn_changes_no_answer(views):
    for left, ahead, right in views:
        assert asked(left) == asked(ahead) == asked(right)


def test_a_turn_to_the_left_moves_everything_to_the_right(views):
    for left, ahead, right in views:
        for items in zip(left.objects, ahead.objects, right.objects, strict=True):
            places = [np.array(item.centre_optical_m) for item in items]
            lengths = [np.linalg.norm(place) for place in places]
            assert lengths == pytest.approx([lengths[0]] * 3)
            columns = [project(ahead.camera, place)[0] for place in places if place[2] > 0.1]
            assert columns == sorted(columns, reverse=True)
        assert left.camera.up_optical == pytest.approx(right.camera.up_optical)


def test_objects_count_as_badly_seen_as_in_the_worse_view(views):
    for left, _, right in views:
        both = seen_in_both(left, right)
        for item, one, other in zip(both.objects, left.objects, right.objects, strict=True):
            assert item.visibility == min(one.visibility, other.visibility)
            assert item.centre_optical_m == one.centre_optical_m


def test_the_camera_turns_there_and_back(film):
    shots = list(film.shots(SEEDS, worlds=1))
    assert len(shots) == worlds.IMAGES_PER_WORLD
    there, back = shots[: worlds.STEPS], shots[worlds.STEPS :]
    assert len({shot.rgb.tobytes() for shot in there}) == worlds.STEPS
    assert [s.rgb.tobytes() for s in back] == [s.rgb.tobytes() for s in there[-2:0:-1]]
    assert there[0].rgb.shape == (480, 640, 3)
    assert [shot.at_s for shot in shots] == pytest.approx([i / 15 for i in range(len(shots))])
    for shot in shots:
        assert len(shot.truth.questions) >= worlds.FEWEST_QUESTIONS
        assert len({record.question for record in shot.truth.questions}) >= 3


def test_only_the_wanted_types_are_asked(monkeypatch):
    monkeypatch.setattr(worlds, 'STEPS', 2)
    film = WorldFilm(['exist', 'location_closer_to_camera'])
    records = [record for shot in film.shots(SEEDS) for record in shot.truth.questions]
    film.close()
    assert {record.type for record in records} == {'exist', 'location_closer_to_camera'}
    assert not [record for record in records if record.answer.startswith('there is no')]


@pytest.mark.parametrize('types', [['locate'], ['exist', 'nonsense'], [], ['absent_object']])
def test_types_that_cannot_be_asked_are_refused(types):
    with pytest.raises(ConfigError, match='question types'):
        WorldFilm(types)
