"""A live camera over DDS and a question a second: answers, latencies, what becomes of images."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import String

from spatialllm_ros.demo.ask_client import AskClient, Reply
from spatialllm_ros.demo.bench_session import Percentiles, percentiles
from spatialllm_ros.demo.processes import IMAGE_TOPIC, Processes, start_camera, start_node
from spatialllm_ros.demo.recording import TRUTH_TOPIC
from spatialllm_ros.demo.shots import RATE_HZ
from spatialllm_ros.demo.truth_book import TruthBook
from spatialllm_ros.errors import AnswerTimeoutError
from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.node.node_names import NODE_NAME

START_TIMEOUT_S, LOOK_AGAIN_S = 60.0, 0.05
QUIET_S = 2.5
"""The node publishes diagnostics each second; after so long they hold the last image."""


@dataclass(frozen=True)
class LiveResult:
    """What came of a live camera and a question a second.

    Attributes:
        published: images that the camera sent.
        lost: of these, images that DDS did not deliver.
        unaccounted: of those delivered, images of which the node cannot say what became.
        statuses: questions by how they ended.
        latency: from asking to the answer, over DDS.
        node_latency: the node's own part of it.
    """

    seconds: float
    published: int
    lost: int
    received: int
    used: int
    superseded: int
    rejected: int
    waiting: int
    unaccounted: int
    statuses: dict[str, int]
    latency: Percentiles
    node_latency: Percentiles


def measure_live(
    environment: Mapping[str, str], logs: Path, seconds: float, parameters: Mapping[str, object]
) -> LiveResult:
    """Show the tour at its own rate for so long, and ask once a second meanwhile.

    Args:
        environment: of the camera and the node, with a ROS_DOMAIN_ID of their own.
        logs: an empty folder.
        seconds: how long.
        parameters: of the node.

    Raises:
        ProcessError: the camera or the node ended.
        AnswerTimeoutError: nothing comes, or the node falls silent.
    """
    published = round(seconds * RATE_HZ)
    domain = int(environment['ROS_DOMAIN_ID'])
    with Processes(environment, logs) as processes, AskClient('bench', [], domain) as client:
        watch = _Watch(client)
        start_camera(processes, {'images': published})
        watch.wait_for_camera(processes)
        start_node(processes, IMAGE_TOPIC, parameters)  # whereupon the camera begins
        watch.wait_for_images(processes)
        client.wait_for_node(START_TIMEOUT_S)
        replies = _ask_each_second(client, watch.book, round(seconds))
        processes.check()
        counts = watch.counts_at_rest()
    return _result(seconds, published, counts, replies)


class _Watch:
    """What the camera and the node tell about themselves."""

    def __init__(self, client: AskClient) -> None:
        self.book = TruthBook()
        self._counts: dict[str, int] = {}
        self._node = client.node
        self._node.create_subscription(
            String, TRUTH_TOPIC, lambda text: self.book.add(text.data), 10
        )
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name == f'{NODE_NAME}: camera camera':
                self._counts = {
                    pair.key.removeprefix('frames '): int(pair.value)
                    for pair in status.values
                    if pair.key.startswith('frames ')
                }

    def wait_for_camera(self, processes: Processes) -> None:
        """Wait until the camera has been found: what it says before that is lost.

        Raises:
            ProcessError: the camera ended.
            AnswerTimeoutError: it is not found.
        """
        if not self._comes(processes, lambda: self._node.count_publishers(TRUTH_TOPIC) > 0):
            raise AnswerTimeoutError(
                f'expected the camera on {TRUTH_TOPIC} within {START_TIMEOUT_S:g} s, found none; '
                'do programs on this machine hear each other?'
            )

    def wait_for_images(self, processes: Processes) -> None:
        """Wait until the node has one.

        Raises:
            ProcessError: the camera or the node ended.
            AnswerTimeoutError: none comes.
        """

        def is_there() -> bool:
            return bool(self._counts.get('received') and self.book.newest(LOOK_AGAIN_S))

        if not self._comes(processes, is_there):
            raise AnswerTimeoutError(
                f'expected images of the tour and their truth within {START_TIMEOUT_S:g} s, '
                f'found {self._counts}; does the node hear the camera?'
            )

    def _comes(self, processes: Processes, is_there: Callable[[], bool]) -> bool:
        """Wait for something; tell whether it came in time."""
        end_s = time.monotonic() + START_TIMEOUT_S
        while not is_there():
            processes.check()
            if time.monotonic() > end_s:
                return False
            time.sleep(LOOK_AGAIN_S)
        return True

    def counts_at_rest(self) -> dict[str, int]:
        """Return what became of the frames once no more of them come."""
        counts: dict[str, int] = {}
        while counts != self._counts or not counts:
            counts = self._counts
            time.sleep(QUIET_S)
        return counts


def _ask_each_second(client: AskClient, book: TruthBook, count: int) -> list[Reply]:
    replies = []
    due_s = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, due_s - time.monotonic()))
        due_s += 1.0
        truth = book.newest()
        assert truth is not None, 'an image has come'
        record = truth.questions[number % len(truth.questions)]
        replies.append(client.ask(record.question, record.options))
    return replies


def _result(
    seconds: float, published: int, counts: dict[str, int], replies: list[Reply]
) -> LiveResult:
    parts = {name: counts[name] for name in ('used', 'superseded', 'rejected', 'waiting')}
    received = counts['received']
    answered = [reply for reply in replies if reply.status == StatusCode.OK]
    return LiveResult(
        seconds=seconds,
        published=published,
        lost=published - received,
        received=received,
        unaccounted=received - sum(parts.values()),
        statuses=dict(Counter(reply.status.name for reply in replies)),
        latency=percentiles([reply.latency_s for reply in answered]),
        node_latency=percentiles([reply.answer.timing.total_s for reply in answered]),
        **parts,
    )
