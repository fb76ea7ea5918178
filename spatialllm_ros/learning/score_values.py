"""From what is measured batch by batch to scores: all values count alike, whatever their batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from spatialllm_ros.learning.gates import GROUNDING, READ_SCORES

Values = Mapping[str, torch.Tensor]
"""One value for each thing measured, by the name of the score."""


def summarised(batches: Sequence[Values]) -> dict[str, float]:
    """Return the median of errors, and of what is right or wrong the share that is right.

    Unknown values (NaN) are left out; a score of which nothing is known is NaN.
    """
    names = dict.fromkeys(name for values in batches for name in values)
    return {
        name: _score(name, torch.cat([v[name] for v in batches if name in v])) for name in names
    }


def _score(name: str, values: torch.Tensor) -> float:
    known = values[~values.isnan()].double().cpu()
    if not len(known):
        return math.nan
    is_error = name.removeprefix(GROUNDING) in READ_SCORES
    # Halfway between the two in the middle; torch's median is the lower one.
    return float(known.quantile(0.5) if is_error else known.mean())
