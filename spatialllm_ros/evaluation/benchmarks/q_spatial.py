"""Q-Spatial Bench: lengths in free numbers, right within a factor of two.

JSON lines with the data set's own columns ``question``, ``answer_value``, ``answer_unit``,
``question_type`` and ``image_path``, the last relative to the file. Source:
https://github.com/andrewliao11/Q-Spatial-Bench-code, README.md; units as in ``QSpatial`` of
https://github.com/open-compass/VLMEvalKit, vlmeval/dataset/image_vqa.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.benchmarks.items import (
    BenchmarkItem,
    Items,
    TrueLength,
    read_rows,
    readable,
)
from spatialllm_ros.evaluation.circular import Variant
from spatialllm_ros.runtime.lengths import METRES_PER_UNIT
from spatialllm_ros.schema import Query


def read_q_spatial(path: Path) -> Items:
    """Yield the questions, and what is wrong with the lines that are none.

    Raises:
        ConfigError: there is no such file.
    """
    return read_rows(_lines(path), lambda row: _item(path.parent, *row))


def _lines(path: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    try:
        with path.open(encoding='utf-8', errors='replace') as file:
            for number, line in enumerate(file, start=1):
                yield f'line {number}', (str(number), line)
    except OSError as error:
        raise ConfigError(f'{path}: expected a file of JSON lines, found: {error}') from error


def _item(folder: Path, name: str, line: str) -> BenchmarkItem:
    try:
        entry: Any = json.loads(line)
    except ValueError as error:
        raise ConfigError(f'expected JSON, found: {error}') from error
    if not isinstance(entry, Mapping):
        raise ConfigError(f'expected an object, found {type(entry).__name__}')
    kind, question, image = (
        readable(str(entry.get(key, '')), f'{key!r}')
        for key in ('question_type', 'question', 'image_path')
    )
    truth = TrueLength(_length_m(entry.get('answer_value'), entry.get('answer_unit')))
    pixels = (folder / image).read_bytes()
    return BenchmarkItem(kind, Variant(name), Query(question), pixels, truth)


def _length_m(value: Any, unit: Any) -> float:
    scale = METRES_PER_UNIT.get(str(unit).lower().strip())
    if scale is None or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigError(f'expected a positive length with its unit, found {value!r} {unit!r}')
    return value * scale
