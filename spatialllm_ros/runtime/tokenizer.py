"""Words to ids and back, by the bundle's own ``tokenizer.json``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import tokenizers

from spatialllm_ros.errors import BundleError
from spatialllm_ros.runtime.bundle import REMEDY

KEPT_TEXTS = 1024
"""How many texts' ids are kept: the same questions come again with each frame."""


class Tokenizer:
    """A thin door to the ``tokenizers`` library; safe to use from several threads.

    Attributes:
        whole_words: all words that there are, where any other falls apart into single characters;
            empty where words have longer parts, so that no list of them can be given.
    """

    def __init__(self, path: Path) -> None:
        """Read a ``tokenizer.json``.

        Raises:
            BundleError: the library cannot read it.
        """
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise BundleError(f'{path}: expected a tokenizer, found {error}; {REMEDY}') from error
        # What a caller writes is text, "<image>" and "</s>" too.
        self._tokenizer.encode_special_tokens = True
        self._kept = lru_cache(KEPT_TEXTS)(self._read)
        self.whole_words = _whole_words(self._tokenizer)
        self._unknown = self._tokenizer.token_to_id(
            getattr(self._tokenizer.model, 'unk_token', '')
        )

    @property
    def last_id(self) -> int:
        """The greatest id."""
        return int(max(self._tokenizer.get_vocab().values()))

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the ids of a text, without special tokens."""
        return self._kept(text)[0]

    def strange_words(self, text: str) -> tuple[str, ...]:
        """Return the words of a text that are none of ``whole_words``, if there are such."""
        return self._kept(text)[1]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, special tokens left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def _read(self, text: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Return a text's ids and its strange words."""
        read = self._tokenizer.encode(text, add_special_tokens=False)
        if not self.whole_words:
            return tuple(read.ids), ()
        words = []
        pieces = zip(read.word_ids, read.ids, read.offsets, strict=True)
        for _, group in groupby(pieces, itemgetter(0)):
            _, parts, offsets = zip(*group, strict=True)
            if len(parts) > 1 or parts[0] == self._unknown:
                words.append(text[offsets[0][0] : offsets[-1][1]])
        return tuple(read.ids), tuple(word for word in words if word.isalnum())


def _whole_words(tokenizer: tokenizers.Tokenizer) -> frozenset[str]:
    """Return the words of a WordPiece whose every continued part is one character."""
    prefix = getattr(tokenizer.model, 'continuing_subword_prefix', None)
    if prefix is None:
        return frozenset()
    vocabulary = tokenizer.get_vocab()
    if any(len(word) > len(prefix) + 1 for word in vocabulary if word.startswith(prefix)):
        return frozenset()
    return frozenset(word for word in vocabulary if word.isalpha() and len(word) > 1)
