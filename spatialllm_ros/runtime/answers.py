"""What the model's words mean: a strict grammar, and positions in space for located objects.

The grammar, all lower case:

* ``yes`` | ``no``
* ``3.4 m`` | ``90 degrees`` | ``3``
* ``column 42 row 61 distance 3.4 m`` and, for an object with a front, ``heading 90 degrees``:
  whole percents of the width and height of the canvas that the model sees (the image's own, where
  both have one aspect), the Euclidean distance from the optical centre, the azimuth of
  ``geometry.azimuth``
* ``distance 3.4 m height 0.5 m`` and, for an object with a front, ``heading 90 degrees``: a
  description in words, whose numbers no field of the answer takes
* any other words without digits (``the red car``, ``left``, ``there is no purple dog``)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from spatialllm_ros.errors import AnswerParseError, UncalibratedCameraError
from spatialllm_ros.geometry import as_vec3, fit_letterbox, lift, unletterboxed_points
from spatialllm_ros.schema import AnswerKind, CameraModel, Frame, LocatedObject

METRES, DEGREES, COUNT = 'm', 'degrees', ''

_LENGTH = re.compile(r'(\d{1,2}\.\d) m', re.ASCII)
_ANGLE = re.compile(r'(\d{1,3}) degrees', re.ASCII)
_COUNT = re.compile(r'\d{1,3}', re.ASCII)
_PLACE = re.compile(
    r'column (\d{1,3}) row (\d{1,3}) distance (\d{1,2}\.\d) m(?: heading (\d{1,3}) degrees)?',
    re.ASCII,
)
_DESCRIPTION = re.compile(
    r'distance \d{1,2}\.\d m height \d{1,2}\.\d m(?: heading (\d{1,3}) degrees)?', re.ASCII
)
_GOES_ON = {
    re.compile(form, re.ASCII): words
    for form, words in {
        r'there': 'is no',
        r'column \d{1,3}': 'row',
        r'column \d{1,3} row \d{1,3}': 'distance',
        r'column \d{1,3} row \d{1,3} distance \d{1,2}\.\d': 'm heading',
        r'distance \d{1,2}\.\d': 'm height',
        r'distance \d{1,2}\.\d m height \d{1,2}\.\d': 'm heading',
    }.items()
}
"""What the forms have behind their beginnings, as far as it is the same in most answers."""

_METRIC_BEGINNING = re.compile(r'\d|column|distance', re.ASCII)
"""Of lengths, places and descriptions; others may begin so too."""


@dataclass(frozen=True)
class Place:
    """Where an object is, as the words have it.

    Attributes:
        column_percent, row_percent: of the width and height of the canvas that the model sees.
        heading_deg: None for an object without a front.
    """

    column_percent: int
    row_percent: int
    distance_m: float
    heading_deg: int | None


@dataclass(frozen=True)
class ParsedAnswer:
    """The meaning of an answer's words; ``kind`` says which field holds it.

    Attributes:
        is_metric: whether a length is in it.
    """

    kind: AnswerKind
    yes: bool | None = None
    number: float | None = None
    unit: str = ''
    place: Place | None = None
    is_metric: bool = False


def is_finished(text: str) -> bool:
    """Tell whether no form of the grammar goes on behind these words."""
    if _LENGTH.fullmatch(text) or _ANGLE.fullmatch(text):
        return True
    form = _PLACE.fullmatch(text) or _DESCRIPTION.fullmatch(text)
    return form is not None and form.groups()[-1] is not None


def may_be_metric(text: str) -> bool:
    """Tell whether words are, or may go on to be, an answer with a length in it."""
    return _METRIC_BEGINNING.match(text) is not None


def likely_next(text: str) -> str:
    """Return words that most answers which begin so go on with; often there are none."""
    return next((words for form, words in _GOES_ON.items() if form.fullmatch(text)), '')


def parse_answer(text: str) -> ParsedAnswer:
    """Return what an answer's words mean.

    Raises:
        AnswerParseError: the words are in no form of the grammar.
    """
    if text in ('yes', 'no'):
        return ParsedAnswer(AnswerKind.YES_NO, yes=text == 'yes')
    if parsed := _number(text) or _sentence(text):
        return parsed
    if not text.strip() or any(letter.isdigit() for letter in text):
        raise AnswerParseError(
            'expected yes, no, a length, an angle, a count, a place, a description or words, '
            f'found {text!r}; ask in other words'
        )
    return ParsedAnswer(AnswerKind.TEXT)


def parse_length(length_m: float) -> ParsedAnswer:
    """Return the meaning of an answer that is a length, as finely as it is known."""
    return ParsedAnswer(AnswerKind.NUMBER, number=length_m, unit=METRES, is_metric=True)


def _number(text: str) -> ParsedAnswer | None:
    if match := _LENGTH.fullmatch(text):
        return parse_length(float(match[1]))
    if (match := _ANGLE.fullmatch(text)) and int(match[1]) < 360:
        return ParsedAnswer(AnswerKind.NUMBER, number=float(match[1]), unit=DEGREES)
    if match := _COUNT.fullmatch(text):
        return ParsedAnswer(AnswerKind.NUMBER, number=float(match[0]), unit=COUNT)
    return None


def _sentence(text: str) -> ParsedAnswer | None:
    if match := _PLACE.fullmatch(text):
        return ParsedAnswer(AnswerKind.POSE, place=_place(match), is_metric=True)
    if (match := _DESCRIPTION.fullmatch(text)) and int(match[1] or 0) < 360:
        return ParsedAnswer(AnswerKind.TEXT, is_metric=True)
    return None


def _place(match: re.Match[str]) -> Place:
    column, row, heading = int(match[1]), int(match[2]), match[4]
    if column > 100 or row > 100 or int(heading or 0) >= 360:
        raise AnswerParseError(
            'expected a column and row of at most 100 percent and a heading below 360 degrees, '
            f'found {match[0]!r}; ask in other words'
        )
    return Place(column, row, float(match[3]), None if heading is None else int(heading))


def check_metric(
    parsed: ParsedAnswer, camera: CameraModel, remedy: str = Frame.to_calibrate
) -> None:
    """Refuse an answer in metres from a camera whose intrinsics are a guess.

    Args:
        parsed: the answer.
        camera: of the image.
        remedy: what a person can do; see ``Frame``.

    Raises:
        UncalibratedCameraError: says how to calibrate.
    """
    if camera.calibrated or not parsed.is_metric:
        return
    raise UncalibratedCameraError(
        'expected a calibrated camera for an answer in metres, found one with unknown '
        f'intrinsics; {remedy}'
    )


def locate(place: Place, camera: CameraModel, canvas_px: tuple[int, int]) -> LocatedObject:
    """Return where a place is in the image and in the camera's optical frame.

    Args:
        place: in the canvas that the model saw.
        camera: of the image, which was letterboxed into the canvas.
        canvas_px: width and height of the canvas.
    """
    box = fit_letterbox(camera.width_px, camera.height_px, *canvas_px)
    percents = np.array([place.column_percent, place.row_percent])
    u, v = unletterboxed_points(percents / 100 * canvas_px - 0.5, box)
    heading = place.heading_deg
    return LocatedObject(
        centre_optical_m=as_vec3(lift(camera, (u, v), place.distance_m)),
        centre_px=(float(u), float(v)),
        heading_rad=None if heading is None else math.radians(heading),
    )


def percent(confidence: float) -> str:
    """Return a confidence for people to read: ``87%``, ``below 1%``, ``unknown``."""
    if math.isnan(confidence):
        return 'unknown'
    return f'{confidence:.0%}' if confidence >= 0.01 else 'below 1%'


def sureness(confidence: float) -> float:
    """Return a confidence to rank answers by: 0 where nobody knows it (NaN)."""
    return 0.0 if math.isnan(confidence) else confidence
