"""Questions as arrays of token ids, tokenised once, so that a training step only indexes.

Notation: K questions, M mentions per question at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
        by_view: for each view, the indices of its questions.
        records: the records themselves, K of them; empty where not kept.
    """

    tokens: NDArray[np.int32]
    starts: NDArray[np.int64]
    answer_at: NDArray[np.int32]
    types: NDArray[np.int32]
    mention_at: NDArray[np.int32]
    mention_object: NDArray[np.int32]
    numbers: NDArray[np.float32]
    by_view: list[NDArray[np.int64]]
    records: list[QuestionRecord]

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self.types)


def tokenise_questions(
    views: Iterable[list[QuestionRecord]], tokenizer: Tokenizer, keep_records: bool = False
) -> QuestionArrays:
    """Tokenise the questions of each view, in the order of the views.

    Raises:
        ConfigError: a mention or a type does not fit the arrays.
    """
    answer_mark, end_mark = special_id(tokenizer, '<answer>'), special_id(tokenizer, '</s>')
    tokens: list[int] = []
    rows: list[tuple[int, int, list[int], list[int], list[float]]] = []
    starts, by_view, records = [0], [], []
    for view in views:
        first = len(rows)
        for record in view:
            encoding = tokenizer.encode(record.question, add_special_tokens=False)
            answer = tokenizer.encode(record.answer, add_special_tokens=False).ids
            tokens += [*encoding.ids, answer_mark, *answer, end_mark]
            starts.append(len(tokens))
            at, objects = _mentions(record, encoding.offsets)
            numbers = list(record.numbers.values())[:MAX_NUMBERS]
            rows.append((len(encoding.ids), TYPE_INDEX[record.type], at, objects, numbers))
            if keep_records:
                records.append(record)
        by_view.append(np.arange(first, len(rows)))
    padded = np.full((len(rows), MAX_NUMBERS), np.nan, np.float32)
    for i, row in enumerate(rows):
        padded[i, : len(row[4])] = row[4]
    return QuestionArrays(
        tokens=np.array(tokens, np.int32),
        starts=np.array(starts, np.int64),
        answer_at=np.array([row[0] for row in rows], np.int32),
        types=np.array([row[1] for row in rows], np.int32),
        mention_at=np.array([row[2] for row in rows], np.int32).reshape(-1, MAX_MENTIONS),
        mention_object=np.array([row[3] for row in rows], np.int32).reshape(-1, MAX_MENTIONS),
        numbers=padded,
        by_view=by_view,
        records=records,
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
