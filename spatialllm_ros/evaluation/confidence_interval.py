"""How far a share may lie from the one that more questions would give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True)
class Interval:
    """A share with the bounds of its 95 % interval."""

    share: float
    low: float
    high: float


def wilson(share: float, n: int) -> Interval:
    """Return the score interval of a share of ``n`` independent questions.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    centre = share + Z**2 / (2 * n)
    reach = Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    scale = 1 + Z**2 / n
    return Interval(share, max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale))
