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
from spatialllm_ros.questions.question_types import QUESTION_TYPES, YES_NO, Metric
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
WORLD_HEIGHT_SHARE = 0.75
"""Of the images of simulated worlds, where nothing else is said: a share of their width."""
ABSENT_WORDS = 'there is no'


@dataclass(frozen=True)
class Judged:
    """One question with its answer, judged.

    Attributes:
        error: of a metric or pose answer: relative, in degrees, or as a share of the width.
        height_share: height of the image that the model sees, as a share of its width.
    """

    record: QuestionRecord
    text: str
    is_right: bool
    confidence: float
    error: float | None = None
    height_share: float = WORLD_HEIGHT_SHARE


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


def judge(
    record: QuestionRecord, answer: Answer, height_share: float = WORLD_HEIGHT_SHARE
) -> Judged:
    """Compare an answer with the truth.

    Closed answers must be the right option, metric ones within a tolerance; a question about an
    absent object is right if the answer says so.

    Args:
        record: the question.
        answer: what was said.
        height_share: height of the image that the model sees, as a share of its width.
    """
    text = answer.text.lower()
    is_right, error = _verdict(record, answer, text, height_share)
    return Judged(record, text, is_right, answer.confidence, error, height_share)


def _verdict(
    record: QuestionRecord, answer: Answer, text: str, height_share: float
) -> tuple[bool, float | None]:
    """Return whether an answer is right, and how far it is off where that can be said."""
    if is_about_absent(record):
        return text.startswith(ABSENT_WORDS), None
    if record.options:
        index = answer.choice
        return index is not None and record.options[index] == record.answer, None
    by_metric = _JUDGES.get(QUESTION_TYPES[record.type].metric)
    if by_metric is not None:
        return by_metric(text, record.answer, height_share)
    return text == record.answer, None


def _judge_length(said: str, truth: str, _: float) -> tuple[bool, float]:
    true_m, said_m = _number(truth, METRES), _number(said, METRES)
    miss_m = abs(said_m - true_m)
    is_right = miss_m <= max(0.1, DISTANCE_TOLERANCE * true_m) + 1e-9
    return is_right, miss_m / max(true_m, 0.1)


def _judge_heading(said: str, truth: str, _: float) -> tuple[bool, float]:
    turn = _number(said, DEGREES) - _number(truth, DEGREES)
    error = abs((turn + 180) % 360 - 180) if math.isfinite(turn) else math.inf
    return error <= HEADING_TOLERANCE_DEG, error


def _judge_place(said: str, truth: str, height_share: float) -> tuple[bool, float]:
    """Compare columns and rows, which are percents of the width and of the height."""
    (column, row), (true_column, true_row) = _place(said), _place(truth)
    error = math.hypot(column - true_column, (row - true_row) * height_share) / 100
    return error <= CENTRE_TOLERANCE, error


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
            majority=majority([item.record for item in items], items[0].height_share),
            n=len(items),
        )
        for name, items in sorted(seen.items())
    }


def majority(records: list[QuestionRecord], height_share: float = WORLD_HEIGHT_SHARE) -> float:
    """Return what always giving the same answer scores, the best of those that are ever right.

    Where options name objects, the answer is the position of the option; questions of yes and no
    have an answer of their own beside those of left and right, say. Of lengths, angles and places
    it is right within their tolerance, and of absent objects whatever it names.

    Args:
        records: of one ``scored_type``.
        height_share: height of the images, as a share of their width.
    """
    if is_about_absent(records[0]):
        return 1.0
    by_metric = _JUDGES.get(QUESTION_TYPES[records[0].type].metric)
    if by_metric is None:
        return sum(max(labels.values()) for labels in _labels(records)) / len(records)
    return max(
        sum(by_metric(text, record.answer, height_share)[0] for record in records)
        for text in {record.answer for record in records}
    ) / len(records)


def median_error(judged: Iterable[Judged], name: str) -> float:
    """Return the median error of a metric type, NaN where it was not asked."""
    errors = [
        item.error
        for item in judged
        if item.record.type == name and item.error is not None and not is_about_absent(item.record)
    ]
    return median(errors) if errors else math.nan


def _labels(records: Iterable[QuestionRecord]) -> Iterable[Counter[str]]:
    """Return how often each answer is right, for each set of answers that may be given."""
    counts: dict[frozenset[str], Counter[str]] = defaultdict(Counter)
    for record in records:
        possible, answer = frozenset(record.options), record.answer
        if record.type in OBJECT_OPTIONS and possible != frozenset(YES_NO):
            possible, answer = frozenset(), str(record.options.index(record.answer))
        counts[possible][answer] += 1
    return counts.values()


def _by_type(judged: Iterable[Judged]) -> dict[str, list[Judged]]:
    groups: dict[str, list[Judged]] = defaultdict(list)
    for item in judged:
        groups[scored_type(item.record)].append(item)
    return groups


def _share_right(items: list[Judged]) -> float:
    return sum(item.is_right for item in items) / len(items)
