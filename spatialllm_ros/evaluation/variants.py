"""The ways to ask about a world: of its image and the mirror image, the options rotated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from spatialllm_ros.evaluation.asked_worlds import AskedWorld
from spatialllm_ros.evaluation.circular import Variant
from spatialllm_ros.questions.question_types import LEFT_RIGHT, QUESTION_TYPES
from spatialllm_ros.scenes.mirror import mirrored_camera
from spatialllm_ros.schema import Frame, QuestionRecord

SIDES = {'left': 'right', 'right': 'left'}
"""Answers that the mirror changes: it keeps distances, heights, fronts and angles."""
YES_TO_NO = {'yes': 'no', 'no': 'yes'}
"""Those that it changes where a question is whether something is on the left, or on the right."""


@dataclass(frozen=True)
class View:
    """One image, and the ways in which questions are asked of it."""

    frame: Frame
    asked: list[tuple[Variant, QuestionRecord]]


def views(world: AskedWorld) -> Iterator[View]:
    """Yield a world's image and its mirror image, with every closed question in every rotation."""
    closed = [
        (f'{record.scene_id}/{number}', record)
        for number, record in enumerate(world.records)
        if record.options
    ]
    for is_mirrored in (False, True):
        frame = mirrored_frame(world.frame) if is_mirrored else world.frame
        asked = [
            (Variant(name, is_mirrored, places), rotated(own, places))
            for name, record in closed
            for own in [mirrored_record(record) if is_mirrored else record]
            for places in range(len(record.options))
        ]
        yield View(frame, asked)


def mirrored_frame(frame: Frame) -> Frame:
    """Return the frame flipped left to right, with the camera that would take it."""
    flipped = np.ascontiguousarray(frame.rgb[:, ::-1])
    return replace(frame, rgb=flipped, camera=mirrored_camera(frame.camera))


def mirrored_record(record: QuestionRecord) -> QuestionRecord:
    """Return a closed question with its true answer for the mirror image.

    Its words are kept, unless it is whether anything is on one side, which says nothing of the
    other: then the sides change instead of the answer.
    """
    if record.type == 'exist_of':
        question = re.sub('left|right', lambda word: SIDES[word[0]], record.question)
        return replace(record, question=question, mentions=())
    changed = SIDES if QUESTION_TYPES[record.type].options != LEFT_RIGHT else SIDES | YES_TO_NO
    return replace(record, answer=changed.get(record.answer, record.answer))


def rotated(record: QuestionRecord, places: int) -> QuestionRecord:
    """Return a question with its options rotated, in its words too where these name them."""
    options = (*record.options[places:], *record.options[:places])
    renamed = dict(zip(record.options, options, strict=True))
    words, end = '', 0
    for mention in record.mentions:
        phrase = record.question[mention.start : mention.end]
        words += record.question[end : mention.start] + renamed.get(phrase, phrase)
        end = mention.end
    return replace(record, question=words + record.question[end:], options=options, mentions=())
