"""What a question becomes before the decoder reads it, and which questions are refused.

A prompt is ``<s>``, the image's tokens, the question and ``<answer>``. All up to the image's last
token is the prefix that every question on a frame shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialllm_ros.errors import QuestionError
from spatialllm_ros.runtime.bundle import Manifest
from spatialllm_ros.runtime.tokenizer import Tokenizer
from spatialllm_ros.schema import Query


@dataclass(frozen=True)
class Prompt:
    """A question as ids.

    Attributes:
        question: ids from the first word to ``<answer>``.
        options: ids of each closed answer, ``</s>`` at its end.
    """

    question: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]


class PromptBuilder:
    """Turns queries into prompts that fit the model; safe to use from several threads."""

    def __init__(self, manifest: Manifest, tokenizer: Tokenizer) -> None:
        """Take the limits and special ids from the manifest."""
        self._tokenizer = tokenizer
        self._tokens = manifest.tokens
        self._limits = manifest.limits
        self._prefix_length = 1 + manifest.image.tokens
        self._room = manifest.decoder.context - self._prefix_length - manifest.limits.answer_tokens

    @property
    def prefix_length(self) -> int:
        """Positions that the shared prefix takes."""
        return self._prefix_length

    def build(self, query: Query) -> Prompt:
        """Return a query's prompt.

        Raises:
            QuestionError: empty, too long, not text, or options that cannot be told apart.
        """
        question = self._words(query.question, 'question')
        options = tuple((*self._words(o, 'option'), self._tokens.end) for o in query.options)
        self._check_options(query.options, options)
        ids = (*question, self._tokens.answer)
        length = len(ids) + sum(map(len, options))
        if length > self._room:
            raise QuestionError(
                f'expected a question and options of at most {self._room} tokens, found '
                f'{length}; ask in fewer words'
            )
        return Prompt(ids, options)

    def _words(self, text: str, what: str) -> tuple[int, ...]:
        """Return a text's ids, refusing what is no text."""
        limit = self._limits.question_characters
        if len(text) > limit:
            raise QuestionError(
                f'expected a {what} of at most {limit} characters, found {len(text)}'
            )
        words = ' '.join(text.split())
        if not words:
            raise QuestionError(f'expected a {what} in words, found nothing; write one')
        if not words.isprintable() or '\ufffd' in words:  # what undecodable bytes become
            raise QuestionError(f'expected a {what} in words, found unprintable characters')
        ids = self._tokenizer.encode(words)
        if all(token == self._tokens.unknown for token in ids):
            raise QuestionError(
                f'expected a {what} in words that the model knows, found {words[:40]!r}'
            )
        return tuple(ids)

    def _check_options(self, options: Sequence[str], ids: Sequence[tuple[int, ...]]) -> None:
        limit = self._limits.options
        if len(options) == 1 or len(options) > limit:
            raise QuestionError(
                f'expected no options or 2 to {limit}, found {len(options)}; name more or fewer'
            )
        if len(set(ids)) < len(ids):
            raise QuestionError(
                f'expected options that the model can tell apart, found {list(options)}'
            )
