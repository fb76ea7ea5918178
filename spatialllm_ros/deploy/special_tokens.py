"""The tokens of a ``tokenizer.json`` that have a meaning of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.questions.vocabulary import whole_answers
from spatialllm_ros.runtime.bundle import SpecialTokens

ABSENT_WORD = 'there'
"""Begins the answer that an object is not there (``there is no purple dog``)."""
SPECIAL_WORDS = ('<pad>', '<unk>', '<s>', '</s>', '<answer>', ABSENT_WORD)
"""In the order of ``SpecialTokens``."""


def special_tokens(tokenizer: bytes, path: Path) -> SpecialTokens:
    """Return the ids with a meaning of their own in a ``tokenizer.json``.

    Raises:
        ConfigError: it is no tokenizer, or some are missing; names the path.
    """
    try:
        found = ids_of(tokenizer, SPECIAL_WORDS)
    except ValueError as error:
        raise ConfigError(f'{path}: expected a tokenizer, found {error}; copy it anew') from error
    missing = [word for word in SPECIAL_WORDS if word not in found]
    if missing:
        raise ConfigError(f'{path}: expected the tokens {list(SPECIAL_WORDS)}, found no {missing}')
    pad, unknown, start, end, answer, absent = (found[word] for word in SPECIAL_WORDS)
    whole = tuple(sorted(ids_of(tokenizer, whole_answers()).values()))
    return SpecialTokens(pad, unknown, start, end, answer, absent, whole)


def ids_of(tokenizer: bytes, words: Sequence[str]) -> dict[str, int]:
    """Return the ids of those words that a ``tokenizer.json`` knows."""
    vocabulary = Tokenizer.from_buffer(tokenizer).get_vocab()
    return {word: vocabulary[word] for word in words if word in vocabulary}
