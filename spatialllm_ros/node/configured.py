"""What the node holds from ``configure`` to ``cleanup``: model, frames, cameras, topics."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from spatialllm_ros.errors import AnswerParseError, ConfigError, SpatialLLMError
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.node.annotation_topics import Pictures
from spatialllm_ros.node.asking import Asker
from spatialllm_ros.node.camera_input import CameraInput, converter
from spatialllm_ros.node.depth_checks import DepthChecks
from spatialllm_ros.node.depth_input import DepthInput
from spatialllm_ros.node.diagnostics import (
    PERIOD,
    GrowthRates,
    camera_status,
    latency_values,
    model_status,
    told_name,
    watch_status,
)
from spatialllm_ros.node.gravity import up_source
from spatialllm_ros.node.parameters import NodeParameters
from spatialllm_ros.node.punctuality import Punctuality
from spatialllm_ros.node.transforms import Transforms
from spatialllm_ros.node.watch_file import load_watches
from spatialllm_ros.node.watching import Watches, steadiness
from spatialllm_ros.runtime.answering import Outcome
from spatialllm_ros.runtime.frame_store import AHEAD_S, FrameStore
from spatialllm_ros.runtime.opening import ModelSource, open_session
from spatialllm_ros.runtime.scheduler import Rates, Scheduler, SchedulerSettings
from spatialllm_ros.runtime.session_base import Session
from spatialllm_ros.runtime.watches import Watch
from spatialllm_ros.schema import Frame, Query

SessionLoader = Callable[[NodeParameters], Session]

WARM_UP_QUERY = Query('is there a red car?', options=('yes', 'no'))


def load_session(parameters: NodeParameters) -> Session:
    """Open the model that the parameters name, and answer once to have it warm.

    Raises:
        BundleError: names the file and what is wrong with it.
        EngineError: the engine cannot be loaded or failed.
    """
    session = open_session(
        ModelSource(
            parameters.bundle,
            parameters.engine,
            parameters.cpu_threads,
            parameters.allow_fallback,
            parameters.server_url,
            parameters.server_model,
        )
    )
    rgb = np.full((48, 64, 3), 128, np.uint8)
    frame = Frame(rgb, guessed_camera(64, 48, 1.0), stamp_ns=0, frame_id='', camera_name='')
    with suppress(AnswerParseError):  # nobody will read it
        session.answer(session.encode(frame), WARM_UP_QUERY)
    return session


def scheduler_settings(parameters: NodeParameters) -> SchedulerSettings:
    """Return what the parameters say of queues and rates."""
    ahead_hz = {camera.name: camera.encode_ahead_hz for camera in parameters.cameras}
    return SchedulerSettings(
        queue_size=parameters.max_waiting_questions,
        batch_size=parameters.max_batch,
        timeout_s=parameters.answer_timeout_s,
        rates=Rates(ahead_hz, parameters.watch_hz),
    )


def listen_to_tf(node: Node) -> Transforms | None:
    """Listen to TF where it is installed; one sentence in the log says where it is not."""
    try:
        return Transforms(node)
    except ConfigError as absent:
        node.get_logger().info(str(absent))
        return None


class Configured:
    """Everything that answers, idle until ``activate``.

    Attributes:
        asker: takes questions.
        transforms: from TF; None where that is not installed.
        watches: standing questions.
    """

    def __init__(self, node: Node, parameters: NodeParameters, load: SessionLoader) -> None:
        """Load the model and offer the topics.

        Raises:
            BundleError, EngineError: the model cannot be used.
            ConfigError: something a parameter asks for is not installed.
        """
        self._node, self._parameters = node, parameters
        self._rates, self._punctuality = GrowthRates(), Punctuality(node)
        self._session = load(parameters)
        self._frames = FrameStore(
            parameters.camera_names,
            parameters.max_frame_age_s,
            now_ns=lambda: int(node.get_clock().now().nanoseconds),
            describe=lambda name: f'{name!r} on {self._cameras[name].topic}',
        )
        self._scheduler = Scheduler(
            self._session,
            self._frames,
            scheduler_settings(parameters),
            on_watch=self._on_watch,
        )
        converters = {camera.name: converter(camera, parameters) for camera in parameters.cameras}
        self.transforms = listen_to_tf(node)
        ups = {camera.name: up_source(camera, self.transforms) for camera in parameters.cameras}
        self._cameras = {
            camera.name: CameraInput(
                node, camera, converters[camera.name], ups[camera.name], self._frames
            )
            for camera in parameters.cameras
        }
        self._depths = {
            camera.name: DepthInput(node, camera, parameters.max_image_side_px)
            for camera in parameters.cameras
            if camera.depth_topic
        }
        depth_checks = DepthChecks(self._depths)
        check = self._session.check
        self.asker = Asker(node, self._scheduler, self._frames, depth_checks, check)
        self.watches = Watches(node, self._scheduler.watch, steadiness(parameters))
        self._pictures = Pictures(node)
        self._scheduler.add_listener(self._pictures.show)
        self._watch_from_file(parameters.watches_file)

    @property
    def engine_name(self) -> str:
        """What computes, in words."""
        return self._session.engine_name

    @property
    def _inputs(self) -> list[CameraInput | DepthInput]:
        return [*self._cameras.values(), *self._depths.values()]

    @property
    def open_questions(self) -> int:
        """How many callers have not been told yet how their question ended."""
        return self.asker.open

    def activate(self) -> None:
        """Read the cameras and answer questions.

        Raises:
            ConfigError: the quality of service asked for a camera cannot be.
        """
        self._scheduler.start()
        try:
            for topics in self._inputs:
                topics.open()
        except ConfigError:
            self.deactivate()
            raise
        self._punctuality.start()

    def apply(self, parameters: NodeParameters) -> None:
        """Use other values of the live parameters from now on."""
        self._parameters = parameters
        self._frames.max_frame_age_s = parameters.max_frame_age_s
        self._scheduler.apply(scheduler_settings(parameters))
        self.watches.settings = steadiness(parameters)

    def deactivate(self) -> None:
        """Stop to read the cameras and end every question as cancelled."""
        self._punctuality.stop()
        for topics in self._inputs:
            topics.close()
        self._scheduler.stop()

    def close(self) -> None:
        """Withdraw the topics; to be called after ``deactivate``."""
        self.watches.close()
        self._pictures.close()
        if self.transforms is not None:
            self.transforms.close()

    def _on_watch(self, watch: Watch, outcome: Outcome) -> None:
        self.watches.hear(watch, outcome)

    def _watch_from_file(self, path: str) -> None:
        if not path:
            return
        try:
            self.watches.set(load_watches(path))
        except SpatialLLMError as error:
            self.close()
            raise ConfigError(f'watches_file: {error}') from error

    def statuses(self, state: str) -> list[DiagnosticStatus]:
        """Return what ``/diagnostics`` is told while the node is in a state."""
        name = told_name(self._node.get_fully_qualified_name())
        values = {
            'bundle': self._parameters.bundle,
            'engine': self.engine_name,
            'precision': self._session.precision,
            'executor late at most (ms)': f'{self._punctuality.take_latest_s() * 1e3:.1f}',
            PERIOD: self._parameters.diagnostics_period_s,
            'questions received': self.asker.received,
            'questions open': self.asker.open,
            'questions waiting': self._scheduler.waiting,
            **latency_values(self.asker.latencies_s),
        }
        return [
            model_status(name, state, values, self.asker.replies),
            *(self._camera_status(name, camera) for camera in self._cameras),
            watch_status(name, self.watches.values()),
        ]

    def _camera_status(self, node_name: str, camera: str) -> DiagnosticStatus:
        counts, age_s = self._frames.counts(camera), self._frames.newest_age_s(camera)
        problems = [self._cameras[camera].problem()]
        if self._frames.max_frame_age_s < age_s < math.inf:
            problems.insert(0, f'the newest image is {age_s:.1f} s old')
        if age_s < -AHEAD_S:
            problems.insert(0, f'the newest image is {-age_s:.1f} s ahead of the clock')
        rates_hz = {
            'received': self._rates.per_second(f'{camera} received', counts.received),
            'used': self._rates.per_second(f'{camera} used', counts.used),
        }
        values = {f'rate {name} (Hz)': f'{rate_hz:.1f}' for name, rate_hz in rates_hz.items()}
        if depth := self._depths.get(camera):
            values['depth images received'] = str(depth.received)
            values['depth images rejected'] = str(depth.rejected)
            problems.append(depth.problem())
        if age_s < math.inf:
            values['age of the newest frame (s)'] = f'{age_s:.3f}'
        return camera_status(node_name, camera, counts, values, '; '.join(filter(None, problems)))
