"""CV-Bench-3D: which object is closer to the camera (Depth), or to a third one (Distance).

VLMEvalKit publishes it as the table ``CV-Bench-3D.tsv``. Sources:
https://huggingface.co/datasets/nyu-visionx/CV-Bench and ``CVBench`` of
https://github.com/open-compass/VLMEvalKit, vlmeval/dataset/image_mcq.py.
"""

from __future__ import annotations

from pathlib import Path

from spatialllm_ros.evaluation.benchmarks.items import BenchmarkItem, Items, read_rows, readable
from spatialllm_ros.evaluation.benchmarks.multiple_choice import TableRow, choice_item, table_rows
from spatialllm_ros.evaluation.circular import Variant


def read_cv_bench(path: Path) -> Items:
    """Yield the questions, and what is wrong with the rows that are none.

    Raises:
        ConfigError: there is no such file, or a column is missing.
    """
    return read_rows(table_rows(path, 'index'), _item)


def _item(row: TableRow) -> BenchmarkItem:
    # The hub's own files call it ``task``, VLMEvalKit's tables ``category``.
    kind = readable(row.get('task') or row.get('category') or '', 'a task or category')
    return choice_item(row, kind, Variant(row['index']))
