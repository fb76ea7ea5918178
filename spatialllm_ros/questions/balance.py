"""Keep answers balanced, so that a question's words alone say nothing about its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """An answer and what it must be balanced with.

    Attributes:
        key: what the words say of the question; answers are balanced for each key.
        label: the answer, ``labels``: all that the key's questions can have.
        slack: how far an answer may get ahead of the rarest other one.
    """

    key: tuple[Hashable, ...]
    label: str
    labels: Sequence[str]
    slack: int = 2


class Balancer:
    """Counts the answers given so far, per key, and refuses those that run ahead."""

    def __init__(self) -> None:
        """Start with no answers."""
        self._counts: Counter[tuple[tuple[Hashable, ...], str]] = Counter()

    def take(self, checks: Sequence[Check]) -> bool:
        """Count an answer if none of its checks finds that it runs ahead; say whether it was."""
        if not all(self._admits(check) for check in checks):
            return False
        for check in checks:
            self._counts[check.key, check.label] += 1
        return True

    def _admits(self, check: Check) -> bool:
        others = [self._counts[check.key, other] for other in check.labels if other != check.label]
        return self._counts[check.key, check.label] - min(others) < check.slack
