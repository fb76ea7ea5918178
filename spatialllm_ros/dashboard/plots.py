"""The plot of latencies, as options of ECharts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spatialllm_ros.dashboard.board import OK, Exchange

MOST_BARS = 40
PARTS = {'waiting': 'queue', 'image': 'encode', 'question': 'prefill', 'answer': 'decode'}
"""Names in the legend, and the parts of ``Timing.msg``."""
ELSE = 'ROS and the rest'


def latency_options(exchanges: Sequence[Exchange]) -> dict[str, Any]:
    """Return stacked bars of where the time of the last answers went, in ms."""
    answered = [exchange for exchange in exchanges if exchange.status == OK][-MOST_BARS:]
    bars_s = {
        name: [exchange.parts_s[part] for exchange in answered] for name, part in PARTS.items()
    }
    bars_s[ELSE] = [
        max(0.0, exchange.latency_s - sum(exchange.parts_s.values())) for exchange in answered
    ]
    return {
        'animation': False,
        'tooltip': {'trigger': 'axis'},
        'legend': {'top': 0, 'type': 'scroll'},
        'grid': {'left': 45, 'right': 10, 'top': 45, 'bottom': 25},
        'xAxis': {'type': 'category', 'data': [exchange.number for exchange in answered]},
        'yAxis': {'type': 'value', 'name': 'ms'},
        'series': [
            {
                'name': name,
                'type': 'bar',
                'stack': 'latency',
                'barMaxWidth': 40,
                'data': [round(value_s * 1e3, 1) for value_s in values_s],
            }
            for name, values_s in bars_s.items()
        ],
    }
