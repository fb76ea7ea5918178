"""What a model takes on a robot, of which memory, told from export plans: tables in Markdown.

Weights, cache and scratch are kept apart, for they depend on different choices. What no plan can
know is left out, not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spatialllm_ros.deploy.bundle_export import FILES
from spatialllm_ros.deploy.export_plan import PRECISIONS, ExportPlan
from spatialllm_ros.deploy.tensorrt_devices import DEVICES, WORKSPACE_SHARE
from spatialllm_ros.runtime.bundle import DECODER, EMBEDDINGS, VISION

MB, KIB, MIB, GIB = 10**6, 2**10, 2**20, 2**30
SMALLEST = 'float16-int4'
"""The precision that is held against the devices' memory."""
WORD_COPIES = 2
"""The run time widens the table of words to float32; its file has float16."""


def memory_tables(plans: Sequence[ExportPlan]) -> str:
    """Return three tables: weights by precision, caches, and what is left of each device."""
    return '\n\n'.join([_weights(plans), _caches(plans), _devices(plans)])


def _weights(plans: Sequence[ExportPlan]) -> str:
    rows = [
        [f'`{plan.name}`', part, *(_whole(scale * sizes[kind] / MB) for kind in PRECISIONS)]
        for plan in plans
        for part, scale, sizes in (
            ('vision', 1, plan.files[FILES[VISION]]),
            ('decoder', 1, plan.files[FILES[DECODER]]),
            ('words, main memory', WORD_COPIES, plan.files[FILES[EMBEDDINGS]]),
        )
    ]
    return _table(['weights, MB', '', *PRECISIONS], rows)


def _caches(plans: Sequence[ExportPlan]) -> str:
    rows = [
        [
            f'`{plan.name}`', f'{plan.cache_per_token / KIB:,.0f} KiB', f'{plan.context}',
            f'{plan.cache_per_token * plan.context / MIB:,.1f} MiB',
        ]
        for plan in plans
    ]  # fmt: skip
    return _table(['cache', 'of a token', 'context', 'of each camera'], rows)


def _devices(plans: Sequence[ExportPlan]) -> str:
    rows = [
        [
            f'`{name}`', f'{device.memory_bytes / GIB:.0f} GiB',
            f'{device.memory_bytes * WORKSPACE_SHARE / MIB:,.0f} MiB',
            *(_left(device.memory_bytes, plan) for plan in plans),
        ]
        for name, device in DEVICES.items()
    ]  # fmt: skip
    heads = [f'left beside `{plan.name}`' for plan in plans]
    return _table(['device', 'memory', 'workspace, at most', *heads], rows)


def _left(memory_bytes: int, plan: ExportPlan) -> str:
    """Return what the weights, the words and one cache leave."""
    graphs = sum(plan.files[FILES[role]][SMALLEST] for role in (VISION, DECODER))
    words = WORD_COPIES * plan.files[FILES[EMBEDDINGS]][SMALLEST]
    left = memory_bytes - graphs - words - plan.cache_per_token * plan.context
    return f'{left / GIB:.1f} GiB' if left > 0 else 'does not fit'


def _whole(megabytes: float) -> str:
    return f'{megabytes:,.1f}' if megabytes < 100 else f'{megabytes:,.0f}'


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *map(list, rows)]
    lines.insert(1, ['---'] * len(lines[0]))
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)
