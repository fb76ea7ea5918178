"""What several objects may have in common: a colour, what they stand on, where they are.

Words such as *red*, *on the shelf*, *on the left* and *to the left of the {b}* take the place of a
in the wordings of questions which objects there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spatialllm_ros import relations
from spatialllm_ros.questions.candidates import MIN_COLUMN_GAP_SHARE, AskableScene
from spatialllm_ros.questions.referring import SUPPORT_WORDS
from spatialllm_ros.questions.scene_candidates import columns_px
from spatialllm_ros.relations import Relation
from spatialllm_ros.scenes.catalogue import COLOURS
from spatialllm_ros.schema import SceneObject

SIDE_WORDS = {'left': 'on the left', 'right': 'on the right'}
BESIDE_WORDS = {
    'left': ('to the left of the {b}', 'left of the {b}', 'on the left of the {b}'),
    'right': ('to the right of the {b}', 'right of the {b}', 'on the right of the {b}'),
    'next to': ('next to the {b}',),
}
KINDS = {'own': 0.5, 'side': 0.15, 'beside': 0.35}
"""How often an attribute is an object's own (colour, support), a side of the image, or a place
beside another object."""
PRESENT_SHARE = 0.7
"""Share of colours and supports that some object has."""
IS_MEANT, IS_NOT, IS_UNCLEAR = True, False, None


@dataclass(frozen=True)
class Attribute:
    """One thing to ask for.

    Attributes:
        words: with a place for ``{b}``, if there is one.
        key: questions with equal keys are balanced against each other.
        b: the object it refers to.
        is_meant: of an object's index; None where a person could disagree.
    """

    words: str
    key: tuple[str, ...]
    is_meant: Callable[[int], bool | None]
    b: int | None = None


def draw_attribute(s: AskableScene, rng: np.random.Generator) -> Attribute:
    """Return one that can be asked for in a scene with an object that words single out."""
    kind = str(rng.choice(tuple(KINDS), p=tuple(KINDS.values())))
    if kind == 'own':
        return _own(s, rng)
    if kind == 'side':
        return _side(s, str(rng.choice(tuple(SIDE_WORDS))))
    relation = str(rng.choice(tuple(BESIDE_WORDS)))
    words = str(rng.choice(BESIDE_WORDS[relation]))
    return _beside(s, relation, words, int(rng.choice(s.named)))


def _own(s: AskableScene, rng: np.random.Generator) -> Attribute:
    objects = s.scene.objects
    word = str(rng.choice((*COLOURS, *SUPPORT_WORDS)))
    if rng.random() < PRESENT_SHARE:
        own = _own_words(objects[int(rng.choice(s.named))])
        word = str(rng.choice(own)) if own else word
    return Attribute(
        SUPPORT_WORDS.get(word, word), (word,), lambda index: word in _own_words(objects[index])
    )


def _own_words(item: SceneObject) -> Sequence[str]:
    words = (*COLOURS, *SUPPORT_WORDS)
    return [word for word in (item.colour, item.support) if word in words]


def _side(s: AskableScene, side: str) -> Attribute:
    columns, middle_px = columns_px(s), s.scene.camera.width_px / 2
    return Attribute(
        SIDE_WORDS[side], (side,), lambda index: _is_beside(s, side, columns[index] - middle_px)
    )


def _beside(s: AskableScene, relation: str, words: str, b: int) -> Attribute:
    columns = columns_px(s)

    def is_meant(index: int) -> bool | None:
        if index == b:
            return IS_NOT
        if relation == 'next to':
            return _as_meant(relations.next_to(s.geometry, index, b))
        return _is_beside(s, relation, columns[index] - columns[b])

    return Attribute(words, (relation, s.scene.objects[b].category), is_meant, b)


def _as_meant(relation: Relation) -> bool | None:
    return IS_UNCLEAR if relation.is_ambiguous else relation.label == 'yes'


def _is_beside(s: AskableScene, side: str, gap_px: float) -> bool | None:
    """Tell whether a centre that is so far to the right of something is on this side of it."""
    if abs(gap_px) < MIN_COLUMN_GAP_SHARE / 2 * s.scene.camera.width_px:
        return IS_UNCLEAR
    return (gap_px < 0) == (side == 'left')
