"""Several questions in one decoder context: each sees the image prefix and itself alone.

A question and its closed answers are read in one pass: the options stand behind the question,
each at the positions it would have as the answer, and do not see each other. Further words of all
unfinished questions are then computed together, one word each.

Notation: S new positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.runtime.engines.base import DecoderContext, Floats, Span
from spatialllm_ros.runtime.prompt import Prompt

Logs = NDArray[np.float64]


@dataclass
class Strand:
    """One question on its way through the context.

    Attributes:
        slots: where in the context the question and its answer so far lie.
        next_position: place of the next word in this question's own text.
        next_logs: (V,) log-probabilities of the next word.
        option_logs: log-probability of each closed answer, its end included.
    """

    prompt: Prompt
    slots: list[int] = field(default_factory=list)
    next_position: int = 0
    next_logs: Logs = field(default_factory=lambda: np.zeros(0))
    option_logs: tuple[float, ...] = ()


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
        spans = [_PromptSpan(prompt, self._prefix_length) for prompt in prompts]
        ids = [token for span in spans for token in span.ids]
        starts = np.cumsum([0, *(len(span.ids) for span in spans)])
        visible = np.zeros((len(ids), self._prefix_length + len(ids)), np.bool_)
        visible[:, : self._prefix_length] = True
        for start, span in zip(starts, spans, strict=False):
            end = start + len(span.ids)
            columns = slice(self._prefix_length + start, self._prefix_length + end)
            visible[start:end, columns] = span.visible
        positions = np.concatenate([span.positions for span in spans])
        scored = np.concatenate(
            [start + span.scored for start, span in zip(starts, spans, strict=False)]
        )
        logs = self._append(ids, positions, visible, scored)
        counts = np.cumsum([len(span.scored) for span in spans])[:-1]
        parts = np.split(logs, counts)
        return [
            span.strand(part, self._prefix_length + int(start))
            for start, span, part in zip(starts, spans, parts, strict=False)
        ]

    def extend(self, strands: Sequence[Strand], words: Sequence[int]) -> None:
        """Write one word into each strand and look at what may follow.

        Raises:
            EngineError: there is no room left, or the engine failed.
        """
        first = self._context.length
        visible = np.zeros((len(words), first + len(words)), np.bool_)
        visible[:, : self._prefix_length] = True
        for row, strand in enumerate(strands):
            strand.slots.append(first + row)
            visible[row, strand.slots] = True
        positions = np.array([strand.next_position for strand in strands], np.int64)
        logs = self._append(words, positions, visible, np.arange(len(words)))
        for strand, next_logs in zip(strands, logs, strict=True):
            strand.next_position += 1
            strand.next_logs = next_logs

    def _append(
        self,
        ids: Sequence[int],
        positions: NDArray[np.int64],
        visible: NDArray[np.bool_],
        scored: NDArray[np.int64],
    ) -> Logs:
        embeddings = self._embeddings[np.asarray(ids)]
        return log_softmax(self._context.append(Span(embeddings, positions, visible, scored)))


class _PromptSpan:
    """A prompt laid out: the question, then each option without its end."""

    def __init__(self, prompt: Prompt, first_position: int) -> None:
        self._prompt = prompt
        self._question_length = len(prompt.question)
        self._first_position = first_position
        self.ids = list(prompt.question)
        self.positions = np.arange(first_position, first_position + len(self.ids))
        self.visible = np.tril(np.ones((len(self.ids), len(self.ids)), np.bool_))
        for option in prompt.options:
            self._add_option(option[:-1])
        self.scored = np.arange(self._question_length - 1, len(self.ids))

    def _add_option(self, ids: Sequence[int]) -> None:
        old, count = len(self.ids), len(ids)
        visible = np.zeros((old + count, old + count), np.bool_)
        visible[:old, :old] = self.visible
        visible[old:, : self._question_length] = True
        visible[old:, old:] = np.tril(np.ones((count, count), np.bool_))
        first = self._first_position + self._question_length
        self.visible = visible
        self.positions = np.concatenate([self.positions, np.arange(first, first + count)])
        self.ids += ids

    def strand(self, logs: Logs, first_slot: int) -> Strand:
        """Return the strand behind the question, its options scored.

        Args:
            logs: (1 + words of the options, V): after the question, then after each such word.
            first_slot: where the question begins in the context.
        """
        scores, row = [], 1
        for option in self._prompt.options:
            rows = [0, *range(row, row + len(option) - 1)]
            scores.append(float(logs[rows, option].sum()))
            row += len(option) - 1
        return Strand(
            prompt=self._prompt,
            slots=list(range(first_slot, first_slot + self._question_length)),
            next_position=self._first_position + self._question_length,
            next_logs=logs[0],
            option_logs=tuple(scores),
        )


def log_softmax(logits: NDArray[np.floating]) -> Logs:
    """Return log-probabilities over the last dimension."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
