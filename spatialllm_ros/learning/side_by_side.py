"""The same work on many shards, by as many processes as there are cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar('Item')
Result = TypeVar('Result')
FEW = 4
"""So many are done here: starting processes would take longer."""


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item], unit: str) -> list[Result]:
    """Return what ``work`` makes of each item, in the order of the items.

    Args:
        work: goes to other processes by pickle, as do items and results.
        items: what to work on.
        unit: what the progress bar counts.
    """
    processes = min(len(items), len(os.sched_getaffinity(0)))
    if len(items) <= FEW or processes == 1:
        return [work(item) for item in tqdm(items, unit=unit, mininterval=5)]
    with ProcessPoolExecutor(processes, multiprocessing.get_context('spawn')) as pool:
        return list(tqdm(pool.map(work, items), total=len(items), unit=unit, mininterval=5))
