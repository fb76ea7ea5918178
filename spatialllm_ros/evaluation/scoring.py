"""Was an answer right, and what would guessing have scored: per question type.

Knows records and answers only, so any engine's answers can be scored.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from statistics import median

from spatialllm_ros.errors import AnswerParseError
from spatialllm_ros.evaluation.confidence_interval import Interval, wilson
from spatialllm_ros.questions.question_types import QUESTION_TYPES, Metric
from spatialllm_ros.runtime.answers import DEGREES, METRES, ParsedAnswer, parse_answer
from spatialllm_ros.schema import Answer, AnswerKind, QuestionRecord

TWELVE = (
    'height_higher', 'location_above', 'location_closer_to_camera', 'location_next_to',
    'orientation_in_front_of', 'orientation_on_the_left', 'orientation_viewpoint',
    'multi_object_closer_to', 'multi_object_facing', 'multi_object_viewpoint_towards_object',
    'multi_object_parallel', 'multi_object_same_direction',
)  # fmt: skip
"""The question types of 3DSRBench, by their names there."""

OBJECT_OPTIONS = frozenset(
    ('height_higher', 'location_closer_to_camera', 'multi_object_closer_to', 'multi_object_facing')
)
"""Types whose options name objects, so that an option's position is what can be guessed."""

DISTANCE_TOLERANCE = 0.10
"""A metric answer is right within this share of the true length, or within 0.1 m."""
HEADING_TOLERANCE_DEG = 20.0
CENTRE_TOLERANCE = 0.05
"""A located centre is right within this share of the image width."""
ABSENT_WORDS = 'there is no'


@dataclass(frozen=True)
class Judged:
    """One question with its answer, judged.

    Attributes:
        error: of a metric or pose answer: relative, in degrees, or as a share of the width.
    """

    record: QuestionRecord
    text: str
    is_right: bool
    confidence: float
    error: float | None = None


@dataclass(frozen=True)
class TypeScore:
    """The score of one question type beside what guessing scores."""

    accuracy: float
    blind: float
    majority: float
    n: int

    @property
    def interval(self) -> Interval:
        """The accuracy with its bounds."""
        return wilson(self.accuracy, self.n)


def judge(record: QuestionRecord, answer: Answer) -> Judged:
    """Compare an answer with the truth.

    Closed answers must be the right option, metric ones within a tolerance; a question about an
    absent object is right if the answer says so.
    """
    text, confidence = answer.text.lower(), answer.confidence
    if is_about_absent(record):
        return Judged(record, text, text.startswith(ABSENT_WORDS), confidence)
    if record.options:
        index = answer.choice
        is_right = index is not None and record.options[index] == record.answer
        return Judged(record, text, is_right, confidence)
    by_metric = _JUDGES.get(QUESTION_TYPES[record.type].metric)
    if by_metric is not None:
        return by_metric(record, text, confidence)
    return Judged(record, text, text == record.answer, confidence)


def _judge_length(record: QuestionRecord, text: str, confidence: float) -> Judged:
    true_m, said_m = _number(record.answer, METRES), _number(text, METRES)
    miss_m = abs(said_m - true_m)
    error = miss_m / max(true_m, 0.1)
    is_right = miss_m <= max(0.1, DISTANCE_TOLERANCE * true_m) + 1e-9
    return Judged(record, text, is_right, confidence, error)


def _judge_heading(record: QuestionRecord, text: str, confidence: float) -> Judged:
    turn = _number(text, DEGREES) - _number(record.answer, DEGREES)
    error = abs((turn + 180) % 360 - 180) if math.isfinite(turn) else math.inf
    return Judged(record, text, error <= HEADING_TOLERANCE_DEG, confidence, error)


def _judge_place(record: QuestionRecord, text: str, confidence: float) -> Judged:
    """Compare columns and rows; a row is as many pixels as a column in a 4:3 image times 3/4."""
    said, true = _place(text), _place(record.answer)
    error = math.hypot(said[0] - true[0], (said[1] - true[1]) * 0.75) / 100
    return Judged(record, text, error <= CENTRE_TOLERANCE, confidence, error)


_JUDGES = {
    Metric.LENGTH: _judge_length,
    Metric.ANGLE: _judge_heading,
    Metric.PLACE: _judge_place,
}


def _number(text: str, unit: str) -> float:
    """Return the number that an answer is; infinity where it is no number of this unit."""
    parsed = _parsed(text)
    return math.inf if parsed.number is None or parsed.unit != unit else parsed.number


def _place(text: str) -> tuple[float, float]:
    place = _parsed(text).place
    return (math.inf, math.inf) if place is None else (place.column_percent, place.row_percent)


@cache
def _parsed(text: str) -> ParsedAnswer:
    """Return what an answer means; mere words where it follows no grammar."""
    try:
        return parse_answer(text)
    except AnswerParseError:
        return ParsedAnswer(AnswerKind.TEXT)


def is_about_absent(record: QuestionRecord) -> bool:
    """Whether a question names an object that is not there."""
    return record.answer.startswith(ABSENT_WORDS)


def scored_type(record: QuestionRecord) -> str:
    """Return the type under which a question counts; absent objects have one of their own."""
    return 'absent_object' if is_about_absent(record) else record.type


def type_scores(judged: Iterable[Judged], blind: Iterable[Judged]) -> dict[str, TypeScore]:
    """Return the scores of each type."""
    seen, unseen = _by_type(judged), _by_type(blind)
    return {
        name: TypeScore(
            accuracy=_share_right(items),
            blind=_share_right(unseen[name]),
            majority=majority([item.record for item in items]),
            n=len(items),
        )
        for name, items in sorted(seen.items())
    }


def majority(records: list[QuestionRecord]) -> float:
    """Return what always giving the same answer scores, the best of those that are ever right.

    Where options name objects, the answer is the position of the option; of lengths, angles and
    places it is right within their tolerance, and of absent objects whatever it names.

    Args:
        records: of one ``scored_type``.
    """
    if is_about_absent(records[0]):
        return 1.0
    by_metric = _JUDGES.get(QUESTION_TYPES[records[0].type].metric)
    labels = Counter(_label(record) for record in records)
    if by_metric is None:
        return labels.most_common(1)[0][1] / len(records)
    return max(
        sum(by_metric(record, text, 1.0).is_right for record in records) for text in labels
    ) / len(records)


def median_error(judged: Iterable[Judged], name: str) -> float:
    """Return the median error of a metric type, NaN where it was not asked."""
    errors = [
        item.error
        for item in judged
        if item.record.type == name and item.error is not None and not is_about_absent(item.record)
    ]
    return median(errors) if errors else math.nan


def _label(record: QuestionRecord) -> str:
    if record.type in OBJECT_OPTIONS and record.answer in record.options:
        return str(record.options.index(record.answer))
    return record.answer


def _by_type(judged: Iterable[Judged]) -> dict[str, list[Judged]]:
    groups: dict[str, list[Judged]] = defaultdict(list)
    for item in judged:
        groups[scored_type(item.record)].append(item)
    return groups


def _share_right(items: list[Judged]) -> float:
    return sum(item.is_right for item in items) / len(items)
