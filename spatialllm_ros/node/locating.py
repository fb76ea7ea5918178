"""Where an object is, and whether it is there at all.

A model that is asked *where is the mug?* often names a place though there is no mug, and the
probability of those words tells little. So it is asked *is there a mug?* of the same image, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spatialllm_msgs.msg import CameraReply
from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.node.which_camera import OPTIONS, QUESTION
from spatialllm_ros.schema import Answer, AnswerKind, Query

LOCATE_QUESTION = 'where is the {phrase}?'

NOTHING_THERE = 'there is no '
"""How an answer begins that what was asked about is not in view."""


def presence_query(query: Query, phrase: str) -> Query:
    """Return the question whether that is there which a query locates."""
    return replace(query, question=QUESTION.format(phrase=phrase), options=OPTIONS)


def if_there(place: Answer, presence: Answer, phrase: str) -> Answer:
    """Return a place, as sure as its object is there; or that the object is not there.

    Args:
        place: says where it is, or else.
        presence: to ``presence_query``, from the same image.
        phrase: names the object.
    """
    if place.pose is None:
        return place
    sure = replace(place, confidence=presence.confidence)
    if presence.yes:
        return sure
    return replace(sure, kind=AnswerKind.TEXT, text=NOTHING_THERE + phrase, pose=None)


def absence(cameras: Sequence[CameraReply]) -> tuple[int, str]:
    """Return status and message where no camera located anything: OK where all say it is absent.

    Args:
        cameras: what each camera said; what is neither a place nor an absence is an error.
    """
    problems = [(one.status, one.message) for one in cameras if one.status != StatusCode.OK]
    problems += [
        (
            int(StatusCode.ENGINE_ERROR),
            f'expected a place, or that there is none, found {one.answer.text!r} from camera '
            f'{one.camera!r}; ask in other words',
        )
        for one in cameras
        if one.status == StatusCode.OK and not one.answer.text.startswith(NOTHING_THERE)
    ]
    if not problems:
        return int(StatusCode.OK), ''
    return problems[0][0], '; '.join(dict.fromkeys(words for _, words in problems))
