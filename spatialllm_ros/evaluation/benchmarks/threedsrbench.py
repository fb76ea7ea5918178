"""3DSRBench: 3D spatial reasoning on photographs, flipped and with rotated options.

``3dsrbench_v1_vlmevalkit.tsv`` has each question and its flip, ``..._circular.tsv`` also their
rotations. A ``qid`` is eight characters, then ``-flip`` for the mirrored image, then ``-N`` for
the options rotated N times. Sources: https://huggingface.co/datasets/ccvl/3DSRBench and
https://github.com/EvolvingLMMs-Lab/lmms-eval, lmms_eval/tasks/3dsrbench/utils.py.
"""

from __future__ import annotations

import re
from pathlib import Path

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.benchmarks.items import BenchmarkItem, Items, read_rows
from spatialllm_ros.evaluation.benchmarks.multiple_choice import TableRow, choice_item, table_rows
from spatialllm_ros.evaluation.circular import Variant
from spatialllm_ros.evaluation.scoring import TWELVE

SETS = {
    'height': TWELVE[:1],
    'location': TWELVE[1:4],
    'orientation': TWELVE[4:7],
    'multi_object': TWELVE[7:],
    'overall': TWELVE,
}
"""The benchmark's four categories, and all of its types."""

_QID = re.compile(r'(\w{8})(-flip)?(?:-(\d+))?', re.ASCII)


def read_3dsrbench(path: Path) -> Items:
    """Yield the questions of either file, and what is wrong with the rows that are none.

    Raises:
        ConfigError: there is no such file, or a column is missing.
    """
    return read_rows(table_rows(path, 'qid', 'category'), _item)


def parse_qid(text: str) -> Variant:
    """Return what a ``qid`` says.

    Raises:
        ConfigError: it does not follow the grammar.
    """
    match = _QID.fullmatch(text)
    if match is None:
        raise ConfigError(f'expected a qid like VIN6MS3J-flip-1, found {text[:40]!r}')
    return Variant(match[1], match[2] is not None, int(match[3] or 0))


def _item(row: TableRow) -> BenchmarkItem:
    variant, kind = parse_qid(row['qid']), row['category']
    if kind not in TWELVE:
        raise ConfigError(f'expected a category of 3DSRBench, found {kind[:40]!r}')
    return choice_item(row, kind, variant)
