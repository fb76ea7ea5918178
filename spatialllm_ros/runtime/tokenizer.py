"""Words to ids and back, by the bundle's own ``tokenizer.json``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import tokenizers

from spatialllm_ros.errors import BundleError
from spatialllm_ros.runtime.bundle import REMEDY

KEPT_TEXTS = 1024
"""How many texts' ids are kept: the same questions come again with each frame."""


class Tokenizer:
    """A thin door to the ``tokenizers`` library; safe to use from several threads."""

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
        self._kept = lru_cache(KEPT_TEXTS)(self._ids)

    @property
    def size(self) -> int:
        """How many ids there are."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the ids of a text, without special tokens."""
        return self._kept(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, special tokens left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)
