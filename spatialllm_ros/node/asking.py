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
from spatialllm_ros.errors import BusyError, SpatialLLMError
from spatialllm_ros.node.depth_checks import DepthChecks
from spatialllm_ros.node.locating import NOTHING_THERE, if_there, presence_query
from spatialllm_ros.node.messages import StatusCode, answer_message, status_of
from spatialllm_ros.node.which_camera import (
    asked_of_each,
    asks_which_camera,
    name_cameras,
    unasked_words,
)
from spatialllm_ros.runtime.answers import sureness
from spatialllm_ros.runtime.frame_store import FrameStore
from spatialllm_ros.runtime.scheduler import Scheduler
from spatialllm_ros.schema import Answer, Query

OnCameraText = Callable[[str, str], None]
"""Hears a camera's name and its answer's words so far, on the scheduler's thread."""

LATENCIES_KEPT = 500

NOT_CONFIGURED = 'expected a configured node, found none; configure and activate it'


class Asked:
    """One question on its way to the cameras that it names.

    Attributes:
        answers: by camera; one without a name for a question that was refused as a whole.
        lookups: by camera, what was asked beside it of the same image: of what is located,
            whether it is there; of a distance that depth tells, where its object is.
        names_cameras: whether the names of cameras are the answer.
        located: the phrase that names what is to be located; empty for any other question.
    """

    def __init__(
        self,
        answers: Mapping[str, Future[Answer]],
        lookups: Mapping[str, Future[Answer]],
        names_cameras: bool = False,
        located: str = '',
    ) -> None:
        """Hold answers to come."""
        self.answers, self.lookups = answers, lookups
        self.names_cameras, self.located = names_cameras, located

    @property
    def parts(self) -> list[Future[Answer]]:
        """All that has to end before the reply."""
        return [*self.answers.values(), *self.lookups.values()]

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
        self,
        make_query: Callable[[], Query],
        on_text: OnCameraText = lambda *_: None,
        located: str = '',
    ) -> Asked:
        """Queue a question to each camera that its query names.

        One that is refused is over at once, with the reason.

        Args:
            make_query: may refuse.
            on_text: hears the words.
            located: see ``Asked``.
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
        lookups: dict[str, Future[Answer]] = {}
        for camera in cameras:
            answers[camera], lookup = self._submit(query, camera, on_text, located)
            if lookup is not None:
                lookups[camera] = lookup
        return Asked(answers, lookups, names_cameras, located)

    async def reply(self, asked: Asked, question: str) -> Reply:
        """Wait for a question's end; nothing is raised, a failure is a status."""
        self.open += 1
        for part in asked.parts:
            await self._end_of(part)
        self.open -= 1
        reply = combined(
            {camera: self._reply(asked, camera, question) for camera in asked.answers}
        )
        if asked.names_cameras and reply.status == StatusCode.OK:
            # A copy: what each camera said stays what it said.
            answer = name_cameras(copy(reply.answer), reply.cameras)
            reply = replace(reply, answer=answer)
        self.replies[reply.status] += 1
        if reply.status == StatusCode.OK:
            self.latencies_s.append(reply.answer.timing.total_s)
        return reply

    def _submit(
        self, query: Query, camera: str, on_text: OnCameraText, located: str
    ) -> tuple[Future[Answer], Future[Answer] | None]:
        """Return the answer to come and, where something is asked beside it, that one's."""
        query, hear = replace(query, camera=camera), partial(on_text, camera)
        lookup = presence_query(query, located) if located else self._depths.lookup(query, camera)
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

    def _reply(self, asked: Asked, camera: str, question: str) -> Reply:
        try:
            return Reply(StatusCode.OK, answer=self._message(asked, camera, question))
        except Exception as error:  # whatever happened, the caller is told
            if not isinstance(error, SpatialLLMError):
                self._node.get_logger().error(f'a question failed unexpectedly: {error!r}')
            return Reply(status_of(error), str(error))

    def _message(self, asked: Asked, camera: str, question: str) -> SpatialAnswer:
        answer, lookup = asked.answers[camera].result(), asked.lookups.get(camera)
        if asked.located and lookup is not None:
            answer = if_there(answer, lookup.result(), asked.located)
        message = answer_message(answer, question)
        message.depth_m, message.depth_note = self._depths.measured(answer, lookup)
        return message


class Resting:
    """Takes an asker's place while the node is not configured, and refuses what is asked."""

    def submit(
        self,
        make_query: Callable[[], Query],
        on_text: OnCameraText = lambda *_: None,
        located: str = '',
    ) -> Asked:
        """Refuse."""
        del make_query, on_text, located
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

    It is the best answer, beside the names of the cameras that have none; or, where nobody has,
    the reason of the first camera and the words of all.
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
        best = max(answered, key=_rank)
        return replace(best, message=unasked_words(cameras), cameras=cameras)
    first = next(iter(replies.values()))
    words = dict.fromkeys(reply.message for reply in replies.values())
    return replace(first, message='; '.join(words), cameras=cameras)


def _rank(reply: Reply) -> tuple[bool, float]:
    """Put cameras that see what is asked about before the others, then sure ones before unsure."""
    answer = reply.answer
    is_no = answer.kind == SpatialAnswer.YES_NO and not answer.yes
    return not (is_no or answer.text.startswith(NOTHING_THERE)), sureness(answer.confidence)
