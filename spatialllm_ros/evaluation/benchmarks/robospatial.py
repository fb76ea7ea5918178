"""RoboSpatial-Home: yes or no about arrangements and fits, and places in free space.

The benchmark's ``download_benchmark.py`` writes ``annotations.json``, a list of objects with
``category``, ``question``, ``answer`` and ``img``, beside the folder ``images``. An answer is
``yes``, ``no``, or the corners of a polygon as parts of the image's width and height.
Source: https://github.com/chanhee-luke/RoboSpatial-Eval, download_benchmark.py and evaluation.py.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.benchmarks.items import (
    YES_NO,
    BenchmarkItem,
    Items,
    TrueOption,
    TrueRegion,
    read_rows,
    readable,
)
from spatialllm_ros.evaluation.circular import Variant
from spatialllm_ros.schema import Query

SETS = {
    'yes or no': ('configuration', 'compatibility'),
    'overall': ('configuration', 'compatibility', 'context'),
}
"""The means that the benchmark's leaderboard shows."""

FORMAT_REQUEST = 'Your answer should'
"""From here on a question asks for tuples in text, which a typed answer needs no request for."""


def read_robospatial(path: Path) -> Items:
    """Yield the questions of ``annotations.json``, and what is wrong with those that are none.

    Raises:
        ConfigError: there is no such file, or it is no list in JSON.
    """
    try:
        entries: Any = json.loads(path.read_text(encoding='utf-8', errors='replace'))
    except (OSError, ValueError) as error:
        raise ConfigError(f'{path}: expected annotations.json, found: {error}') from error
    if not isinstance(entries, list):
        raise ConfigError(f'{path}: expected a list, found {type(entries).__name__}')
    rows = [(f'entry {number}', (str(number), entry)) for number, entry in enumerate(entries)]
    return read_rows(rows, lambda row: _item(path.parent, *row))


def _item(folder: Path, name: str, entry: Any) -> BenchmarkItem:
    if not isinstance(entry, Mapping):
        raise ConfigError(f'expected an object, found {type(entry).__name__}')
    kind, question, answer, image = (
        readable(str(entry.get(key, '')), f'{key!r}')
        for key in ('category', 'question', 'answer', 'img')
    )
    pixels = (folder / image).read_bytes()
    variant = Variant(name)
    if answer.lower() in YES_NO:
        truth = TrueOption(YES_NO.index(answer.lower()))
        return BenchmarkItem(kind, variant, Query(question, YES_NO), pixels, truth)
    region = TrueRegion(_corners(answer))
    words = readable(question.split(FORMAT_REQUEST)[0], 'a question')
    return BenchmarkItem(kind, variant, Query(words), pixels, region)


def _corners(text: str) -> tuple[tuple[float, float], ...]:
    try:
        corners = tuple((float(x), float(y)) for x, y in ast.literal_eval(text))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        corners = ()
    if len(corners) < 3 or not all(0 <= part <= 1 for corner in corners for part in corner):
        raise ConfigError(
            f'expected yes, no or three or more corners from 0 to 1, found {text[:40]!r}'
        )
    return corners
