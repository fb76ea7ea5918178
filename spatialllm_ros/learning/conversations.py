"""Conversations about images in LLaVA's JSON, as questions to train on beside our own.

Each pair of turns is a question by itself, as at run time, where nothing said before is known.
Source: https://github.com/haotian-liu/LLaVA, docs/Finetune_Custom_Data.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.question_arrays import (
    MAX_MENTIONS,
    MAX_NUMBERS,
    NO_MENTION,
    QuestionArrays,
    special_id,
)
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.worlds import is_kept_apart

IMAGE_MARK = '<image>'
SPEAKERS = ('human', 'gpt')

Pair = tuple[list[int], list[int]]
"""Token ids of a question and of its answer, without marks."""


@dataclass(frozen=True)
class MixedSource:
    """Conversations to mix in.

    Attributes:
        path: LLaVA's JSON; images: the folder that its image names start from.
        weight: share of the views of a step.
        tokens: most tokens of all questions about an image together.
    """

    path: Path
    images: Path
    weight: float
    tokens: int = 1024


@dataclass(frozen=True)
class Conversations:
    """Images and the questions about each: view n is about image n."""

    images: list[Path]
    questions: QuestionArrays


def load_conversations(
    source: MixedSource, tokenizer: Tokenizer, positions: int
) -> tuple[Conversations, ImportReport]:
    """Read what can be trained on, and the account of the rest.

    Args:
        source: where it is.
        tokenizer: of the decoder.
        positions: how many tokens of a question with its answer the decoder has room for.

    Raises:
        ConfigError: the file is no JSON list, nothing in it can be trained on, or it speaks of
            worlds that are kept for validation or tests.
    """
    try:
        entries = json.loads(source.path.read_text('utf-8'))
    except (OSError, ValueError) as error:
        raise ConfigError(f'expected JSON at {source.path}, found: {error}') from error
    if not isinstance(entries, list):
        raise ConfigError(
            f'expected a list of conversations in {source.path}, found {type(entries).__name__}'
        )
    report = ImportReport()
    coder = _Coder(tokenizer, min(source.tokens, positions), report)
    images, views = [], []
    for number, entry in enumerate(entries):
        _check_world(entry, source.path)
        if isinstance(entry, dict) and 'image' not in entry:
            report.leave_out('conversations without an image')
            continue
        for image, turns in report.reading(f'entry {number}', _read, entry, source.images):
            pairs = coder.pairs(turns)
            if pairs:
                images.append(image)
                views.append(pairs)
    if not views:
        raise ConfigError(
            f'expected conversations to train on in {source.path}, found none of {len(entries)}: '
            f'{report.summary()}; first: {report.skipped[:1]}'
        )
    report.scenes = len(views)
    return Conversations(images, _arrays(views, tokenizer)), report


def _check_world(entry: Any, path: Path) -> None:
    """Refuse what ``training/export_questions.py`` wrote about a world that measures."""
    name = entry.get('id') if isinstance(entry, dict) else None
    if isinstance(name, str) and is_kept_apart(name):
        raise ConfigError(
            f'expected conversations to train on, found {name} in {path}, a world that is kept '
            'for validation and tests: export the questions of others'
        )


def _read(entry: Any, folder: Path) -> tuple[Path, list[tuple[str, str]]]:
    """Return an entry's image and its questions with their answers.

    Raises:
        ValueError and its like: the entry is malformed.
    """
    name = PurePath(entry['image'])
    if name.is_absolute() or '..' in name.parts:
        raise ValueError(f'expected an image below the folder of images, found {name}')
    with Image.open(folder / name):  # its pixels are decoded when it is drawn
        pass
    turns = entry['conversations']
    speakers = tuple(turn['from'] for turn in turns)
    if not turns or speakers != SPEAKERS * (len(turns) // 2):
        raise ValueError(f'expected turns of {SPEAKERS} in pairs, found {speakers[:4]}')
    words = [' '.join(turn['value'].replace(IMAGE_MARK, ' ').split()) for turn in turns]
    if not all(words):
        raise ValueError('expected words in every turn, found an empty one')
    return folder / name, list(zip(words[::2], words[1::2], strict=True))


class _Coder:
    """Turns pairs of texts into ids, and counts those that cannot be learned."""

    def __init__(self, tokenizer: Tokenizer, room: int, report: ImportReport) -> None:
        self.tokenizer, self.room, self.report = tokenizer, room, report
        marks = [i for i, t in tokenizer.get_added_tokens_decoder().items() if t.special]
        self.marks = frozenset(marks)

    def pairs(self, turns: list[tuple[str, str]]) -> list[Pair]:
        """Return the pairs that fit."""
        found = []
        for texts in turns:
            question, answer = (
                self.tokenizer.encode(text, add_special_tokens=False).ids for text in texts
            )
            if self.marks & {*question, *answer}:
                self.report.leave_out('questions with characters or marks outside the vocabulary')
            elif len(question) + len(answer) + 2 > self.room:
                self.report.leave_out('questions too long for the decoder')
            else:
                found.append((question, answer))
        return found


def _arrays(views: list[list[Pair]], tokenizer: Tokenizer) -> QuestionArrays:
    """Return the questions without mentions and numbers, to which no read-out is held."""
    mark, end = special_id(tokenizer, '<answer>'), special_id(tokenizer, '</s>')
    pairs = [pair for view in views for pair in view]
    coded = [[*question, mark, *answer, end] for question, answer in pairs]
    count = len(pairs)
    return QuestionArrays(
        tokens=np.concatenate([np.array(ids, np.int32) for ids in coded]),
        starts=np.cumsum([0, *map(len, coded)], dtype=np.int64),
        answer_at=np.array([len(question) for question, _ in pairs], np.int32),
        types=np.zeros(count, np.int32),
        mention_at=np.full((count, MAX_MENTIONS), -1, np.int32),
        mention_object=np.full((count, MAX_MENTIONS), NO_MENTION, np.int32),
        numbers=np.full((count, MAX_NUMBERS), np.nan, np.float32),
        view_starts=np.cumsum([0, *map(len, views)], dtype=np.int64),
    )
