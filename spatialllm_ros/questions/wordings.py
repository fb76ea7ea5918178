"""The wordings of one type of question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Phrasings:
    """The wordings of one type.

    Attributes:
        train: wordings for training, ``evaluation``: those kept for evaluation.
        reversed_words: a wording that holds one of these asks for the opposite.
        affirmed: wordings of both kinds that ask whether something holds, answered by yes or no,
            with the type's answer for which it does.
    """

    train: tuple[str, ...]
    evaluation: tuple[str, ...]
    reversed_words: tuple[str, ...] = ()
    affirmed: Mapping[str, str] = field(default_factory=dict)

    def is_reversed(self, wording: str) -> bool:
        """Whether a wording asks for the opposite of the relation."""
        return any(word in wording for word in self.reversed_words)
