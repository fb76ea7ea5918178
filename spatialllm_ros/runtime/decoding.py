"""Several questions in one decoder context: each sees the image prefix and itself alone.

A question and its closed answers are read in one pass: the options stand behind the question,
each at the positions it would have as the answer, and do not see each other. Words that several
questions begin with are read once, for the same is before them in each. Further words of all
unfinished questions are then computed together: one of each and, as options are, guesses at what
comes behind it.

Notation: S new positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, chain, count, repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.runtime.engines.base import DecoderContext, Floats, Span
from spatialllm_ros.runtime.prompt import Prompt

Logs = NDArray[np.float64]
Branches = Sequence[Sequence[int]]
"""Ways to go on behind a text."""
Beginnings = dict[int, tuple[int, 'Beginnings']]
"""First words of texts, each with its slot and what comes behind it."""


class ReadWord(NamedTuple):
    """A word in a context, and the log-probabilities (V,) of what follows it."""

    word: int
    slot: int
    logs: Logs


@dataclass
class Strand:
    """One question on its way through the context.

    Attributes:
        slots: where in the context the question and its answer so far lie.
        next_position: place of the next word in this question's own text.
        next_logs: (V,) log-probabilities of the next word.
        option_logs: log-probability of each closed answer, its end included.
        ahead: ways to go on that have been read already.
    """

    prompt: Prompt
    slots: list[int] = field(default_factory=list)
    next_position: int = 0
    next_logs: Logs = field(default_factory=lambda: np.zeros(0))
    option_logs: tuple[float, ...] = ()
    ahead: list[list[ReadWord]] = field(default_factory=list)

    def go_on(self, word: int) -> bool:
        """Write a word behind the answer so far; false where it has not been read."""
        way, *_ = [way for way in self.ahead if way and way[0].word == word] or [[]]
        self.ahead = [way[1:]]
        if not way:
            return False
        self.slots.append(way[0].slot)
        self.next_position += 1
        self.next_logs = way[0].logs
        return True


class PrefixedContext:
    """A context whose first positions are an image prefix, and the strands behind it."""

    def __init__(self, context: DecoderContext, embeddings: Floats, prefix: Floats) -> None:
        """Read the prefix.

        Args:
            context: an empty one, which this object takes over.
            embeddings: (V, D) of the words.
            prefix: (S, D) embeddings of everything up to the image's last token.
        """
        self._context = context
        self._embeddings = embeddings
        self._prefix_length = len(prefix)
        places = np.arange(len(prefix))
        visible = places[None] <= places[:, None]
        context.append(Span(prefix, places, visible, places[-1:]))

    @property
    def room(self) -> int:
        """How many further positions there are."""
        return self._context.capacity - self._context.length

    def read(self, prompts: Sequence[Prompt]) -> list[Strand]:
        """Forget all earlier questions and read these, with their options.

        Raises:
            EngineError: they do not fit together, or the engine failed.
        """
        self._context.rewind(self._prefix_length)
        strands, texts, free = [], [], self._prefix_length
        options = [[option[:-1] for option in prompt.options] for prompt in prompts]
        beginnings: Beginnings = {}
        for prompt, ways in zip(prompts, options, strict=True):
            slots = _known(prompt.question, beginnings, free)
            strands.append(Strand(prompt, slots, self._prefix_length + len(slots)))
            texts.append(prompt.question[len(slots) :])
            free += len(texts[-1]) + sum(map(len, ways))
        self._append(strands, texts, options)
        for strand in strands:
            strand.option_logs = _option_logs(strand)
        return strands

    def extend(
        self, strands: Sequence[Strand], words: Sequence[int], guesses: Sequence[Branches] = ()
    ) -> None:
        """Write one word into each strand and look at what may follow.

        Args:
            strands: those that go on.
            words: of each, the next one.
            guesses: of each, ways to go on behind that word: read as well, for ``Strand.go_on``.

        Raises:
            EngineError: there is no room left, or the engine failed.
        """
        self._append(strands, [(word,) for word in words], guesses)

    def _append(
        self,
        strands: Sequence[Strand],
        texts: Sequence[Sequence[int]],
        branches: Sequence[Branches],
    ) -> None:
        """Write a text into each strand, and read its branches behind it."""
        behind = chain(branches, repeat(()))
        parts = [_Part(*own) for own in zip(strands, texts, behind, strict=False)]
        starts = list(accumulate((len(part.ids) for part in parts), initial=0))
        first, new = self._context.length, starts.pop()
        visible = np.zeros((new, first + new), np.bool_)
        visible[:, : self._prefix_length] = True
        for start, part in zip(starts, parts, strict=True):
            part.show(visible[start : start + len(part.ids)], first + start)
        ids = [word for part in parts for word in part.ids]
        positions = [place for part in parts for place in part.positions]
        scored = [
            row
            for start, part in zip(starts, parts, strict=True)
            for row in range(start + len(part.text) - 1, start + len(part.ids))
        ]
        span = Span(self._embeddings[ids], np.array(positions), visible, np.array(scored))
        logs = iter(log_softmax(self._context.append(span)))
        for start, part in zip(starts, parts, strict=True):
            part.write(first + start, logs)


class _Part:
    """A text behind a strand and, behind the text, branches that do not see each other.

    Attributes:
        ids: of the text's words, then of the branches'.
        positions: of each in its own way through them.
    """

    def __init__(self, strand: Strand, text: Sequence[int], branches: Branches) -> None:
        self._strand, self.text, self._branches = strand, text, branches
        first = strand.next_position
        self.ids, self.positions = list(text), list(range(first, first + len(text)))
        for branch in branches:
            self.ids += branch
            self.positions += range(first + len(text), first + len(text) + len(branch))

    def show(self, visible: NDArray[np.bool_], slot: int) -> None:
        """Let its words see the strand, what is before them in the text, and in their branch.

        Args:
            visible: (its words, slots) of the context.
            slot: of its first word.
        """
        visible[:, self._strand.slots] = True
        visible[:, slot : slot + len(self.ids)] = _up_to_itself(len(self.ids))
        behind = start = len(self.text)
        for branch in self._branches:
            visible[start:, slot + behind : slot + start] = False
            start += len(branch)

    def write(self, slot: int, logs: Iterator[Logs]) -> None:
        """Write the text into the strand, and leave the branches ahead of it.

        Args:
            slot: of its first word.
            logs: what follows the text, and each word of the branches.
        """
        strand, slots = self._strand, count(slot)
        strand.slots += [next(slots) for _ in self.text]
        strand.next_position += len(self.text)
        strand.next_logs = next(logs)
        strand.ahead = [
            [ReadWord(word, next(slots), next(logs)) for word in branch]
            for branch in self._branches
        ]


@lru_cache
def _up_to_itself(count: int) -> NDArray[np.bool_]:
    """Return what each of so many positions sees of them: (count, count)."""
    return np.tri(count, dtype=np.bool_)


def _known(question: Sequence[int], beginnings: Beginnings, free: int) -> list[int]:
    """Return the slots of first words that are read already, and add the question's others.

    Args:
        question: its last word, behind which the answer comes, stays its own.
        beginnings: of the questions before.
        free: the slot of the first word that is not read yet.
    """
    known: list[int] = []
    slots = count(free)
    for word in question[:-1]:
        if word in beginnings:
            known.append(beginnings[word][0])
        else:
            beginnings[word] = next(slots), {}
        beginnings = beginnings[word][1]
    return known


def _option_logs(strand: Strand) -> tuple[float, ...]:
    """Return the log-probability of each option, which have been read but for their ends."""
    return tuple(
        float(sum(logs[word] for logs, word in zip(_following(strand, way), option, strict=True)))
        for option, way in zip(strand.prompt.options, strand.ahead, strict=True)
    )


def _following(strand: Strand, way: Sequence[ReadWord]) -> list[Logs]:
    return [strand.next_logs, *(read.logs for read in way)]


def log_softmax(logits: NDArray[np.floating]) -> Logs:
    """Return log-probabilities over the last dimension."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
