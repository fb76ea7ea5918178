"""Questions and answers in words for pictures: short, with the answer's confidence."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from spatialllm_ros.runtime.answers import percent
from spatialllm_ros.schema import Answer, AnswerKind, Query

_LOCATING = re.compile(
    r'(?:(?:can|could) you )?(?:where|locate|find|point|show me|tell me where)\b'
    r'.*?(?<!on )\bthe (?!camera\b|image\b)(?P<phrase>(?:\W*+\w)+?)(?: is)?(?: in the image)?\W*+',
    re.IGNORECASE,
)
"""A phrase ends in a letter, or each mark of a long row would be tried as its end."""


@dataclass(frozen=True)
class Answered:
    """A question with its answer."""

    query: Query
    answer: Answer


def object_phrase(question: str) -> str:
    """Return what a locating question names (``red car``), or the whole of another question."""
    match = _LOCATING.fullmatch(question.strip())
    return match['phrase'] if match else question.strip()


def answer_words(answer: Answer) -> str:
    """Return an answer with its confidence; a place as distance and heading.

    The confidence of an open answer is the probability of its very words, which is small where
    many numbers are nearly right.
    """
    words = answer.text
    if answer.pose is not None:
        words = f'{range_m(answer):.1f} m away'
        if answer.pose.heading_rad is not None:
            words += f', heading {math.degrees(answer.pose.heading_rad):.0f} degrees'
    closed = answer.kind in {AnswerKind.YES_NO, AnswerKind.CHOICE}
    return f'{words} ({percent(answer.confidence)} {"sure" if closed else "for these very words"})'


def range_m(answer: Answer) -> float:
    """Return how far a located object is from the optical centre."""
    assert answer.pose is not None, 'only a pose has a distance'
    return math.dist((0, 0, 0), answer.pose.centre_optical_m)
