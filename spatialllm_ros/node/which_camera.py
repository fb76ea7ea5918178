"""*Which camera sees the forklift?* becomes *is there a forklift?*, asked of every camera."""

from __future__ import annotations

import re
from dataclasses import replace

from spatialllm_msgs.msg import SpatialAnswer
from spatialllm_ros.runtime.answers import sureness
from spatialllm_ros.runtime.frame_store import ALL_CAMERAS
from spatialllm_ros.schema import Query

PATTERN = re.compile(
    r'\s*(which|what) cameras? (can )?sees? (the |an? )?(?P<phrase>[^?]*[^?\s])\s*\??\s*',
    re.IGNORECASE,
)
QUESTION = 'is there a {phrase}?'
OPTIONS = ('yes', 'no')
NO_CAMERA = 'no camera'


def asks_which_camera(query: Query) -> bool:
    """Tell whether a question without options wants the names of cameras."""
    return not query.options and PATTERN.fullmatch(query.question) is not None


def asked_of_each(query: Query) -> Query:
    """Return what each camera is asked; all of them where the query names none."""
    match = PATTERN.fullmatch(query.question)
    assert match is not None, 'only for questions that ask which camera'
    question = QUESTION.format(phrase=match['phrase'])
    return replace(query, question=question, options=OPTIONS, camera=query.camera or ALL_CAMERAS)


def name_cameras(best: SpatialAnswer, answers: list[SpatialAnswer]) -> SpatialAnswer:
    """Say the names of the cameras that see it, the surest first, in place of *yes* and *no*.

    Args:
        best: the answer to change.
        answers: of all cameras.
    """
    seeing = sorted((a for a in answers if a.yes), key=lambda answer: -sureness(answer.confidence))
    best.text = ', '.join(answer.camera for answer in seeing) or NO_CAMERA
    best.kind = SpatialAnswer.TEXT
    return best
