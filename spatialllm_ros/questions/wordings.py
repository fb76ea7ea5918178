"""The wordings of one type of question."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrasings:
    """The wordings of one type.

    Attributes:
        train: wordings for training, ``evaluation``: those kept for evaluation.
        reversed_words: a wording that holds one of these asks for the opposite.
    """

    train: tuple[str, ...]
    evaluation: tuple[str, ...]
    reversed_words: tuple[str, ...] = ()

    def is_reversed(self, wording: str) -> bool:
        """Whether a wording asks for the opposite of the relation."""
        return any(word in wording for word in self.reversed_words)
