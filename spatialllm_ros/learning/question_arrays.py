"""Questions as arrays of token ids, tokenised once, so that a training step only indexes.

Notation: K questions, M mentions per question at most.
"""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.questions import QUESTION_TYPES
from spatialllm_ros.schema import QuestionRecord

MAX_MENTIONS = 4
MAX_NUMBERS = 4
NO_MENTION, ABSENT = -2, -1
TYPE_NAMES = tuple(QUESTION_TYPES)
TYPE_INDEX = {name: i for i, name in enumerate(TYPE_NAMES)}


@dataclass(frozen=True)
class QuestionArrays:
    """Tokenised questions, grouped by view.

    Attributes:
        tokens: all ids one after the other: question, answer mark, answer, end.
        starts: (K + 1,) where each question's tokens begin.
        answer_at: (K,) position of the answer mark within the question's tokens.
        types: (K,) index into ``TYPE_NAMES``.
        mention_at: (K, M) position of each mention's last token, -1 for no mention.
        mention_object: (K, M) the object it names, ABSENT, or NO_MENTION.
        numbers: (K, 4) the numbers behind the answer, NaN where there is none.
        view_starts: (views + 1,) where each view's questions begin.
    """

    tokens: NDArray[np.int32]
    starts: NDArray[np.int64]
    answer_at: NDArray[np.int32]
    types: NDArray[np.int32]
    mention_at: NDArray[np.int32]
    mention_object: NDArray[np.int32]
    numbers: NDArray[np.float32]
    view_starts: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self.types)

    def of_view(self, view: int) -> NDArray[np.int64]:
        """Return the indices of a view's questions."""
        return np.arange(self.view_starts[view], self.view_starts[view + 1])

    def save(self, path: Path) -> None:
        """Write the arrays; a broken run leaves no half file, nor do several at once."""
        partial = path.with_suffix(f'.{os.getpid()}.partial')
        with partial.open('wb') as file:
            np.savez(file, **{item.name: getattr(self, item.name) for item in fields(self)})
        partial.rename(path)

    @classmethod
    def load(cls, path: Path) -> QuestionArrays:
        """Read what ``save`` wrote."""
        with np.load(path) as stored:
            return cls(**{item.name: stored[item.name] for item in fields(cls)})


def joined_arrays(parts: Sequence[QuestionArrays]) -> QuestionArrays:
    """Return the questions of the views of all parts, one after the other."""
    whole: dict[str, np.ndarray] = {}
    for item in fields(QuestionArrays):
        own = [getattr(part, item.name) for part in parts]
        if item.name in ('starts', 'view_starts'):
            before = np.cumsum([0, *(starts[-1] for starts in own)])
            own = [starts[:-1] + first for starts, first in zip(own, before, strict=False)]
            own.append(before[-1:])
        whole[item.name] = np.concatenate(own)
    return QuestionArrays(**whole)


def tokenise_questions(
    views: Iterable[list[QuestionRecord]], tokenizer: Tokenizer
) -> QuestionArrays:
    """Tokenise the questions of each view, in the order of the views.

    Raises:
        ConfigError: a mention or a type does not fit the arrays.
    """
    answer_mark, end_mark = special_id(tokenizer, '<answer>'), special_id(tokenizer, '</s>')
    # Packed numbers: Python's own of some million questions take gigabytes.
    tokens, starts, view_starts = array('i'), array('q', [0]), array('q', [0])
    answer_at, types = array('i'), array('i')
    mention_at, mention_object, numbers = array('i'), array('i'), array('f')
    for view in views:
        for record in view:
            encoding = tokenizer.encode(record.question, add_special_tokens=False)
            answer = tokenizer.encode(record.answer, add_special_tokens=False).ids
            tokens.extend([*encoding.ids, answer_mark, *answer, end_mark])
            starts.append(len(tokens))
            answer_at.append(len(encoding.ids))
            types.append(TYPE_INDEX[record.type])
            at, objects = _mentions(record, encoding.offsets)
            mention_at.extend(at)
            mention_object.extend(objects)
            own = list(record.numbers.values())[:MAX_NUMBERS]
            numbers.extend([*own, *[math.nan] * (MAX_NUMBERS - len(own))])
        view_starts.append(len(types))
    return QuestionArrays(
        tokens=np.array(tokens, np.int32),
        starts=np.array(starts, np.int64),
        answer_at=np.array(answer_at, np.int32),
        types=np.array(types, np.int32),
        mention_at=np.array(mention_at, np.int32).reshape(-1, MAX_MENTIONS),
        mention_object=np.array(mention_object, np.int32).reshape(-1, MAX_MENTIONS),
        numbers=np.array(numbers, np.float32).reshape(-1, MAX_NUMBERS),
        view_starts=np.array(view_starts, np.int64),
    )


def special_id(tokenizer: Tokenizer, mark: str) -> int:
    """Return the id of a special token.

    Raises:
        ConfigError: the tokenizer lacks it.
    """
    found = tokenizer.token_to_id(mark)
    if found is None:
        raise ConfigError(f'expected a tokenizer with the token {mark}, found none')
    return int(found)


def _mentions(
    record: QuestionRecord, offsets: list[tuple[int, int]]
) -> tuple[list[int], list[int]]:
    """Return the last token of each mention and what it names, padded."""
    if len(record.mentions) > MAX_MENTIONS:
        raise ConfigError(f'expected at most {MAX_MENTIONS} mentions, found {record}')
    at, objects = [-1] * MAX_MENTIONS, [NO_MENTION] * MAX_MENTIONS
    for i, mention in enumerate(record.mentions):
        inside = [t for t, (a, b) in enumerate(offsets) if a < mention.end and b > mention.start]
        if not inside:
            raise ConfigError(f'expected tokens inside mention {mention}, found none in {record}')
        at[i], objects[i] = inside[-1], mention.object_index
    return at, objects
