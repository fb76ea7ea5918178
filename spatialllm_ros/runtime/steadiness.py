"""When the answer to a standing question has changed: not at every flicker of a number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spatialllm_ros.runtime.answers import DEGREES, METRES
from spatialllm_ros.schema import Answer, AnswerKind, LocatedObject

LENGTH_TOLERANCE, LEAST_LENGTH_M = 0.1, 0.1
"""Lengths that differ by less than this share, or by less than this, are the same."""

ANGLE_TOLERANCE_DEG = 15.0


@dataclass(frozen=True)
class SteadinessSettings:
    """What it takes to publish an answer.

    Attributes:
        hold_frames: a changed answer has to come from so many images in a row.
        min_confidence: a closed answer below it is not counted, and breaks a row of others; one
            whose confidence nobody knows (NaN) counts.
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
        goes_on = self._candidate is not None and agree(answer, self._candidate)
        is_closed = answer.kind in {AnswerKind.YES_NO, AnswerKind.CHOICE}
        if is_closed and answer.confidence < settings.min_confidence:
            self._candidate = self._candidate if goes_on else None
            return False
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
    """Tell whether two answers say the same; numbers, places and headings within tolerance."""
    if (a.kind, a.yes, a.choice, a.unit) != (b.kind, b.yes, b.choice, b.unit):
        return False
    if a.number is not None and b.number is not None:
        return _numbers_agree(a.number, b.number, a.unit)
    if a.pose is not None and b.pose is not None:
        return _places_agree(a.pose, b.pose)
    return a.kind is not AnswerKind.TEXT or a.text == b.text


def _numbers_agree(a: float, b: float, unit: str) -> bool:
    if unit == METRES:
        return math.isclose(a, b, rel_tol=LENGTH_TOLERANCE, abs_tol=LEAST_LENGTH_M)
    if unit == DEGREES:
        return _angles_agree(a, b)
    return a == b


def _places_agree(a: LocatedObject, b: LocatedObject) -> bool:
    allowed_m = max(LEAST_LENGTH_M, LENGTH_TOLERANCE * math.hypot(*b.centre_optical_m))
    if math.dist(a.centre_optical_m, b.centre_optical_m) > allowed_m:
        return False
    if a.heading_rad is None or b.heading_rad is None:
        return a.heading_rad == b.heading_rad
    return _angles_agree(math.degrees(a.heading_rad), math.degrees(b.heading_rad))


def _angles_agree(a_deg: float, b_deg: float) -> bool:
    return abs(math.remainder(a_deg - b_deg, 360.0)) <= ANGLE_TOLERANCE_DEG
