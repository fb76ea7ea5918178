"""What a running node tells about itself on ``/diagnostics``, and the memory that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.node.node_names import NODE_NAME

LATE = 'executor late at most (ms)'
MIB = 1024


@dataclass(frozen=True)
class Frames:
    """What became of one camera's images, as the node says."""

    received: int
    used: int
    superseded: int
    rejected: int
    waiting: int

    @property
    def unaccounted(self) -> int:
        """Images of which the node cannot say what became."""
        return self.received - self.used - self.superseded - self.rejected - self.waiting


class NodeReport:
    """The newest diagnostics; filled by the thread that spins, read by others."""

    def __init__(self, node: Node) -> None:
        """Listen with a node."""
        self._lock = Lock()
        self._statuses: dict[str, dict[str, str]] = {}
        self._latenesses_ms: list[float] = []
        node.create_subscription(DiagnosticArray, '/diagnostics', self._take, 10)

    def _take(self, array: DiagnosticArray) -> None:
        with self._lock:
            for status in array.status:
                values = {pair.key: pair.value for pair in status.values}
                self._statuses[status.name] = values
                if LATE in values:
                    self._latenesses_ms.append(float(values[LATE]))

    def frames(self, camera: str) -> Frames | None:
        """Return what became of a camera's images; None before the node has told."""
        values = self._values(f'camera {camera}')
        names = ('received', 'used', 'superseded', 'rejected', 'waiting')
        return Frames(*(int(values[f'frames {name}']) for name in names)) if values else None

    def questions(self) -> tuple[int, dict[str, int]]:
        """Return how many questions came, and how many ended in each way."""
        values = self._values('model')
        ended = {code.name: int(values.get(f'questions {code.name}', 0)) for code in StatusCode}
        return int(values.get('questions received', 0)), ended

    def watched(self) -> dict[str, str]:
        """Return in the node's words what came of each standing question."""
        return self._values('watches')

    def latenesses_ms(self) -> list[float]:
        """Return by how much the executor was late at most, of each message so far."""
        with self._lock:
            return list(self._latenesses_ms)

    def _values(self, what: str) -> dict[str, str]:
        with self._lock:
            return dict(self._statuses.get(f'{NODE_NAME}: {what}', {}))


def resident_mib(process_id: int) -> float:
    """Return the resident memory of a process. Source: proc(5), status, in KiB."""
    status = Path(f'/proc/{process_id}/status').read_text(encoding='utf-8')
    return int(status.split('VmRSS:')[1].split()[0]) / MIB
