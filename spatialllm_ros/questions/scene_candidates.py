"""What can be asked of a scene as a whole, whose answer names objects of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

from spatialllm_ros import relations
from spatialllm_ros.geometry import project
from spatialllm_ros.questions.candidates import AskableScene, Candidate
from spatialllm_ros.relations import Relation

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


def listed(s: AskableScene, is_meant: Callable[[int], bool | None]) -> str | None:
    """Return the categories of the objects that are meant, from left to right.

    Args:
        s: the scene.
        is_meant: of an object's index; None where a person could disagree.

    Returns:
        Empty where none is meant. None where it cannot be said: whether one of them is meant is
        unclear, one is seen so little that one may name it or not, they are many, or their order
        is not clear.
    """
    answers = {i: is_meant(i) for i in glimpsed(s)}
    meant = [i for i, answer in answers.items() if answer]
    if None in answers.values() or not set(meant) <= set(s.seen) or len(meant) > MOST_LISTED:
        return None
    columns = columns_px(s)
    ordered = sorted(meant, key=columns.__getitem__)
    gaps_px = [columns[b] - columns[a] for a, b in itertools.pairwise(ordered)]
    if min(gaps_px, default=math.inf) < MIN_LISTED_GAP_SHARE * s.scene.camera.width_px:
        return None
    return ' and '.join(s.scene.objects[i].category for i in ordered)


def columns_px(s: AskableScene) -> list[float]:
    """Return the column of each object's centre in the image."""
    camera = s.scene.camera
    return [float(project(camera, item.centre_optical_m)[0]) for item in s.scene.objects]


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
