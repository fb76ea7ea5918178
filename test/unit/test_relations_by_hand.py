"""Relations of a few objects before a level camera, worked out by hand."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from spatialllm_ros import relations
from spatialllm_ros.geometry import as_mat3, as_vec3
from spatialllm_ros.relations import AMBIGUOUS, scene_geometry
from spatialllm_ros.schema import CameraModel, Scene, SceneObject

HEIGHT_M = 1.4
CAMERA = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5, (0.0, -1.0, 0.0), HEIGHT_M)
OF_THREE = ('closer_to', 'facing', 'object_moves', 'object_turns')


@dataclass(frozen=True)
class Thing:
    """A cube of half a metre: ahead, to the left and above the floor; its yaw, 0 straight away."""

    at: tuple[float, float, float]
    yaw_deg: float = 0.0
    size: tuple[float, float, float] = (0.5, 0.5, 0.5)


CAR = Thing((9, 0, 0.7), size=(4.2, 1.8, 1.4))


def geometry_of(things):
    objects = []
    for thing in things:
        ahead, left, up = thing.at
        c, s = math.cos(math.radians(thing.yaw_deg)), math.sin(math.radians(thing.yaw_deg))
        axes = np.array([[-s, -c, 0], [0, 0, -1], [c, -s, 0]])  # front, left, up as columns
        objects.append(
            SceneObject(
                'car', 'red', '', '', as_vec3([-left, HEIGHT_M - up, ahead]), thing.size,
                as_mat3(axes), True, 1.0, (0, 0, 9, 9), 'floor',
            )
        )  # fmt: skip
    return scene_geometry(Scene('s', '', CAMERA, tuple(objects), 'simulated', 'Apache-2.0'))


@pytest.mark.parametrize(
    ('name', 'a', 'b', 'label'),
    [
        ('higher', Thing((3, 0, 0.64)), Thing((3, 1, 0.5)), AMBIGUOUS),
        ('higher', Thing((3, 0, 0.66)), Thing((3, 1, 0.5)), 'a'),
        ('closer_to_camera', Thing((2, 0, 1.4)), Thing((2.26, 0, 1.4)), 'a'),
        ('closer_to_camera', Thing((5.4, 0, 1.4)), Thing((5, 0, 1.4)), AMBIGUOUS),
        ('closer_to_camera', Thing((5.5, 0, 1.4)), Thing((5, 0, 1.4)), 'b'),
        ('directly_above', Thing((3, 0, 0.95)), Thing((3.1, 0, 0.4)), 'yes'),
        ('directly_above', Thing((3, 0, 0.83)), Thing((3, 0, 0.4)), 'yes'),
        ('directly_above', Thing((3, 0, 0.81)), Thing((3, 0, 0.4)), AMBIGUOUS),
        ('directly_above', Thing((3, 0, 0.4)), Thing((3.1, 0, 0.95)), AMBIGUOUS),
        ('directly_above', Thing((3, 0, 0.95)), Thing((3.5, 0, 0.4)), 'no'),
        ('directly_above', Thing((3, 0, 0.95)), Thing((3.3, 0, 0.4)), AMBIGUOUS),
        ('next_to', Thing((3, 0, 0.5)), Thing((3, 0.79, 0.5)), 'yes'),
        ('next_to', Thing((3, 0, 0.5)), Thing((3, 0.81, 0.5)), AMBIGUOUS),
        ('next_to', Thing((3, 0, 0.5)), Thing((3, 1.26, 0.5)), 'no'),
        ('next_to', Thing((3, 0, 0.5)), Thing((3, 0.7, 0.96)), AMBIGUOUS),
        ('next_to', CAR, replace(CAR, at=(9, 2.4, 0.7)), 'yes'),  # 0.6 m between their doors
        ('next_to', CAR, replace(CAR, at=(9, 2.6, 0.7)), AMBIGUOUS),
        ('next_to', CAR, replace(CAR, at=(9, 3.5, 0.7)), 'no'),
        ('next_to', CAR, replace(CAR, at=(9, 5.0, 0.7), yaw_deg=90), 'no'),
        ('next_to', CAR, replace(CAR, at=(13.7, 0, 0.7)), 'yes'),  # 0.5 m between the bumpers
        ('next_to', CAR, Thing((9, 1.4, 0.8)), 'yes'),  # somebody 0.25 m from the door
        ('next_to', CAR, Thing((9, 2.0, 0.8)), 'no'),
        ('next_to', CAR, Thing((9, 0, 0.8)), AMBIGUOUS),  # somebody inside
        ('in_front_of', Thing((3, 0, 0.5)), Thing((4, 0, 0.5)), 'front'),
        ('in_front_of', Thing((3, 0, 0.5)), Thing((3.1, 1, 0.5)), AMBIGUOUS),
        ('in_front_of', Thing((3, 0, 0.5)), Thing((3.3, 0, 0.5)), AMBIGUOUS),
        ('on_the_left', Thing((3, 0, 0.5)), Thing((3, 1, 0.5)), 'left'),
        ('on_the_left', Thing((3, 0, 0.5), 180), Thing((3, 1, 0.5)), 'right'),
        ('on_the_left', Thing((3, 0, 0.5), 90), Thing((3, 1, 0.5)), AMBIGUOUS),
        ('side_towards', Thing((3, 0, 0.5), 90), Thing((3, 1, 0.5)), 'front'),
        ('side_towards', Thing((3, 0, 0.5), 180), Thing((3, 1, 0.5)), 'right'),
        ('side_towards', Thing((3, 0, 0.5), 45), Thing((3, 1, 0.5)), AMBIGUOUS),
        ('parallel', Thing((3, 0, 0.5), 0), Thing((3, 1, 0.5), 100), 'perpendicular'),
        ('parallel', Thing((3, 0, 0.5), 0), Thing((3, 1, 0.5), 40), AMBIGUOUS),
        ('same_direction', Thing((3, 0, 0.5), -170), Thing((3, 1, 0.5), 170), 'same'),
        ('same_direction', Thing((3, 0, 0.5), 0), Thing((3, 1, 0.5), 50), AMBIGUOUS),
        ('closer_to', Thing((3, 1, 0.5)), Thing((3, -1.29, 0.5)), AMBIGUOUS),
        ('closer_to', Thing((3, 1, 0.5)), Thing((3, -1.31, 0.5)), 'a'),
        ('closer_to', Thing((3, 2.3, 0.5)), Thing((3, -2, 0.5)), AMBIGUOUS),
        ('closer_to', Thing((3, 2.5, 0.5)), Thing((3, -2, 0.5)), 'b'),
        ('in_the_way', Thing((3, 0, 0.5)), Thing((6, 0.25, 0.5)), 'yes'),
        ('in_the_way', Thing((3, 0, 0.5)), Thing((6, 0.5, 0.5)), AMBIGUOUS),
        ('in_the_way', Thing((3, 0, 0.5)), Thing((6, 1, 0.5)), 'no'),
        ('in_the_way', Thing((3, 0, 0.5), 180), Thing((6, 0.25, 0.5)), 'no'),
        ('in_the_way', Thing((3, 0, 0.5)), Thing((6, 0.25, 1.1)), AMBIGUOUS),
        ('in_the_way', Thing((3, 0, 0.5)), Thing((9.1, 0, 0.5)), AMBIGUOUS),
        ('in_the_way', CAR, replace(CAR, at=(14, 1.0, 0.7)), 'yes'),
        ('in_the_way', CAR, replace(CAR, at=(14, 2.0, 0.7)), AMBIGUOUS),
        ('in_the_way', CAR, replace(CAR, at=(14, 2.8, 0.7)), 'no'),  # in the other lane
        ('collision', Thing((3, 0, 0.5)), Thing((6, 0, 0.5), 180), 'yes'),
        ('collision', Thing((3, 0, 0.5)), Thing((5, -2, 0.5), 90), 'yes'),
        ('collision', Thing((3, 0, 0.5)), Thing((5, -4, 0.5), 90), 'no'),
        ('collision', Thing((3, 0, 0.5)), Thing((6, 0, 0.5), 0), 'no'),
        ('object_moves', Thing((3, 3, 0.5)), Thing((1, 0, 0.5)), 'left'),
        ('object_moves', Thing((1, 0, 0.5)), Thing((2, -2, 0.5)), 'left'),
        ('object_turns', Thing((1, 0, 0.5)), Thing((2, 2, 0.5)), 'right'),
        ('object_turns', Thing((1, 0, 0.5)), Thing((5, 0, 0.5)), AMBIGUOUS),
        ('facing', Thing((5, 0, 0.5)), Thing((3, 2, 0.5)), 'a'),
        ('facing', Thing((5, 0, 0.5)), Thing((6, 0.5, 0.5)), AMBIGUOUS),
        ('facing', Thing((4, 1, 0.5)), Thing((3, 2, 0.5)), AMBIGUOUS),
        ('facing', Thing((5, 0, 0.5)), Thing((3, 0.3, 0.5)), AMBIGUOUS),
    ],
)  # fmt: skip
def test_labels_by_hand(name, a, b, label):
    g = geometry_of([a, b, Thing((3, 0, 0.5))])
    assert getattr(relations, name)(g, *range(3 if name in OF_THREE else 2)).label == label


def test_the_numbers_behind_the_labels_by_hand():
    g = geometry_of([Thing((2, 0, 1.4)), Thing((4, 0, 0.4), 60), Thing((2, 2, 1.4), 90)])
    assert relations.higher(g, 0, 1).numbers == pytest.approx({'height_gap_1_5m': 1.5})
    ratio = relations.closer_to_camera(g, 0, 1).numbers['log_distance_ratio_3']
    assert ratio == pytest.approx(3 * math.log(math.sqrt(17) / 2))
    assert relations.in_front_of(g, 0, 2).numbers == pytest.approx(
        {'front_cosine': 0, 'left_cosine': 1}
    )
    assert relations.parallel(g, 0, 1).numbers == pytest.approx(
        {'turn_cosine': 0.5, 'double_turn_cosine': -0.5}
    )
    assert relations.side_seen(g, 0).numbers == pytest.approx(
        {'azimuth_sin': 0, 'azimuth_cos': -1}
    )
    assert relations.closer_to(g, 0, 1, 2).numbers == pytest.approx(
        {'log_ratio_1_5': 1.5 * math.log(1.5), 'a_less_1_5m': 0.5, 'b_less_1_5m': 1.5}
    )
    assert relations.facing(g, 1, 2, 0).numbers == pytest.approx({'a_cosine': 1, 'b_cosine': 0})
    assert relations.next_to(g, 0, 2).numbers == pytest.approx({'gap_m': 1.5})
    assert relations.directly_above(g, 0, 1).numbers == pytest.approx(
        {'aside_1_5m': 2 / 1.5, 'gap_m': 0.5}
    )
    assert relations.turn_deg(g, 1, 2) == pytest.approx(30)
    assert relations.in_the_way(g, 0, 2).numbers == pytest.approx(
        {'log_miss': math.log(2.1 / 0.5), 'way_3m': 0}
    )
    assert relations.camera_moves(g, 0, 2).numbers == pytest.approx(
        {'front_cosine': 0, 'left_cosine': 1}
    )


def test_of_two_things_one_may_stand_where_the_third_does():
    g = geometry_of([Thing((3, 0, 0.5)), Thing((3, 1, 0.5)), Thing((3, 0, 0.5))])
    found = relations.closer_to(g, 0, 1, 2)
    assert found.label == 'a'
    assert found.numbers['log_ratio_1_5'] == pytest.approx(1.5 * math.log(1 / 0.05))
