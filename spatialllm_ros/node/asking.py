"""Questions from ROS callbacks to the scheduler, and their answers back.

A callback awaits its answers while the executor's one thread goes on with images and cancel
requests. Answers arrive on the scheduler's thread, which wakes the executor.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial

from rclpy.node import Node
from rclpy.task import Future as RclpyFuture

from spatialllm_msgs.msg import CameraReply, SpatialAnswer
from spatialllm_ros.errors import BusyError, GeometryError, SpatialLLMError
from spatialllm_ros.node.depth_checks import DepthChecks
from spatialllm_ros.node.messages import StatusCode, answer_message, status_of
from spatialllm_ros.node.which_camera import asked_of_each, asks_which_camera, name_cameras
from spatialllm_ros.runtime.answers import sureness
from spatialllm_ros.runtime.frame_store import FrameStore
from spatialllm_ros.runtime.scheduler import Scheduler
from spatialllm_ros.schema import Answer, Query

OnCameraText = Callable[[str, str], None]
"""Hears a camera's name and its answer's words so far, on the scheduler's thread."""

LATENCIES_KEPT = 500

NOT_CONFIGURED = 'expected a configured node, found none; configure and activate it'

NOTHING_THERE = 'there is no '
"""How an answer begins that what was asked about is not in view."""


class Asked:
    """One question on its way to the cameras that it names.

    Attributes:
        answers: by camera; one without a name for a question that was refused as a whole.
        places: by camera, where the object of which the distance is asked is seen, for depth.
        names_cameras: whether the names of cameras are the answer.
    """

    def __init__(
        self,
        answers: Mapping[str, Future[Answer]],
        places: Mapping[str, Future[Answer]],
        names_cameras: bool = False,
    ) -> None:
        """Hold answers to come."""
        self.answers, self.places, self.names_cameras = answers, places, names_cameras

    @property
    def parts(self) -> list[Future[Answer]]:
        """All that has to end before the reply."""
        return [*self.answers.values(), *self.places.values()]

    def cancel(self) -> None:
        """Ask for the end of all of them."""
        for answer in self.parts:
            answer.cancel()


@dataclass(frozen=True)
class Reply:
    """How a question ended: with an answer, or with the reason why there is none.

    Attributes:
        cameras: what each camera said; empty where the question was refused as a whole.
    """

    status: StatusCode
    message: str = ''
    answer: SpatialAnswer = field(default_factory=SpatialAnswer)
    cameras: tuple[CameraReply, ...] = ()


