"""Bounds that a stage's scores have to keep before the next stage begins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.questions import QUESTION_TYPES

READ_SCORES = ('centre_fraction', 'distance_error', 'heading_deg')
"""What is read of objects' 3D states, out of image tokens or out of mentions."""
ENCODER_SCORES = ('objectness', 'category', 'colour', *READ_SCORES)
GROUNDING = 'grounding/'
ALIGNMENT_TYPES = ('locate', 'describe', 'heading', 'distance_to_camera', 'exist')
"""The alignment stage asks of single objects only."""
BOUND = re.compile(r'(<=|>=)\s*(\d+\.?\d*|\.\d+)')


@dataclass(frozen=True)
class Bound:
    """The least, or else the most, that a score may be."""

    is_least: bool
    limit: float

    def holds(self, score: float) -> bool:
        """Tell whether a score keeps the bound; NaN, a score that was not measured, does not."""
        return score >= self.limit if self.is_least else score <= self.limit


def read_bound(found: Any) -> Bound:
    """Return the bound that a recipe writes, such as ``>= 0.9``.

    Raises:
        ConfigError: it is none.
    """
    match = BOUND.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise ConfigError(f"expected a bound like '>= 0.9' or '<= 0.05', found {found!r}")
    return Bound(match[1] == '>=', float(match[2]))


def asked_types(stage: str, types: Iterable[str]) -> tuple[str, ...]:
    """Return the question types of a stage, whose recipe may choose them."""
    return tuple(types) or (ALIGNMENT_TYPES if stage == 'alignment' else tuple(QUESTION_TYPES))


def score_names(stage: str, types: Iterable[str], grounding: str) -> tuple[str, ...]:
    """Return the scores that a stage is judged by.

    Args:
        stage: its name.
        types: of questions that its recipe chose, if any.
        grounding: what its mentions are taught.
    """
    if stage == 'encoder':
        return ENCODER_SCORES
    read = READ_SCORES if grounding == '3d' else ()
    return (*asked_types(stage, types), 'mean', *(GROUNDING + name for name in ('pointer', *read)))
