"""When the answer to a standing question has changed: not at every flicker of a number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spatialllm_ros.runtime.answers import DEGREES, METRES
from spatialllm_ros.schema import Answer, AnswerKind

LENGTH_TOLERANCE, LEAST_LENGTH_M = 0.1, 0.1
"""Lengths that differ by less than this share, or by less than this, are the same."""

ANGLE_TOLERANCE_DEG = 15.0


@dataclass(frozen=True)
class SteadinessSettings:
    """What it takes to publish an answer.

    Attributes:
        hold_frames: a changed answer has to come from so many images in a row.
        min_confidence: a closed answer below it changes nothing; one whose confidence nobody
            knows (NaN) may.
        refresh_s: an unchanged answer is published anew after so long.
    """

    hold_frames: int = 2
    min_confidence: float = 0.6
    refresh_s: float = 1.0


class SteadyAnswer:
    """The answer to one standing question over time.

    Attributes:
        published: the newest answer that was worth publishing; None before the first.
        changes: how often another answer was published than before.
    """

    def __init__(self) -> None:
        """Start without an answer."""
        self.published: Answer | None = None
        self.changes = 0
        self._published_s = -math.inf
        self._candidate: Answer | None = None
        self._held_frames = 0

    def take(self, answer: Answer, now_s: float, settings: SteadinessSettings) -> bool:
        """Take the answer from a new image, and tell whether to publish it.

        Args:
            answer: the newest.
            now_s: of a clock that only goes forward.
            settings: what it takes.
        """
        if self.published is None:
            return self._publish(answer, now_s)
        if agree(answer, self.published):
            self._candidate = None
            is_due = now_s >= self._published_s + settings.refresh_s
            return is_due and self._publish(answer, now_s)
        is_closed = answer.kind in {AnswerKind.YES_NO, AnswerKind.CHOICE}
        if is_closed and answer.confidence < settings.min_confidence:
            return False
        goes_on = self._candidate is not None and agree(answer, self._candidate)
        self._candidate, self._held_frames = answer, self._held_frames + 1 if goes_on else 1
        if self._held_frames < settings.hold_frames:
            return False
        self.changes += 1
        return self._publish(answer, now_s)

    def _publish(self, answer: Answer, now_s: float) -> bool:
        self.published, self._published_s = answer, now_s
        self._candidate = None
        return True


def agree(a: Answer, b: Answer) -> bool:
    """Tell whether two answers say the same, numbers and places within tolerance."""
    if (a.kind, a.yes, a.choice, a.unit) != (b.kind, b.yes, b.choice, b.unit):
        return False
    if a.number is not None and b.number is not None:
        return _numbers_agree(a.number, b.number, a.unit)
    if a.pose is not None and b.pose is not None:
        first, second = a.pose.centre_optical_m, b.pose.centre_optical_m
        allowed_m = max(LEAST_LENGTH_M, LENGTH_TOLERANCE * math.hypot(*second))
        return math.dist(first, second) <= allowed_m
    return a.kind is not AnswerKind.TEXT or a.text == b.text


def _numbers_agree(a: float, b: float, unit: str) -> bool:
    if unit == METRES:
        return math.isclose(a, b, rel_tol=LENGTH_TOLERANCE, abs_tol=LEAST_LENGTH_M)
    if unit == DEGREES:
        return abs(math.remainder(a - b, 360.0)) <= ANGLE_TOLERANCE_DEG
    return a == b
