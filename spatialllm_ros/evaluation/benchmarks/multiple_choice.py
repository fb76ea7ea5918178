"""Tables of multiple-choice questions as VLMEvalKit lays them out.

Tab-separated, a header, one row per question: ``index``, ``question``, the options in ``A``,
``B``, ..., the letter of the true one in ``answer``, and in ``image`` the image in base64, or the
``index`` of a row whose image this one shares.
Source: ``ImageMCQDataset`` and ``ImageBaseDataset`` of https://github.com/open-compass/VLMEvalKit,
vlmeval/dataset/image_mcq.py and image_base.py.
"""

from __future__ import annotations

import base64
import binascii
import csv
import string
from collections.abc import Iterator, Mapping
from pathlib import Path

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.benchmarks.items import BenchmarkItem, TrueOption, readable
from spatialllm_ros.evaluation.circular import Variant
from spatialllm_ros.schema import Query

MAX_FIELD_CHARACTERS = 64 * 1024 * 1024
COLUMNS = ('question', 'A', 'B', 'answer', 'image')
SHARED_CHARACTERS = 64
"""An image in at most so many characters is the index of another row."""
MISSING = frozenset(('', 'nan'))
"""What pandas writes where there is nothing."""

TableRow = Mapping[str, str]


def table_rows(path: Path, name_column: str, *columns: str) -> Iterator[tuple[str, TableRow]]:
    """Yield each row of a table with words for where it stands, one in memory at a time.

    Args:
        path: of the file.
        name_column: the column that names a row.
        columns: further ones that the table must have.

    Raises:
        ConfigError: there is no such file, or a column is missing.
    """
    needed = {*COLUMNS, name_column, *columns}
    images = _shared_images(path, needed)
    for number, row in enumerate(_rows(path, needed), start=1):
        image = images.get(row['image'], row['image'])
        yield f'row {number} ({row[name_column]})', {**row, 'image': image}


def _shared_images(path: Path, needed: set[str]) -> Mapping[str, str]:
    """Return the images that other rows point at, by the index of the row that has each."""
    wanted = {row['image'] for row in _rows(path, needed) if _points_at_another(row['image'])}
    if not wanted:
        return {}
    return {
        row['index']: row['image'] for row in _rows(path, needed)
        if row.get('index') in wanted and not _points_at_another(row['image'])
    }  # fmt: skip


def _points_at_another(image: str) -> bool:
    return 0 < len(image) <= SHARED_CHARACTERS


def _rows(path: Path, needed: set[str]) -> Iterator[TableRow]:
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    try:
        with path.open(encoding='utf-8', errors='replace', newline='') as file:
            reader = csv.DictReader(file, dialect='excel-tab', restval='')
            missing = needed - set(reader.fieldnames or ())
            if missing:
                raise ConfigError(
                    f'{path}: expected a tab-separated table with the columns '
                    f'{", ".join(sorted(missing))}, found none of these; download it again'
                )
            yield from reader
    except (OSError, csv.Error) as error:
        raise ConfigError(f'{path}: expected a readable table, found: {error}') from error


def choice_item(row: TableRow, kind: str, variant: Variant) -> BenchmarkItem:
    """Return a row as an item whose options are their texts, not their letters.

    Raises:
        ConfigError: text, options, answer or image are missing or do not fit together.
    """
    options = _options(row)
    letters = string.ascii_uppercase[: len(options)]
    letter = row['answer'].strip()
    if len(letter) != 1 or letter not in letters:
        raise ConfigError(f'expected an answer of {letters[0]} to {letters[-1]}, found {letter!r}')
    query = Query(readable(row['question'], 'a question'), options)
    return BenchmarkItem(
        kind, variant, query, _image(row['image']), TrueOption(letters.index(letter))
    )


def _options(row: TableRow) -> tuple[str, ...]:
    texts = [row.get(letter) or '' for letter in string.ascii_uppercase]
    given = [text.strip().lower() not in MISSING for text in texts]
    count = given.index(False)
    options = tuple(readable(text, 'an option') for text in texts[:count])
    if count < 2 or any(given[count:]) or len(set(options)) < count:
        found = [text for text in texts if text]
        raise ConfigError(f'expected two or more different options from A on, found {found}')
    return options


def _image(text: str) -> bytes:
    if _points_at_another(text):
        raise ConfigError(
            f'expected an image in base64, or the index of a row that has one, found {text!r}'
        )
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f'expected an image in base64, found: {error}') from error
