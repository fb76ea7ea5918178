"""What can be asked of a scene as a whole, whose answer names objects of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from spatialllm_ros import relations
from spatialllm_ros.geometry import project
from spatialllm_ros.questions.candidates import AskableScene, Candidate
from spatialllm_ros.relations import Relation
from spatialllm_ros.schema import SceneObject

MIN_GLIMPSE = 0.05
"""An object of which a smaller share is seen is none that anybody would name."""
MOST_LISTED = 8
MIN_LISTED_GAP_SHARE = 0.02
"""Objects are listed from left to right if their centres are so much of the width apart."""


def nearest(s: AskableScene) -> Iterator[Candidate]:
    """Yield the question what is nearest to the camera, if that is clear."""
    return _first(s, _by_distance(s), 'a')


def farthest(s: AskableScene) -> Iterator[Candidate]:
    """Yield the question what is farthest from the camera, if that is clear."""
    return _first(s, _by_distance(s)[::-1], 'b')


def listing(s: AskableScene) -> Iterator[Candidate]:
    """Yield the question what is seen, if that can be said."""
    names = listed(s, lambda _: True)
    if names:
        yield Candidate((), Relation(names))


def listed(s: AskableScene, is_meant: Callable[[SceneObject], bool]) -> str | None:
    """Return the categories of the objects that are meant, from left to right.

    Empty where none is meant. None where it cannot be said: one of them is seen so little that one
    may name it or not, they are many, or their order is not clear.
    """
    camera, objects = s.scene.camera, s.scene.objects
    meant = [i for i in glimpsed(s) if is_meant(objects[i])]
    if not set(meant) <= set(s.seen) or len(meant) > MOST_LISTED:
        return None
    columns_px = {i: float(project(camera, objects[i].centre_optical_m)[0]) for i in meant}
    ordered = sorted(meant, key=columns_px.__getitem__)
    gaps_px = [columns_px[b] - columns_px[a] for a, b in itertools.pairwise(ordered)]
    if min(gaps_px, default=camera.width_px) < MIN_LISTED_GAP_SHARE * camera.width_px:
        return None
    return ' and '.join(objects[i].category for i in ordered)


def glimpsed(s: AskableScene) -> list[int]:
    """Return the indices of objects of which anything to speak of is seen."""
    return [i for i, item in enumerate(s.scene.objects) if item.visibility >= MIN_GLIMPSE]


def _by_distance(s: AskableScene) -> list[int]:
    return sorted(glimpsed(s), key=lambda index: float(s.geometry.distances_m[index]))


def _first(s: AskableScene, ordered: list[int], label: str) -> Iterator[Candidate]:
    """Yield the first of these, if it is told from the second, which has the other label.

    It is called by colour and category, if nothing else is called so.
    """
    if not ordered:
        return
    first, *others = ordered
    is_clear = all(
        relations.closer_to_camera(s.geometry, first, other).label == label for other in others[:1]
    )
    names = [f'{item.colour} {item.category}' for item in s.scene.objects]
    if is_clear and first in s.seen and names.count(names[first]) == 1:
        yield Candidate((), Relation(names[first]))
