"""How each type of question finds what it can ask in a scene, and the true answer.

Every function yields the ways a question can be asked of a scene whose answer is clear, or words
the answer to one about a single object. Roles a, b, c are the places of the phrases in the
wordings.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from spatialllm_ros import relations
from spatialllm_ros.geometry import project
from spatialllm_ros.questions.referring import SUPPORT_WORDS
from spatialllm_ros.relations import Relation, SceneGeometry
from spatialllm_ros.schema import Scene

MIN_VISIBILITY, MIN_SIZE_PX = 0.35, 10
"""An object is asked about if this share and so many pixels of it (of 192 wide) are seen."""
MIN_FRONT_VISIBILITY, MIN_FRONT_SIZE_PX = 0.50, 26
"""Likewise for questions about which way it faces."""
REFERENCE_WIDTH_PX = 192

MIN_COLUMN_GAP_SHARE = 0.08
"""One object is left of another in the image if their centres are so much of its width apart."""


@dataclass(frozen=True)
class AskableScene:
    """A scene prepared for asking.

    Attributes:
        seen: indices of objects seen well enough.
        named: those of them that words single out.
        fronted: those of them whose front can be seen well enough.
    """

    scene: Scene
    geometry: SceneGeometry
    seen: tuple[int, ...]
    named: tuple[int, ...]
    fronted: tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """One way to ask: the objects in the roles a, b, c, and the relation that holds."""

    roles: tuple[int, ...]
    relation: Relation


Candidates = Callable[[AskableScene], Iterator[Candidate]]


def askable(scene: Scene, phrased: list[list[str]]) -> AskableScene:
    """Prepare a scene; ``phrased`` holds each object's phrases."""
    scale = scene.camera.width_px / REFERENCE_WIDTH_PX
    seen, named, fronted = [], [], []
    for index, item in enumerate(scene.objects):
        left, top, right, bottom = item.box_xyxy_px
        size_px = max(right - left, bottom - top) / scale
        if item.visibility < MIN_VISIBILITY or size_px < MIN_SIZE_PX:
            continue
        seen.append(index)
        if not phrased[index]:
            continue
        named.append(index)
        if (
            item.has_front
            and item.visibility >= MIN_FRONT_VISIBILITY
            and size_px >= MIN_FRONT_SIZE_PX
        ):
            fronted.append(index)
    geometry = relations.scene_geometry(scene)
    return AskableScene(scene, geometry, tuple(seen), tuple(named), tuple(fronted))


def _clear(found: Iterator[Candidate]) -> Iterator[Candidate]:
    return (item for item in found if not item.relation.is_ambiguous)


def unordered_pairs(relation: Callable[..., Relation], s: AskableScene) -> Iterator[Candidate]:
    """Yield each pair of named objects once."""
    pairs = itertools.combinations(s.named, 2)
    return _clear(Candidate(pair, relation(s.geometry, *pair)) for pair in pairs)


def ordered_pairs(relation: Callable[..., Relation], s: AskableScene) -> Iterator[Candidate]:
    """Yield each pair of named objects in both orders."""
    pairs = itertools.permutations(s.named, 2)
    return _clear(Candidate(pair, relation(s.geometry, *pair)) for pair in pairs)


def pairs_from_front(relation: Callable[..., Relation], s: AskableScene) -> Iterator[Candidate]:
    """Yield an object whose front is seen with each other one."""
    pairs = ((a, b) for a in s.fronted for b in s.named if a != b)
    return _clear(Candidate(pair, relation(s.geometry, *pair)) for pair in pairs)


def pairs_of_fronts(relation: Callable[..., Relation], s: AskableScene) -> Iterator[Candidate]:
    """Yield pairs of objects whose fronts are seen, in both orders."""
    pairs = itertools.permutations(s.fronted, 2)
    return _clear(Candidate(pair, relation(s.geometry, *pair)) for pair in pairs)


