"""Rows of the page's tables, and the words beside them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from statistics import median

from spatialllm_ros.dashboard.board import OK, Exchange, WatchAnswer
from spatialllm_ros.runtime.answers import percent

Row = dict[str, object]
HISTORY = ('question', 'camera', 'answer', 'confidence', 'latency')
WATCHES = ('watch', 'question', 'camera', 'answer', 'confidence', 'heard')


def columns(names: Sequence[str]) -> list[Row]:
    """Return columns that are called as their fields."""
    return [{'name': name, 'label': name, 'field': name, 'align': 'left'} for name in names]


def milliseconds(duration_s: float) -> str:
    """Return a duration in words."""
    return f'{duration_s * 1e3:.0f} ms'


def about(exchange: Exchange) -> str:
    """Return what there is to say of an exchange beside its words."""
    if exchange.is_open:
        return 'cancelling' if exchange.is_cancelled else ''
    if exchange.status != OK:
        return f'no answer: {exchange.status}'
    said = f'confidence {percent(exchange.confidence)}, {milliseconds(exchange.latency_s)}'
    if exchange.camera:
        said += f' on {exchange.camera}'
    if math.isfinite(exchange.depth_m):
        said += f', {exchange.depth_m:.1f} m by its depth image'
    return said


def latency_summary(exchanges: Iterable[Exchange]) -> str:
    """Return how long answers took, in words; empty before the first one."""
    latencies_s = [exchange.latency_s for exchange in exchanges if exchange.status == OK]
    if not latencies_s:
        return ''
    return f'median {milliseconds(median(latencies_s))}, slowest {milliseconds(max(latencies_s))}'


def history_row(exchange: Exchange) -> Row:
    """Return an exchange as a row of the history."""
    is_answered = exchange.status == OK
    said = exchange.text if is_answered else f'{exchange.status} {exchange.text}'.strip()
    return {
        'number': exchange.number,
        'question': ' / '.join([exchange.question, *exchange.options]),
        'camera': exchange.camera,
        'answer': '...' if exchange.is_open else said,
        'confidence': percent(exchange.confidence) if is_answered else '',
        'latency': '' if exchange.is_open else milliseconds(exchange.latency_s),
    }


def watch_rows(watches: Iterable[WatchAnswer]) -> list[Row]:
    """Return standing questions as rows, in the order of their names."""
    now_s = time.monotonic()
    return [
        {
            'watch': watch.name,
            'question': watch.question,
            'camera': watch.camera,
            'answer': watch.text,
            'confidence': percent(watch.confidence),
            'heard': f'{now_s - watch.heard_s:.0f} s ago',
        }
        for watch in sorted(watches, key=lambda watch: watch.name)
    ]
