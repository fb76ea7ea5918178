"""Keep answers balanced, so that a question's words alone say nothing about its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence


class Balancer:
    """Counts the answers given so far, per key, and refuses those that run ahead."""

    def __init__(self) -> None:
        """Start with no answers."""
        self._counts: Counter[tuple[Hashable, Hashable]] = Counter()

    def admits(
        self, key: Hashable, label: Hashable, labels: Sequence[Hashable], slack: int = 1
    ) -> bool:
        """Whether one more ``label`` leaves it at most ``slack`` ahead of the rarest other."""
        rarest = min(
            (self._counts[key, other] for other in labels if other != label), default=None
        )
        return rarest is None or self._counts[key, label] - rarest < slack

    def count(self, key: Hashable, label: Hashable) -> None:
        """Record an answer."""
        self._counts[key, label] += 1
