"""How an answer probably goes on, guessed without the model.

The decoder reads guesses together with a word that is certain, for little more than that word
alone costs. As far as they are what it would have written, it need not be asked again; wrong ones
are hidden from all that follows, so no answer depends on them.

Source: drafts that are verified in one pass, Leviathan et al. 2023, arXiv:2211.17192. Here nothing
is sampled, and the drafts come from the grammar of answers and from the question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from spatialllm_ros.runtime.answers import likely_next
from spatialllm_ros.runtime.decoding import Branches
from spatialllm_ros.runtime.tokenizer import Tokenizer

WAYS = 2
"""How many guesses at most: a question that is answered by a name mostly has two to choose."""
MOST_READ = 1 + WAYS
"""Words of one question in a pass; where a form's words are several tokens, they may be more."""
_NAMES = re.compile(r'(?!(?:there|column|distance)\b)[a-z ]*[a-z](?<!\band)')
"""What may be the name of an object, or several: no other form of answer begins so."""


def ways_on(
    question: Sequence[int], words: Sequence[int], text: str, tokenizer: Tokenizer
) -> Branches:
    """Return guesses at what stands behind an answer so far, each of a word or more.

    Args:
        question: from its first word to ``<answer>``.
        words: of the answer, at least one.
        text: what they say.
        tokenizer: of both.
    """
    if form := likely_next(text):
        return _behind(words, text, form, tokenizer)
    # Answers name objects as the question does: behind "red" there may come "car".
    pairs = pairwise(question[:-1])
    behind = dict.fromkeys(after for before, after in pairs if before == words[-1])
    ways = [[word] for word in behind if tokenizer.decode([word]).strip().isalpha()][:WAYS]
    # And whatever has a name may be the first of several.
    if not ways and _NAMES.fullmatch(text):
        return _behind(words, text, 'and', tokenizer)
    return ways


def _behind(words: Sequence[int], text: str, form: str, tokenizer: Tokenizer) -> Branches:
    ids = tokenizer.encode(f'{text} {form}')
    return [ids[len(words) :]] if ids[: len(words)] == tuple(words) else []
