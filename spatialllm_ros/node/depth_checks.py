"""Answers in metres beside what depth images tell: which are measured, where, and why not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace

from spatialllm_ros.errors import DepthError
from spatialllm_ros.node.depth_input import DepthInput
from spatialllm_ros.node.locating import LOCATE_QUESTION
from spatialllm_ros.runtime.answers import METRES
from spatialllm_ros.schema import Answer, Query

_FROM_HERE = r'(?:\W? away)?(?:\W? (?:from|to|and) (?:the camera|here|me|you))?(?:\W? away)?'
_MARK = r'(?:(?! from the | to the | and the | is the | above the floor)\W)'
DISTANCE = re.compile(
    r'(?:(?:(?:can|could) you )?tell me )?(?:how (?:far|close|near)|how many met(?:re|er)s|'
    r"(?:(?:what(?: is|'s) |at what |the )(?:the )?distance)|(?P<owned>what(?: is|'s)))"
    rf'{_FROM_HERE}(?: is)?(?: it)?(?: to| of| between)? the (?P<phrase>(?:{_MARK}*+\w)+?)'
    rf"(?(owned)'s distance)(?: is)?{_FROM_HERE}\W*+",
    re.IGNORECASE,
)
"""Questions for the distance of one object from the camera."""

Measured = tuple[float, str]
"""What depth tells (m; NaN where it does not), and why it does not."""


class DepthChecks:
    """Measures what is located by the depth images of its camera, where that has some."""

    def __init__(self, inputs: Mapping[str, DepthInput]) -> None:
        """Measure by the depth images of some cameras, by name."""
        self._inputs = inputs

    def lookup(self, query: Query, camera: str) -> Query | None:
        """Return the question that locates what a question wants the distance of.

        None where depth could not be compared with the answer.
        """
        if camera not in self._inputs or query.options:
            return None
        match = DISTANCE.fullmatch(query.question.strip())
        if match is None:
            return None
        return replace(query, question=LOCATE_QUESTION.format(phrase=match['phrase']))

    def measured(self, answer: Answer, place: Future[Answer] | None) -> Measured:
        """Return how far away depth says that is of which an answer in metres speaks.

        Args:
            answer: from a camera.
            place: where its object is, if that was asked with it, and known by now.
        """
        try:
            return self._range_m(answer, place), ''
        except DepthError as unknown:
            return math.nan, str(unknown)

    def _range_m(self, answer: Answer, place: Future[Answer] | None) -> float:
        depth = self._inputs.get(answer.camera_name)
        if depth is None:
            raise DepthError(f'camera {answer.camera_name!r} has no depth_topic')
        if answer.pose is not None:
            return depth.range_m(answer)
        if place is None or answer.unit != METRES:
            raise DepthError('only places and distances from the camera are measured')
        return depth.range_m(_located(place))


def _located(place: Future[Answer]) -> Answer:
    if (error := place.exception()) is not None:
        raise DepthError(f'the object could not be located: {error}')
    answer = place.result()
    if answer.pose is None:
        raise DepthError(f'the object could not be located: {answer.text}')
    return answer
