"""The tokens of a ``tokenizer.json`` that have a meaning of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.building import MARKS
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


def check_belongs(tokenizer: bytes, path: Path, model: Any) -> None:
    """Refuse the ``tokenizer.json`` of other weights.

    Args:
        tokenizer: one in which ``special_tokens`` found all.
        path: of its file.
        model: a ``SpatialLLMForConditionalGeneration``.

    Raises:
        ConfigError: it has an id without a row of the embeddings, or a mark has another id than
            in the model's configuration.
    """
    words = Tokenizer.from_buffer(tokenizer).get_vocab()
    rows, greatest = model.get_input_embeddings().weight.shape[0], max(words.values())
    problems = [f'the id {greatest} for {rows} rows of embeddings'] if greatest >= rows else []
    problems += [
        f'{mark} as {words[mark]} instead of {own}'
        for mark, own in _configured(model.config).items()
        if mark in words and own not in (None, words[mark], [words[mark]])
    ]
    if problems:
        raise ConfigError(
            f'{path}: expected the tokenizer of these weights, found {"; ".join(problems)}; put '
            'the tokenizer.json of their training beside them'
        )


def _configured(config: Any) -> dict[str, Any]:
    """Return the ids of marks that a configuration tells; one may be a list, or None."""
    ids = {**vars(config.text_config), **vars(config)}
    return {mark: ids.get(f'{name}_token_id') for name, mark in MARKS.items()}
