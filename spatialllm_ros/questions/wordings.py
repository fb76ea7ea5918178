"""The wordings of one type of question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Wording = str | tuple[str, str]
"""A wording; one of yes and no stands with the type's answer for which it is yes."""


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
    reversed_words: tuple[str, ...]
    affirmed: Mapping[str, str]

    def is_reversed(self, wording: str) -> bool:
        """Whether a wording asks for the opposite of the relation."""
        return any(word in wording for word in self.reversed_words)


def for_each(options: Iterable[str], *wordings: str) -> tuple[Wording, ...]:
    """Return wordings of yes and no for each option, which stands where they say ``{option}``."""
    return tuple(
        (wording.replace('{option}', option), option) for wording in wordings for option in options
    )


def phrasings(
    train: Sequence[Wording],
    evaluation: Sequence[Wording],
    reversed_words: tuple[str, ...] = (),
) -> Phrasings:
    """Return the wordings of one type from how its table writes them."""
    return Phrasings(
        _texts(train),
        _texts(evaluation),
        reversed_words,
        dict(each for each in (*train, *evaluation) if not isinstance(each, str)),
    )


def _texts(wordings: Sequence[Wording]) -> tuple[str, ...]:
    return tuple(each if isinstance(each, str) else each[0] for each in wordings)
