"""What a question becomes before the decoder reads it, and which questions are refused.

A prompt is ``<s>``, the image's tokens, the question and ``<answer>``. All up to the image's last
token is the prefix that every question on a frame shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from spatialllm_ros.errors import QuestionError
from spatialllm_ros.runtime.bundle import Manifest
from spatialllm_ros.runtime.tokenizer import Tokenizer
from spatialllm_ros.schema import Query

EXPECTED_ANSWER_TOKENS = 6
"""Room that is kept for an answer where several share a context; most need less."""


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
        prefix_length = 1 + manifest.image.tokens
        self._positions = manifest.decoder.positions - prefix_length
        self._room = manifest.decoder.context - prefix_length

    def build(self, query: Query) -> Prompt:
        """Return a query's prompt.

        Raises:
            QuestionError: empty, too long, not text, or options that cannot be told apart.
        """
        question = self._words(query.question, 'a question')
        options = tuple((*self._words(o, 'an option'), self._tokens.end) for o in query.options)
        self._check_options(query.options, options)
        prompt = Prompt((*question, self._tokens.answer), options)
        longest = max(self._limits.answer_tokens, *map(len, options), 0)
        need = self._need(prompt, self._limits.answer_tokens)
        room = min(self._room - need, self._positions - len(question) - 1 - longest)
        if room < 0:
            raise QuestionError(
                f'expected a question and options that fit the model, found {-room} tokens too '
                'many; ask in fewer words'
            )
        return prompt

    def in_passes(self, prompts: Mapping[int, Prompt]) -> list[list[int]]:
        """Group prompts, by their keys and in their order, so that each group has room.

        Room for answers of the expected length, that is: longer ones may have to be taken up again
        in another pass. A prompt alone has room for the longest answer. No group has more
        questions than the manifest allows at once.
        """
        passes: list[list[int]] = []
        free = 0
        for key, prompt in prompts.items():
            need = self._need(prompt, min(EXPECTED_ANSWER_TOKENS, self._limits.answer_tokens))
            if not passes or need > free or len(passes[-1]) == self._limits.questions:
                passes.append([])
                free = self._room
            passes[-1].append(key)
            free -= need
        return passes

    def _need(self, prompt: Prompt, answer_tokens: int) -> int:
        """Return how many positions a question takes with its options and an answer."""
        options = sum(len(option) - 1 for option in prompt.options)
        return len(prompt.question) + options + answer_tokens

    def _words(self, text: str, what: str) -> tuple[int, ...]:
        """Return a text's ids, refusing what is no text."""
        limit = self._limits.question_characters
        if len(text) > limit:
            raise QuestionError(
                f'expected {what} of at most {limit} characters, found {len(text)}'
            )
        words = ' '.join(text.split())
        if not words:
            raise QuestionError(f'expected {what} in words, found nothing; write one')
        if not words.isprintable() or '\ufffd' in words:  # what undecodable bytes become
            raise QuestionError(f'expected {what} in words, found unprintable characters')
        self._check_words(words, what)
        ids = self._tokenizer.encode(words)
        if all(token == self._tokens.unknown for token in ids):
            raise QuestionError(
                f'expected {what} in words that the model knows, found {words[:40]!r}'
            )
        return ids

    def _check_words(self, text: str, what: str) -> None:
        """Refuse words that the model never learned: it would answer all the same, and surely."""
        if self._tokens.spelled or not (strange := self._tokenizer.strange_words(text)):
            return
        word = strange[0].lower()
        near = get_close_matches(word, sorted(self._tokenizer.whole_words), 1)
        raise QuestionError(
            f'expected {what} in words that the model learned, found {word[:40]!r}'
            + (f'; did you mean {near[0]!r}?' if near else '; ask in other words')
        )

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