class Asker:
    """Asks the scheduler and keeps count of how that ended.

    Attributes:
        received: how many questions came: those that ended in some way, and those open.
        replies: how many questions ended in each way.
        latencies_s: of the newest answers, from the receipt of the question.
        open: how many callers have not been told yet.
    """

    def __init__(
        self,
        node: Node,
        scheduler: Scheduler,
        frames: FrameStore,
        depths: DepthChecks,
        check: Callable[[Query], None],
    ) -> None:
        """Ask on behalf of a node's callbacks.

        Args:
            node: its executor is where callbacks go on once they have their answer.
            scheduler: answers.
            frames: knows the cameras.
            depths: measures what answers speak of.
            check: refuses what the model cannot read, before anything else looks at it.
        """
        self.replies: Counter[StatusCode] = Counter()
        self.latencies_s: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self.received = self.open = 0
        self._node, self._scheduler = node, scheduler
        self._frames, self._depths = frames, depths
        self._check = check

    def submit(
        self, make_query: Callable[[], Query], on_text: OnCameraText = lambda *_: None
    ) -> Asked:
        """Queue a question to each camera that its query names.

        One that is refused is over at once, with the reason.
        """
        self.received += 1
        try:
            query = make_query()
            self._check(query)
            if names_cameras := asks_which_camera(query):
                query = asked_of_each(query)
            cameras = self._frames.named(query.camera)
        except SpatialLLMError as error:
            return Asked({'': _refused(error)}, {})
        answers: dict[str, Future[Answer]] = {}
        places: dict[str, Future[Answer]] = {}
        for camera in cameras:
            answers[camera], place = self._submit(query, camera, on_text)
            if place is not None:
                places[camera] = place
        return Asked(answers, places, names_cameras)

    async def reply(self, asked: Asked, question: str) -> Reply:
        """Wait for a question's end; nothing is raised, a failure is a status."""
        self.open += 1
        for part in asked.parts:
            await self._end_of(part)
        self.open -= 1
        replies = {
            camera: self._reply(answer, asked.places.get(camera), question)
            for camera, answer in asked.answers.items()
        }
        reply = combined(replies)
        if asked.names_cameras and reply.status == StatusCode.OK:
            # A copy: what each camera said stays what it said.
            answer = name_cameras(copy(reply.answer), reply.cameras)
            reply = replace(reply, answer=answer)
        self.replies[reply.status] += 1
        if reply.status == StatusCode.OK:
            self.latencies_s.append(reply.answer.timing.total_s)
        return reply

    def _submit(
        self, query: Query, camera: str, on_text: OnCameraText
    ) -> tuple[Future[Answer], Future[Answer] | None]:
        """Return the answer to come and, where depth has to know, where its object will be."""
        query, hear = replace(query, camera=camera), partial(on_text, camera)
        lookup = self._depths.lookup(query, camera)
        try:
            if lookup is None:
                return self._scheduler.submit(query, hear), None
            return self._scheduler.submit_with_lookup(query, lookup, hear)
        except SpatialLLMError as error:
            return _refused(error), None

    def _end_of(self, answer: Future[Answer]) -> RclpyFuture:
        executor = self._node.executor
        arrived = RclpyFuture(executor=executor)

        def go_on(_: Future[Answer]) -> None:
            arrived.set_result(None)
            executor.wake()  # or it would look at what awaits only after the next message

        answer.add_done_callback(go_on)
        return arrived

    def _reply(self, answer: Future[Answer], place: Future[Answer] | None, question: str) -> Reply:
        error = answer.exception()
        if error is None:
            try:
                return Reply(StatusCode.OK, answer=self._message(answer.result(), place, question))
            except GeometryError as impossible:
                error = impossible
        if not isinstance(error, SpatialLLMError):
            self._node.get_logger().error(f'a question failed unexpectedly: {error!r}')
        return Reply(status_of(error), str(error))

    def _message(
        self, answer: Answer, place: Future[Answer] | None, question: str
    ) -> SpatialAnswer:
        message = answer_message(answer, question)
        message.depth_m, message.depth_note = self._depths.measured(answer, place)
        return message


class Resting:
    """Takes an asker's place while the node is not configured, and refuses what is asked."""

    def submit(
        self, make_query: Callable[[], Query], on_text: OnCameraText = lambda *_: None
    ) -> Asked:
        """Refuse."""
        del make_query, on_text
        return Asked({'': _refused(BusyError(NOT_CONFIGURED))}, {})

    async def reply(self, asked: Asked, question: str) -> Reply:
        """Say why."""
        del asked, question
        return Reply(StatusCode.BUSY, NOT_CONFIGURED)


def _refused(error: SpatialLLMError) -> Future[Answer]:
    refused: Future[Answer] = Future()
    refused.set_exception(error)
    return refused


def combined(replies: Mapping[str, Reply]) -> Reply:
    """Return the reply to a question that each of some cameras has replied to.

    It is the best answer, or, where there is none, the reason of the first camera and the words
    of all.
    """
    cameras = tuple(
        CameraReply(
            camera=camera, answer=reply.answer, status=int(reply.status), message=reply.message
        )
        for camera, reply in replies.items()
        if camera
    )
    answered = [reply for reply in replies.values() if reply.status == StatusCode.OK]
    if answered:
        return replace(max(answered, key=_rank), cameras=cameras)
    first = next(iter(replies.values()))
    words = dict.fromkeys(reply.message for reply in replies.values())
    return replace(first, message='; '.join(words), cameras=cameras)


def _rank(reply: Reply) -> tuple[bool, float]:
    """Put cameras that see what is asked about before the others, then sure ones before unsure."""
    answer = reply.answer
    is_no = answer.kind == SpatialAnswer.YES_NO and not answer.yes
    return not (is_no or answer.text.startswith(NOTHING_THERE)), sureness(answer.confidence)
