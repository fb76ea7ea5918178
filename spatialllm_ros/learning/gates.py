"""Bounds that a stage's scores have to keep before the next stage begins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from spatialllm_ros.errors import ConfigError

READ_SCORES = ('centre_fraction', 'distance_error', 'heading_deg')
"""What is read of objects' 3D states, out of image tokens or out of mentions."""
ENCODER_SCORES = ('objectness', 'category', 'colour', *READ_SCORES)
GROUNDING = 'grounding/'
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


def score_names(stage: str, asked: Iterable[str], grounding: str) -> tuple[str, ...]:
    """Return the scores that a stage is judged by.

    Args:
        stage: its name.
        asked: the types of its questions.
        grounding: what its mentions are taught.
    """
    if stage == 'encoder':
        return ENCODER_SCORES
    read = READ_SCORES if grounding == '3d' else ()
    return (*asked, 'mean', *(GROUNDING + name for name in ('pointer', *read)))
