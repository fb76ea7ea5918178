"""The table of question types: how each finds what it can ask in a scene, and the true answer.

An entry's ``candidates`` yields every way the question can be asked of a scene whose answer is
clear. Roles a, b, c are the places of the phrases in the wordings.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from spatialllm_ros import relations
from spatialllm_ros.geometry import project
from spatialllm_ros.relations import Relation, SceneGeometry
from spatialllm_ros.schema import Scene

MIN_VISIBILITY, MIN_SIZE_PX = 0.35, 10
"""An object is asked about if this share and so many pixels of it (of 192 wide) are seen."""
MIN_FRONT_VISIBILITY, MIN_FRONT_SIZE_PX = 0.50, 26
"""Likewise for questions about which way it faces."""
REFERENCE_WIDTH_PX = 192

YES_NO = ('yes', 'no')
FOUR_SIDES = ('front', 'back', 'left', 'right')


@dataclass(frozen=True)
class AskableScene:
    """A scene prepared for asking.

    Attributes:
        named: indices of objects seen well enough that words single out.
        fronted: those of them whose front can be seen well enough.
    """

    scene: Scene
    geometry: SceneGeometry
    named: tuple[int, ...]
    fronted: tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """One way to ask: the objects in the roles a, b, c, and the relation that holds."""

    roles: tuple[int, ...]
    relation: Relation


Candidates = Callable[[AskableScene], Iterator[Candidate]]


@dataclass(frozen=True)
class QuestionType:
    """One entry of the table.

    Attributes:
        options: the closed answers in the question's words; empty where they are not fixed.
        names_objects: the closed answers are the phrases of a and b, the labels ``a`` and ``b``.
        is_plain: phrases may not speak of size or support, which would give the answer away.
        weight: how often the type is asked, relative to the others.
    """

    name: str
    candidates: Candidates
    options: tuple[str, ...] = ()
    names_objects: bool = False
    is_plain: bool = False
    weight: float = 1.2

    @property
    def is_closed(self) -> bool:
        """Whether the answer is one of a few options."""
        return self.names_objects or bool(self.options)


def askable(scene: Scene, phrased: list[list[str]]) -> AskableScene:
    """Prepare a scene; ``phrased`` holds each object's phrases."""
    scale = scene.camera.width_px / REFERENCE_WIDTH_PX
    named, fronted = [], []
    for index, item in enumerate(scene.objects):
        left, top, right, bottom = item.box_xyxy_px
        size_px = max(right - left, bottom - top) / scale
        if item.visibility < MIN_VISIBILITY or size_px < MIN_SIZE_PX or not phrased[index]:
            continue
        named.append(index)
        if (
            item.has_front
            and item.visibility >= MIN_FRONT_VISIBILITY
            and size_px >= MIN_FRONT_SIZE_PX
        ):
            fronted.append(index)
    return AskableScene(scene, relations.scene_geometry(scene), tuple(named), tuple(fronted))


def _clear(found: Iterator[Candidate]) -> Iterator[Candidate]:
    return (item for item in found if not item.relation.is_ambiguous)


def _unordered(relation: Callable[..., Relation], s: AskableScene) -> Iterator[Candidate]:
    pairs = itertools.combinations(s.named, 2)
    return _clear(Candidate(pair, relation(s.geometry, *pair)) for pair in pairs)


def _ordered(relation: Callable[..., Relation], s: AskableScene) -> Iterator[Candidate]:
    pairs = itertools.permutations(s.named, 2)
    return _clear(Candidate(pair, relation(s.geometry, *pair)) for pair in pairs)


def _from_front(relation: Callable[..., Relation], s: AskableScene) -> Iterator[Candidate]:
    pairs = ((a, b) for a in s.fronted for b in s.named if a != b)
    return _clear(Candidate(pair, relation(s.geometry, *pair)) for pair in pairs)


def _both_fronts(relation: Callable[..., Relation], s: AskableScene) -> Iterator[Candidate]:
    pairs = itertools.permutations(s.fronted, 2)
    return _clear(Candidate(pair, relation(s.geometry, *pair)) for pair in pairs)


def _third(
    relation: Callable[..., Relation], needs_front: bool, s: AskableScene
) -> Iterator[Candidate]:
    """Yield a pair a, b compared by its relation to c."""
    for c in s.fronted if needs_front else s.named:
        for a, b in itertools.combinations(s.named, 2):
            if c not in (a, b):
                roles = (a, b, c)
                found = Candidate(roles, relation(s.geometry, *roles))
                if not found.relation.is_ambiguous:
                    yield found


def _single(
    answer: Callable[[AskableScene, int], Relation], needs_front: bool, s: AskableScene
) -> Iterator[Candidate]:
    own = s.fronted if needs_front else s.named
    return _clear(Candidate((a,), answer(s, a)) for a in own)


def _side_seen(s: AskableScene, a: int) -> Relation:
    return relations.side_seen(s.geometry, a)


def _distance_to_camera(s: AskableScene, a: int) -> Relation:
    distance_m = float(s.geometry.distances_m[a])
    return Relation(metres(distance_m), {'log_distance': math.log(distance_m) - 1.19})


