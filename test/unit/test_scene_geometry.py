"""Scenes in the gravity frame, by hand; and what cannot be known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from spatialllm_ros import relations
from spatialllm_ros.errors import GeometryError
from spatialllm_ros.geometry import rotation_from_front
from spatialllm_ros.relations import AMBIGUOUS, scene_geometry
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

UP = (0.0, -1.0, 0.0)
LEVEL = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5, up_optical=UP, height_m=1.4)
RIGHT, LEFT, AWAY, HERE = (1, 0, 0), (-1, 0, 0), (0, 0, 1), (0, 0, -1)


def thing(centre_m, front=HERE, size_m=(0.4, 0.8, 0.6), has_front=True) -> SceneObject:
    rotation = rotation_from_front(front, UP)
    return SceneObject(
        'car', 'red', '', '', centre_m, size_m, rotation, has_front, 1.0, (0, 0, 9, 9), 'floor'
    )


def geometry_of(*objects, camera=LEVEL) -> relations.SceneGeometry:
    return scene_geometry(Scene('s', '', camera, objects, 'simulated', 'Apache-2.0'))


def test_positions_below_a_camera_that_looks_down():
    down = replace(LEVEL, up_optical=(0.0, -math.sqrt(0.5), -math.sqrt(0.5)), height_m=2.0)
    g = geometry_of(thing((0.5, 0.0, math.sqrt(2))), camera=down)
    assert np.allclose(g.positions_m, [[0.5, 1.0, 1.0]])
    assert g.distances_m[0] == pytest.approx(1.5)
    assert (g.radii_m[0], g.half_heights_m[0]) == (0.4, 0.3)


def test_fronts_and_headings():
    g = geometry_of(*(thing((0, 0.9, 3), front) for front in (AWAY, LEFT, HERE, RIGHT)))
    assert np.allclose(g.fronts, [[0, 1], [-1, 0], [0, -1], [1, 0]])
    assert np.allclose(np.degrees(g.azimuths_rad), [180, 90, 0, 270])
    seen = [relations.side_seen(g, i).label for i in range(4)]
    assert seen == ['back', 'left', 'front', 'right']


def test_without_a_front_there_is_no_heading():
    g = geometry_of(thing((0, 0.9, 3), has_front=False), thing((1, 0.9, 3), has_front=False))
    assert g.fronts.tolist() == [[0, 0], [0, 0]]
    assert np.isnan(g.azimuths_rad).all()
    for name in ('in_front_of', 'on_the_left', 'side_towards', 'parallel', 'same_direction'):
        with pytest.raises(GeometryError, match='with a front, found none at index 0'):
            getattr(relations, name)(g, 0, 1)
    with pytest.raises(GeometryError, match='found none at index 1'):
        relations.side_seen(g, 1)
    assert relations.higher(g, 0, 1).label == AMBIGUOUS


def test_an_empty_scene_has_no_rows():
    g = geometry_of()
    assert g.positions_m.shape == (0, 3)
    assert g.fronts.shape == (0, 2)


@pytest.mark.parametrize('unknown', [{'up_optical': None}, {'height_m': None}])
def test_without_gravity_or_height_nothing_is_true(unknown):
    with pytest.raises(GeometryError, match='gravity and camera height in scene s'):
        geometry_of(thing((0, 0, 3)), camera=replace(LEVEL, **unknown))