def pairs_and_third(
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


def triples(relation: Callable[..., Relation], s: AskableScene) -> Iterator[Candidate]:
    """Yield three named objects in every order."""
    found = itertools.permutations(s.named, 3)
    return _clear(Candidate(triple, relation(s.geometry, *triple)) for triple in found)


def singles(
    answer: Callable[[AskableScene, int], Relation], needs_front: bool, s: AskableScene
) -> Iterator[Candidate]:
    """Yield each named object, or each whose front is seen, with its answer."""
    own = s.fronted if needs_front else s.named
    return _clear(Candidate((a,), answer(s, a)) for a in own)


def side_seen(s: AskableScene, a: int) -> Relation:
    """Return which side of an object the camera sees."""
    return relations.side_seen(s.geometry, a)


def distance_to_camera(s: AskableScene, a: int) -> Relation:
    """Return how far an object is from the camera."""
    distance_m = float(s.geometry.distances_m[a])
    return Relation(metres(distance_m), {'log_distance': math.log(distance_m) - 1.19})


def distance_between(g: SceneGeometry, a: int, b: int) -> Relation:
    """Return how far apart two centres are."""
    apart_m = float(np.linalg.norm(g.positions_m[a] - g.positions_m[b]))
    return Relation(metres(apart_m), {'apart_less_1_5m': (apart_m - 1.5) / 1.5})


def height_above_floor(s: AskableScene, a: int) -> Relation:
    """Return how high a centre is above the floor."""
    height_m = float(s.geometry.positions_m[a, 2])
    return Relation(metres(height_m), {'height_less_half_m': height_m - 0.5})


def heading(s: AskableScene, a: int) -> Relation:
    """Return the heading of an object."""
    angle = float(s.geometry.azimuths_rad[a])
    return Relation(
        degrees(angle), {'azimuth_sin': math.sin(angle), 'azimuth_cos': math.cos(angle)}
    )


def locate(s: AskableScene, a: int) -> Relation:
    """Return where in the image, how far and at which heading an object is."""
    camera = s.scene.camera
    u, v = project(camera, s.scene.objects[a].centre_optical_m)
    column, row = (u + 0.5) / camera.width_px * 100, (v + 0.5) / camera.height_px * 100
    if not (0 <= column <= 100 and 0 <= row <= 100):
        return Relation(relations.AMBIGUOUS)
    return _with_heading(s, a, f'column {column:.0f} row {row:.0f} {_distance_words(s, a)}')


def describe(s: AskableScene, a: int) -> Relation:
    """Return how far, how high and at which heading an object is."""
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


def colour(s: AskableScene, a: int) -> Relation:
    """Return the colour of an object; ambiguous where nobody annotated it."""
    return Relation(s.scene.objects[a].colour)


def support(s: AskableScene, a: int) -> Relation:
    """Return what an object stands on; ambiguous where that is none of the words of phrases."""
    own = s.scene.objects[a].support
    return Relation(own if own in SUPPORT_WORDS else relations.AMBIGUOUS)


def image_sides(s: AskableScene) -> Iterator[Candidate]:
    """Yield pairs with the side of b that a is on in the flat image."""
    camera = s.scene.camera
    columns_px = [float(project(camera, item.centre_optical_m)[0]) for item in s.scene.objects]
    for a, b in itertools.permutations(s.named, 2):
        gap = (columns_px[a] - columns_px[b]) / camera.width_px
        if abs(gap) >= MIN_COLUMN_GAP_SHARE:
            side = 'left' if gap < 0 else 'right'
            yield Candidate((a, b), Relation(side, {'column_gap_3': 3 * gap}))


def metres(length_m: float) -> str:
    """Return a length as answers say it, to 0.1 m, from 0.0 to 19.9."""
    return f'{min(max(length_m, 0.0), 19.9):.1f} m'


def degrees(angle_rad: float) -> str:
    """Return a heading as answers say it, in steps of ten degrees from 0 to 350."""
    return f'{round(math.degrees(angle_rad) / 10) * 10 % 360} degrees'