def _distance_between(g: SceneGeometry, a: int, b: int) -> Relation:
    apart_m = float(np.linalg.norm(g.positions_m[a] - g.positions_m[b]))
    return Relation(metres(apart_m), {'apart_less_1_5m': (apart_m - 1.5) / 1.5})


def _height_above_floor(s: AskableScene, a: int) -> Relation:
    height_m = float(s.geometry.positions_m[a, 2])
    return Relation(metres(height_m), {'height_less_half_m': height_m - 0.5})


def _heading(s: AskableScene, a: int) -> Relation:
    angle = float(s.geometry.azimuths_rad[a])
    return Relation(
        degrees(angle), {'azimuth_sin': math.sin(angle), 'azimuth_cos': math.cos(angle)}
    )


def _locate(s: AskableScene, a: int) -> Relation:
    camera = s.scene.camera
    u, v = project(camera, s.scene.objects[a].centre_optical_m)
    column, row = (u + 0.5) / camera.width_px * 100, (v + 0.5) / camera.height_px * 100
    if not (0 <= column <= 100 and 0 <= row <= 100):
        return Relation(relations.AMBIGUOUS)
    return _with_heading(s, a, f'column {column:.0f} row {row:.0f} {_distance_words(s, a)}')


def _describe(s: AskableScene, a: int) -> Relation:
    height = metres(float(s.geometry.positions_m[a, 2]))
    return _with_heading(s, a, f'{_distance_words(s, a)} height {height}')


def _distance_words(s: AskableScene, a: int) -> str:
    return f'distance {metres(float(s.geometry.distances_m[a]))}'


def _with_heading(s: AskableScene, a: int, words: str) -> Relation:
    """Add the heading of an object with a front; it is ambiguous if the front is hardly seen."""
    if not s.scene.objects[a].has_front:
        return Relation(words)
    if a not in s.fronted:
        return Relation(relations.AMBIGUOUS)
    return Relation(f'{words} heading {degrees(float(s.geometry.azimuths_rad[a]))}')


def metres(length_m: float) -> str:
    """Return a length as answers say it, to 0.1 m, from 0.0 to 19.9."""
    return f'{min(max(length_m, 0.0), 19.9):.1f} m'


def degrees(angle_rad: float) -> str:
    """Return a heading as answers say it, in steps of ten degrees from 0 to 350."""
    return f'{round(math.degrees(angle_rad) / 10) * 10 % 360} degrees'


def _nothing(_: AskableScene) -> Iterator[Candidate]:
    """Return no candidates: existence and counting are asked by the generator itself."""
    return iter(())


QUESTION_TYPES: dict[str, QuestionType] = {
    entry.name: entry
    for entry in (
        QuestionType(
            'height_higher',
            partial(_unordered, relations.higher),
            names_objects=True,
            is_plain=True,
        ),
        QuestionType(
            'location_above',
            partial(_ordered, relations.directly_above),
            YES_NO,
            is_plain=True,
            weight=2.0,
        ),
        QuestionType(
            'location_closer_to_camera',
            partial(_unordered, relations.closer_to_camera),
            names_objects=True,
            is_plain=True,
        ),
        QuestionType(
            'location_next_to',
            partial(_ordered, relations.next_to),
            YES_NO,
            is_plain=True,
            weight=1.4,
        ),
        QuestionType(
            'orientation_in_front_of',
            partial(_from_front, relations.in_front_of),
            ('front', 'behind'),
        ),
        QuestionType(
            'orientation_on_the_left',
            partial(_from_front, relations.on_the_left),
            ('left', 'right'),
        ),
        QuestionType(
            'orientation_viewpoint', partial(_single, _side_seen, True), FOUR_SIDES, weight=3.0
        ),
        QuestionType(
            'multi_object_closer_to',
            partial(_third, relations.closer_to, False),
            names_objects=True,
        ),
        QuestionType(
            'multi_object_facing',
            partial(_third, relations.facing, True),
            names_objects=True,
            weight=1.6,
        ),
        QuestionType(
            'multi_object_viewpoint_towards_object',
            partial(_from_front, relations.side_towards),
            FOUR_SIDES,
            weight=1.8,
        ),
        QuestionType(
            'multi_object_parallel',
            partial(_both_fronts, relations.parallel),
            ('parallel', 'perpendicular'),
            weight=2.2,
        ),
        QuestionType(
            'multi_object_same_direction',
            partial(_both_fronts, relations.same_direction),
            ('same', 'different'),
            weight=2.2,
        ),
        QuestionType(
            'distance_to_camera', partial(_single, _distance_to_camera, False), weight=0.8
        ),
        QuestionType('distance_between', partial(_unordered, _distance_between), weight=0.6),
        QuestionType(
            'height_above_floor', partial(_single, _height_above_floor, False), weight=0.5
        ),
        QuestionType('heading', partial(_single, _heading, True), weight=0.8),
        QuestionType('locate', partial(_single, _locate, False), weight=0.6),
        QuestionType('describe', partial(_single, _describe, False), weight=0.4),
        QuestionType('exist', _nothing, YES_NO, is_plain=True, weight=0.7),
        QuestionType('count', _nothing, weight=0.6),
    )
}
"""Every question type by name, the twelve of 3DSRBench first."""
