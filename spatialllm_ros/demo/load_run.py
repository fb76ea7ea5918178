"""The node under load: three cameras, eight standing questions, two questions a second."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from spatialllm_ros.demo.ask_client import AskClient, Reply
from spatialllm_ros.demo.bench_session import Percentiles, percentiles
from spatialllm_ros.demo.load_cameras import WORLDS, first_shots
from spatialllm_ros.demo.node_report import Frames, NodeReport, resident_mib
from spatialllm_ros.demo.processes import Processes, given
from spatialllm_ros.demo.shots import RATE_HZ
from spatialllm_ros.errors import AnswerTimeoutError
from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.schema import QuestionRecord

CAMERAS = ('front', 'left', 'rear')
WATCHES = 8
ASK_HZ = 2.0
ASKERS = 16
"""So many questions may be under way before a new one waits for an old one."""

WARM_S, WARM_SHARE = 60.0, 0.25
"""Memory is judged from then on; of a short run, from a share of it."""
START_TIMEOUT_S, LOOK_AGAIN_S = 60.0, 0.1
AT_REST_S = 2.5
"""The node publishes diagnostics each second; after so long they hold the last image."""


@dataclass(frozen=True)
class LoadResult:
    """What came of it.

    Attributes:
        published: images of each camera.
        camera_seconds: how long the cameras took for them.
        frames: what became of each camera's images, as the node says.
        lost: of the published images, those that DDS did not deliver, by camera.
        asked: questions of the client.
        statuses: how they ended.
        unanswered: those that ended in nothing at all.
        counted: questions that the node says it received, and those of which it tells the end.
        latency: from asking to the answer, over DDS.
        watches: in the node's words, what came of each standing question.
        late_ms: by how much the node's executor was late at most.
        late_samples: diagnostics that this is taken from.
        warm_mib, end_mib: resident memory of the node when warm, and at the end.
    """

    seconds: float
    published: int
    camera_seconds: float
    frames: dict[str, Frames]
    lost: dict[str, int]
    asked: int
    statuses: dict[str, int]
    unanswered: int
    counted: tuple[int, int]
    watches: dict[str, str]
    latency: Percentiles
    late_ms: float
    late_samples: int
    warm_mib: float
    end_mib: float

    @property
    def unaccounted(self) -> int:
        """Images and questions of which nobody can say what became."""
        images = sum(abs(frames.unaccounted) for frames in self.frames.values())
        impossible = sum(-lost for lost in self.lost.values() if lost < 0)
        received, ended = self.counted
        return images + impossible + self.unanswered + abs(received - ended)

    @property
    def growth(self) -> float:
        """By which share of it memory grew."""
        return self.end_mib / self.warm_mib - 1


class LoadRun:
    """One run: asks, looks at the node meanwhile, and adds up."""

    def __init__(self, processes: Processes, client: AskClient, logs: Path) -> None:
        """Start the node; ``logs`` is an empty folder."""
        self._processes, self._client = processes, client
        self._records = [
            record for shot in first_shots(WORLDS) if shot.truth for record in shot.truth.questions
        ]
        self._report = NodeReport(client.node)
        arguments = ['--ros-args', *given(node_parameters(watches_file(logs, self._records)))]
        self._node = processes.start('node', 'node.main', *arguments)
        client.wait_for_node(START_TIMEOUT_S)

    def film(self, images: int) -> None:
        """Start the cameras and wait until the node has an image of each."""
        self._processes.start('cameras', 'demo.load_cameras', *CAMERAS, '--images', str(images))
        self._until(
            'images of each camera',
            lambda: all((frames := self._report.frames(c)) and frames.received for c in CAMERAS),
        )

    def ask(self, seconds: float) -> LoadResult:
        """Ask for so long, wait for the end of the cameras, and add up."""
        before = len(self._report.latenesses_ms())
        warm_s = min(WARM_S, WARM_SHARE * seconds)
        with ThreadPoolExecutor(ASKERS) as askers:
            replies = self._submit(askers, warm_s)
            warm_mib = resident_mib(self._node.pid)
            replies += self._submit(askers, seconds - warm_s)
        end_mib = resident_mib(self._node.pid)
        log = self._processes.log('cameras')
        self._until('the end of the cameras', lambda: log.read_text(encoding='utf-8'))
        played = json.loads(log.read_text(encoding='utf-8'))
        time.sleep(AT_REST_S)
        self._processes.check()
        found = [reply.result() for reply in replies if reply.exception() is None]
        frames = {camera: self._frames(camera) for camera in CAMERAS}
        received, ended = self._report.questions()
        latenesses_ms = self._report.latenesses_ms()[before:]
        return LoadResult(
            seconds=seconds,
            published=played['images'],
            camera_seconds=played['seconds'],
            frames=frames,
            lost={camera: played['images'] - frames[camera].received for camera in CAMERAS},
            asked=len(replies),
            statuses=dict(Counter(reply.status.name for reply in found)),
            unanswered=len(replies) - len(found),
            counted=(received, sum(ended.values())),
            watches=self._report.watched(),
            latency=percentiles([r.latency_s for r in found if r.status == StatusCode.OK]),
            late_ms=max(latenesses_ms, default=math.nan),
            late_samples=len(latenesses_ms),
            warm_mib=warm_mib,
            end_mib=end_mib,
        )

    def _submit(self, askers: ThreadPoolExecutor, seconds: float) -> list[Future[Reply]]:
        """Ask at a steady rate, whether or not earlier questions have ended."""
        replies = []
        due_s = time.monotonic()
        for number in range(round(seconds * ASK_HZ)):
            time.sleep(max(0.0, due_s - time.monotonic()))
            due_s += 1 / ASK_HZ
            record = self._records[number % len(self._records)]
            camera = CAMERAS[number % len(CAMERAS)]
            replies.append(
                askers.submit(self._client.ask, record.question, record.options, camera)
            )
        return replies

    def _frames(self, camera: str) -> Frames:
        frames = self._report.frames(camera)
        assert frames is not None, 'the node has told of each camera'
        return frames

    def _until(self, what: str, predicate: Callable[[], object]) -> None:
        end_s = time.monotonic() + START_TIMEOUT_S
        while not predicate():
            self._processes.check()
            if time.monotonic() > end_s:
                raise AnswerTimeoutError(f'expected {what} in {START_TIMEOUT_S:g} s, found none')
            time.sleep(LOOK_AGAIN_S)


def measure_load(environment: Mapping[str, str], logs: Path, seconds: float) -> LoadResult:
    """Start node and cameras, ask for so long, and add up.

    Args:
        environment: of the processes, with a ROS_DOMAIN_ID of their own.
        logs: an empty folder.
        seconds: how long.

    Raises:
        ProcessError: cameras or node ended.
        AnswerTimeoutError: images or diagnostics do not come.
    """
    domain = int(environment['ROS_DOMAIN_ID'])
    with Processes(environment, logs) as processes, AskClient('load', [], domain) as client:
        run = LoadRun(processes, client, logs)
        run.film(round(seconds * RATE_HZ))
        return run.ask(seconds)


def node_parameters(watches: Path) -> dict[str, object]:
    """Return the parameters of the node: the cameras, and standing questions from a file."""
    topics = {f'{camera}.image_topic': f'/{camera}/image' for camera in CAMERAS}
    return {'camera_names': list(CAMERAS), 'watches_file': watches, **topics}


def watches_file(folder: Path, records: Sequence[QuestionRecord]) -> Path:
    """Write standing questions, the cameras in turn, and return the file."""
    watches = [
        {
            'name': f'watch_{number}',
            'question': record.question,
            'options': list(record.options),
            'camera': CAMERAS[number % len(CAMERAS)],
        }
        for number, record in enumerate(records[:WATCHES])
    ]
    path = folder / 'watches.yaml'
    path.write_text(json.dumps({'watches': watches}), encoding='utf-8')  # JSON is YAML
    return path
