"""*Which camera sees the forklift?* becomes *is there a forklift?*, asked of every camera."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from spatialllm_msgs.msg import CameraReply, SpatialAnswer, Status
from spatialllm_ros.runtime.answers import sureness
from spatialllm_ros.runtime.frame_store import ALL_CAMERAS
from spatialllm_ros.schema import Query

PATTERN = re.compile(
    r'(which|what) cameras? (can )?sees? (the |an? )?(?P<phrase>[^?]+)', re.IGNORECASE
)
QUESTION = 'is there a {phrase}?'
OPTIONS = ('yes', 'no')
NO_CAMERA = 'no camera'


def asks_which_camera(query: Query) -> bool:
    """Tell whether a question without options wants the names of cameras."""
    return not query.options and _match(query) is not None


def asked_of_each(query: Query) -> Query:
    """Return what each camera is asked; all of them where the query names none."""
    match = _match(query)
    assert match is not None, 'only for questions that ask which camera'
    question = QUESTION.format(phrase=match['phrase'])
    return replace(query, question=question, options=OPTIONS, camera=query.camera or ALL_CAMERAS)


def name_cameras(best: SpatialAnswer, replies: Sequence[CameraReply]) -> SpatialAnswer:
    """Say the names of the cameras that see it, the surest first, in place of *yes* and *no*.

    Where none does, those that have no answer are named, too: one of them may see it.

    Args:
        best: the answer to change.
        replies: of all cameras.
    """
    seeing = [one.answer for one in replies if one.answer.yes]
    seeing.sort(key=lambda answer: -sureness(answer.confidence))
    nobody = '; '.join(filter(None, [NO_CAMERA, unasked_words(replies)]))
    best.text = ', '.join(answer.camera for answer in seeing) or nobody
    best.kind = SpatialAnswer.TEXT
    return best


def unasked_words(replies: Sequence[CameraReply]) -> str:
    """Name the cameras that have no answer; empty where all have one."""
    unasked = ', '.join(one.camera for one in replies if one.status != Status.OK)
    return f'could not be asked: {unasked}' if unasked else ''


def _match(query: Query) -> re.Match[str] | None:
    return PATTERN.fullmatch(query.question.strip().removesuffix('?').strip())
