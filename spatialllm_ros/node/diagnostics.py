"""What the node tells on ``/diagnostics``: of the model, of each camera, of standing questions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.runtime.frame_store import FrameCounts

PERCENTILES = (50, 95, 99)
PERIOD = 'told every (s)'
"""Names the value of the model's status that says when the next is due."""


def told_name(full_name: str) -> str:
    """Return what begins the names of a node's statuses: its full name without the first slash."""
    return full_name.lstrip('/')


def diagnostic_array(stamp: Time, statuses: list[DiagnosticStatus]) -> DiagnosticArray:
    """Return statuses as one message."""
    return DiagnosticArray(header=Header(stamp=stamp), status=statuses)


class GrowthRates:
    """How fast counters grow, from one look to the next."""

    def __init__(self) -> None:
        """Start without a look."""
        self._last: dict[str, tuple[float, int]] = {}

    def per_second(self, name: str, count: int) -> float:
        """Return how fast a counter has grown since it was last looked at; at first 0."""
        now_s = time.monotonic()
        then_s, then_count = self._last.get(name, (now_s, count))
        self._last[name] = now_s, count
        return (count - then_count) / (now_s - then_s) if now_s > then_s else 0.0


def model_status(
    node_name: str, state: str, values: Mapping[str, object], replies: Mapping[StatusCode, int]
) -> DiagnosticStatus:
    """Say what computes and how questions ended.

    Args:
        node_name: begins the status's name; see ``told_name``.
        state: of the node's life cycle, or why it cannot be configured.
        values: engine, bundle and whatever else is known, by name.
        replies: questions by status.
    """
    is_active = state == 'active'
    counts = {f'questions {code.name}': replies.get(code, 0) for code in StatusCode}
    return DiagnosticStatus(
        level=DiagnosticStatus.OK if is_active else DiagnosticStatus.WARN,
        name=f'{node_name}: model',
        message=state,
        values=_key_values({**values, **counts}),
    )


def latency_values(latencies_s: Sequence[float]) -> dict[str, str]:
    """Return percentiles of how long answers took; nothing before the first answer."""
    if not latencies_s:
        return {}
    percentiles_s = np.percentile(latencies_s, PERCENTILES)
    return {
        f'latency of {percent} % of the last {len(latencies_s)} answers (s)': f'{latency_s:.3f}'
        for percent, latency_s in zip(PERCENTILES, percentiles_s, strict=True)
    }


def camera_status(
    node_name: str, camera: str, counts: FrameCounts, values: Mapping[str, object], remark: str
) -> DiagnosticStatus:
    """Say what became of a camera's frames.

    Args:
        node_name: begins the status's name; see ``told_name``.
        camera: the camera's name.
        counts: its frames so far.
        values: rates, ages and whatever else is known, by name.
        remark: what a person should know of it; empty where all is well.
    """
    frames = {
        'frames received': counts.received,
        'frames used': counts.used,
        'frames superseded': counts.superseded,
        'frames waiting': counts.waiting,
        'frames rejected': sum(counts.rejected.values()),
        **{f'frames rejected for {why}': n for why, n in sorted(counts.rejected.items())},
    }
    return DiagnosticStatus(
        level=DiagnosticStatus.WARN if remark else DiagnosticStatus.OK,
        name=f'{node_name}: camera {camera}',
        message=remark or 'images arrive',
        hardware_id=camera,
        values=_key_values({**frames, **values}),
    )


def watch_status(node_name: str, watches: Mapping[str, tuple[str, str]]) -> DiagnosticStatus:
    """Say what came of the standing questions.

    Args:
        node_name: begins the status's name; see ``told_name``.
        watches: by name, what came of it and its problem, which is empty where all is well.
    """
    problems = [f'{name}: {problem}' for name, (_, problem) in watches.items() if problem]
    return DiagnosticStatus(
        level=DiagnosticStatus.WARN if problems else DiagnosticStatus.OK,
        name=f'{node_name}: watches',
        message='; '.join(problems) or f'{len(watches)} standing questions',
        values=_key_values({name: summary for name, (summary, _) in watches.items()}),
    )


def _key_values(values: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=str(value)) for key, value in values.items()]
