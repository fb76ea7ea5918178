"""What the node tells on ``/diagnostics``: one status for the model and one per camera."""

from __future__ import annotations

from collections.abc import Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.runtime.frame_store import FrameCounts


def diagnostic_array(stamp: Time, statuses: list[DiagnosticStatus]) -> DiagnosticArray:
    """Return statuses as one message."""
    return DiagnosticArray(header=Header(stamp=stamp), status=statuses)


def model_status(
    node_name: str, state: str, values: Mapping[str, object], replies: Mapping[StatusCode, int]
) -> DiagnosticStatus:
    """Say what computes and how questions ended.

    Args:
        node_name: begins the status's name.
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


def camera_status(
    node_name: str, camera: str, counts: FrameCounts, remark: str
) -> DiagnosticStatus:
    """Say what became of a camera's frames.

    Args:
        node_name: begins the status's name.
        camera: the camera's name.
        counts: its frames so far.
        remark: what a person should know of its intrinsics; empty where all is well.
    """
    problem = remark if counts.received else 'no image has arrived'
    values = {
        'frames received': counts.received,
        'frames used': counts.used,
        'frames superseded': counts.superseded,
        'frames waiting': counts.waiting,
        'frames rejected': sum(counts.rejected.values()),
        **{f'frames rejected for {why}': n for why, n in sorted(counts.rejected.items())},
    }
    return DiagnosticStatus(
        level=DiagnosticStatus.WARN if problem else DiagnosticStatus.OK,
        name=f'{node_name}: camera {camera}',
        message=problem or 'images arrive',
        hardware_id=camera,
        values=_key_values(values),
    )


def _key_values(values: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=str(value)) for key, value in values.items()]
