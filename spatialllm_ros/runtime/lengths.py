"""Lengths as other models and people write them, in whatever unit."""

from __future__ import annotations

import re

METRES_PER_UNIT = {
    **dict.fromkeys(('meters', 'meter', 'm', 'metre', 'metres'), 1.0),
    **dict.fromkeys(('centimeters', 'centimeter', 'centimetres', 'centimetre', 'cm'), 0.01),
    **dict.fromkeys(('millimeters', 'millimeter', 'millimetres', 'millimetre', 'mm'), 0.001),
    **dict.fromkeys(('feet', 'foot', 'ft'), 0.3048),
    **dict.fromkeys(('inches', 'inch', 'in'), 0.0254),
}
_LENGTH = re.compile(
    r'(?:(?:about|around|approximately|roughly) |~ ?)?'
    rf'(\d+(?:\.\d+)?) ?({"|".join(METRES_PER_UNIT)})',
    re.ASCII,
)


def read_length_m(text: str) -> float | None:
    """Return the length that a text in lower case is, in metres; None where it is none."""
    match = _LENGTH.fullmatch(text)
    return float(match[1]) * METRES_PER_UNIT[match[2]] if match else None
