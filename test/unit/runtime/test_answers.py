"""The answer grammar: what is written is read back, and nothing else is read."""

import math
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spatialllm_ros.errors import AnswerParseError, UncalibratedCameraError
from spatialllm_ros.geometry import guessed_camera, project
from spatialllm_ros.runtime.answers import (
    ParsedAnswer,
    Place,
    check_metric,
    locate,
    may_be_metric,
    parse_answer,
)
from spatialllm_ros.schema import AnswerKind, CameraModel

CAMERA = CameraModel(200, 100, 150.0, 140.0, 101.0, 47.0)

percents = st.integers(0, 100)
tenths = st.integers(0, 999)
degrees = st.integers(0, 359)


@pytest.mark.parametrize('word', ['yes', 'no'])
def test_yes_and_no(word):
    assert parse_answer(word) == ParsedAnswer(AnswerKind.YES_NO, yes=word == 'yes')


@given(tenths)
def test_lengths(n):
    parsed = parse_answer(f'{n // 10}.{n % 10} m')
    assert (parsed.kind, parsed.unit) == (AnswerKind.NUMBER, 'm')
    assert parsed.number * 10 == pytest.approx(n)


@given(degrees)
def test_angles(angle_deg):
    expected = ParsedAnswer(AnswerKind.NUMBER, number=float(angle_deg), unit='degrees')
    assert parse_answer(f'{angle_deg} degrees') == expected


@given(st.integers(0, 999))
def test_counts(count):
    assert parse_answer(str(count)) == ParsedAnswer(AnswerKind.NUMBER, number=float(count))


@given(percents, percents, tenths, st.none() | degrees)
def test_places(column, row, n, heading_deg):
    words = f'column {column} row {row} distance {n // 10}.{n % 10} m'
    if heading_deg is not None:
        words += f' heading {heading_deg} degrees'
    parsed = parse_answer(words)
    assert parsed.kind == AnswerKind.POSE
    assert parsed.place == Place(column, row, pytest.approx(n / 10), heading_deg)


@given(tenths, tenths, st.none() | degrees)
def test_descriptions_are_words_in_metres(distance, height, heading_deg):
    words = f'distance {distance / 10:.1f} m height {height / 10:.1f} m'
    if heading_deg is not None:
        words += f' heading {heading_deg} degrees'
    assert parse_answer(words) == ParsedAnswer(AnswerKind.TEXT, is_metric=True)


@given(st.text(st.characters(categories=['Ll', 'Zs'], max_codepoint=0x24F), min_size=1))
def test_words_without_digits_are_text(text):
    assume(text.strip() and text not in {'yes', 'no'})
    assert parse_answer(text) == ParsedAnswer(AnswerKind.TEXT)


@pytest.mark.parametrize('text', [
    '', ' ', '360 degrees', '-1 degrees', '3,4 m', '3.45 m', '3 m', '123.4 m', '3.4 metres',
    '3.4 m ', '1000', '3.5', '0x1f', '١ degrees', '3.4 m\n', 'yes 1', 'car 2',
    'column 101 row 0 distance 1.0 m', 'column 0 row 101 distance 1.0 m',
    'column 1 row 1 distance 1.0 m heading 360 degrees', 'column 1 row 1 distance 1 m',
    'distance 1.0 m height 1.0 m heading 360 degrees', 'distance 1.0 m height 1 m',
    'column 1 row 1 distance 1.0 m heading 1', 'row 1 column 1 distance 1.0 m',
])  # fmt: skip
def test_what_is_outside_of_the_grammar_is_refused(text):
    with pytest.raises(AnswerParseError, match='found ' + re.escape(repr(text))):
        parse_answer(text)


@given(st.text())
def test_anything_is_read_or_refused(text):
    try:
        parsed = parse_answer(text)
    except AnswerParseError:
        return
    filled = [name for name in ('yes', 'number', 'place') if getattr(parsed, name) is not None]
    assert len(filled) == (parsed.kind != AnswerKind.TEXT)


@given(percents, percents, st.integers(1, 999), st.none() | degrees)
def test_a_place_is_where_its_pixel_and_distance_say(column, row, n, heading_deg):
    located = locate(Place(column, row, n / 10, heading_deg), CAMERA, (100, 50))
    # Whole percents of the image, whose left edge is at -0.5 and whose right edge at 199.5.
    assert located.centre_px == pytest.approx((2 * column - 0.5, row - 0.5))
    assert math.hypot(*located.centre_optical_m) == pytest.approx(n / 10)
    assert project(CAMERA, located.centre_optical_m) == pytest.approx(np.array(located.centre_px))
    if heading_deg is None:
        assert located.heading_rad is None
    else:
        assert math.degrees(located.heading_rad) == pytest.approx(heading_deg)


def test_a_place_in_a_padded_canvas_by_hand():
    # 200x100 into 192x144: scaled by 0.96, with bands of 24 pixels above and below.
    upper_left = locate(Place(0, 25, 2.0, None), CAMERA, (192, 144))
    assert upper_left.centre_px == pytest.approx((-0.5, 12 / 0.96 - 0.5))
    middle = locate(Place(50, 50, 2.0, None), CAMERA, (192, 144))
    assert middle.centre_px == pytest.approx((99.5, 49.5))


GUESS = guessed_camera(200, 100, 1.0)


@pytest.mark.parametrize(
    'words', ['3.4 m', 'column 1 row 1 distance 1.0 m', 'distance 1.0 m height 0.5 m']
)
def test_metres_need_a_calibrated_camera(words):
    assert all(may_be_metric(words[:end]) for end in range(len(words.split()[0]), len(words) + 1))
    with pytest.raises(UncalibratedCameraError, match='CameraInfo'):
        check_metric(parse_answer(words), GUESS)
    check_metric(parse_answer(words), CAMERA)


@pytest.mark.parametrize('words', ['yes', '3', '90 degrees', 'left'])
def test_other_answers_do_not(words):
    check_metric(parse_answer(words), GUESS)
