"""Questions from ROS callbacks to the scheduler, and their answers back.

A callback awaits its answer while the executor's one thread goes on with images and cancel
requests. The answer arrives on the scheduler's thread, which wakes the executor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from rclpy.node import Node
from rclpy.task import Future as RclpyFuture

from spatialllm_msgs.msg import SpatialAnswer
from spatialllm_ros.errors import GeometryError, SpatialLLMError
from spatialllm_ros.node.gravity import UpSource
from spatialllm_ros.node.messages import StatusCode, answer_header, answer_message, status_of
from spatialllm_ros.runtime.scheduler import OnText, Scheduler
from spatialllm_ros.schema import Answer, Query


@dataclass(frozen=True)
class Reply:
    """How a question ended: with an answer, or with the reason why there is none."""

    status: StatusCode
    message: str = ''
    answer: SpatialAnswer = field(default_factory=SpatialAnswer)


class Asker:
    """Asks the scheduler and keeps count of how that ended.

    Attributes:
        replies: how many questions ended in each way.
        open: how many callers have not been told yet.
    """

    def __init__(self, node: Node, scheduler: Scheduler, ups: Mapping[str, UpSource]) -> None:
        """Ask on behalf of a node's callbacks.

        Args:
            node: its executor is where callbacks go on once they have their answer.
            scheduler: answers.
            ups: gravity in the images of each camera.
        """
        self.replies: Counter[StatusCode] = Counter()
        self.open = 0
        self._node, self._scheduler, self._ups = node, scheduler, ups

    def submit(
        self, make_query: Callable[[], Query], on_text: OnText | None = None
    ) -> Future[Answer]:
        """Queue a question; one that is refused is over at once, with the reason."""
        try:
            return self._scheduler.submit(make_query(), on_text)
        except SpatialLLMError as error:
            refused: Future[Answer] = Future()
            refused.set_exception(error)
            return refused

    async def reply(self, answer: Future[Answer], question: str) -> Reply:
        """Wait for a question's end; nothing is raised, a failure is a status."""
        executor = self._node.executor
        arrived = RclpyFuture(executor=executor)

        def go_on(_: Future[Answer]) -> None:
            arrived.set_result(None)
            executor.wake()  # or it would look at what awaits only after the next message

        answer.add_done_callback(go_on)
        self.open += 1
        await arrived
        self.open -= 1
        reply = self._reply(answer, question)
        self.replies[reply.status] += 1
        return reply

    def _reply(self, answer: Future[Answer], question: str) -> Reply:
        error = answer.exception()
        if error is None:
            try:
                return Reply(StatusCode.OK, answer=self._message(answer.result(), question))
            except GeometryError as impossible:
                error = impossible
        if not isinstance(error, SpatialLLMError):
            self._node.get_logger().error(f'a question failed unexpectedly: {error!r}')
        return Reply(status_of(error), str(error))

    def _message(self, answer: Answer, question: str) -> SpatialAnswer:
        up_optical = self._ups[answer.camera_name](answer_header(answer))
        return answer_message(answer, question, up_optical)
