"""Words that single out one object of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS
from spatialllm_ros.schema import SceneObject

SUPPORT_WORDS = {'floor': 'on the floor', 'block': 'on the block', 'shelf': 'on the shelf'}
PATTERNS = (
    ('category',),
    ('colour', 'category'),
    ('size_word', 'category'),
    ('size_word', 'colour', 'category'),
    ('category', 'support'),
    ('colour', 'category', 'support'),
)
"""The attributes a phrase names, in the order of its words, shortest phrases first."""
LENGTH_WEIGHTS = {1: 0.35, 2: 0.55, 3: 0.10, 4: 0.08, 5: 0.03}
"""How often a phrase of so many words is used, among those that single the object out."""


def phrases_for(objects: Sequence[SceneObject], index: int) -> list[str]:
    """Return every phrase that fits this object and no other, without articles."""
    own = objects[index]
    return [
        _words(own, pattern)
        for pattern in PATTERNS
        if _applies(own, pattern)
        and sum(_key(item, pattern) == _key(own, pattern) for item in objects) == 1
    ]


def assign_phrases(objects: Sequence[SceneObject]) -> tuple[SceneObject, ...]:
    """Return the objects with their shortest phrase filled in; empty where no words do."""
    return tuple(
        replace(item, phrase=next(iter(phrases_for(objects, index)), ''))
        for index, item in enumerate(objects)
    )


def is_any(_: str) -> bool:
    """Every phrase will do."""
    return True


def is_plain(phrase: str) -> bool:
    """Whether a phrase names only category and colour, which say nothing of size or height."""
    return not (set(phrase.split()) & {'small', 'large', 'on'})


def is_colourless(phrase: str) -> bool:
    """Whether a phrase names no colour."""
    return not set(phrase.split()) & set(COLOURS)


def draw_phrase(phrases: Sequence[str], rng: np.random.Generator) -> str:
    """Return one of the phrases, short ones more often."""
    weights = np.array([LENGTH_WEIGHTS[len(phrase.split())] for phrase in phrases])
    return phrases[int(rng.choice(len(phrases), p=weights / weights.sum()))]


def draw_absent_phrase(
    objects: Sequence[SceneObject],
    rng: np.random.Generator,
    categories: Sequence[str] = tuple(CATEGORIES),
) -> str | None:
    """Return a phrase that fits no object, often of words that fit some; None if none is found.

    Args:
        objects: all of the scene.
        rng: draws the words.
        categories: those to choose from.
    """
    present = [item.category for item in objects if item.category in categories]
    for _ in range(10):
        category, colour = str(rng.choice(categories)), str(rng.choice(tuple(COLOURS)))
        if present and rng.random() < 0.4:
            category = present[int(rng.integers(len(present)))]
        if category not in present and rng.random() < 0.4:
            return category
        if not any(item.category == category and item.colour == colour for item in objects):
            return f'{colour} {category}'
    return None


def _applies(item: SceneObject, pattern: tuple[str, ...]) -> bool:
    if any(name in pattern and not getattr(item, name) for name in ('size_word', 'colour')):
        return False
    return 'support' not in pattern or item.support in SUPPORT_WORDS


def _key(item: SceneObject, pattern: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(getattr(item, name)) for name in pattern)


def _words(item: SceneObject, pattern: tuple[str, ...]) -> str:
    words = [
        SUPPORT_WORDS[item.support] if name == 'support' else str(getattr(item, name))
        for name in pattern
    ]
    return ' '.join(words)
