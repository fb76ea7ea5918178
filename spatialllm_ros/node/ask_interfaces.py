"""The ways to ask: action, services, topic pair. Each turns a request into a query and back."""

from __future__ import annotations

import time
from typing import Any

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import String

from spatialllm_msgs.action import AskSpatial
from spatialllm_msgs.msg import SpatialAnswer
from spatialllm_msgs.srv import AskSpatial as AskOnce
from spatialllm_msgs.srv import Locate, SetWatches
from spatialllm_ros.errors import BusyError, QuestionError, SpatialLLMError
from spatialllm_ros.node.asking import NOT_CONFIGURED, Asked, Asker, Reply, Resting
from spatialllm_ros.node.locating import LOCATE_QUESTION, absence
from spatialllm_ros.node.messages import NANOSECONDS, StatusCode, nanoseconds, status_of
from spatialllm_ros.node.transforms import TransformError, Transforms, transformed_pose
from spatialllm_ros.node.watching import Watches
from spatialllm_ros.runtime.answers import sureness
from spatialllm_ros.runtime.watches import Watch
from spatialllm_ros.schema import Query

RESULT_KEPT_S = 60
"""How long a client may take to fetch its goal's result; rclpy's own 10 s lose slow ones."""

PATIENCE_S = 0.3
"""How long a place waits for its transform; less than a node that ends has for its last words."""

IN_BURSTS = QoSProfile(depth=100)
"""Of a burst of questions none is lost on its way: each is told at least that the node is busy."""


class AskInterfaces:
    """The action ``~/ask``, the services, and the topics of questions and answers.

    The services are ``~/ask_once``, ``~/locate`` and ``~/set_watches``.

    A ``std_msgs/String`` on ``~/question`` is answered on ``~/answer``, or, where there is no
    answer, by a sentence on ``~/refused``.

    They stay as long as the node: what is withdrawn takes with it the replies that have not left.

    Attributes:
        waiting: how many callers have their answer as soon as TF comes.
    """

    def __init__(self, node: Node) -> None:
        """Offer all of them, and refuse what is asked until ``serve``."""
        self._node, self.waiting = node, 0
        self._asker: Asker | Resting = Resting()
        self._transforms: Transforms | None = None
        self._watches: Watches | None = None
        self._running: dict[bytes, Asked] = {}
        # Questions wait for their answers side by side, and a cancel request beside them.
        group = ReentrantCallbackGroup()
        self._action = ActionServer(
            node,
            AskSpatial,
            '~/ask',
            self._execute,
            callback_group=group,
            cancel_callback=self._cancel,
            result_timeout=RESULT_KEPT_S,
            goal_service_qos_profile=IN_BURSTS,
            result_service_qos_profile=IN_BURSTS,
            cancel_service_qos_profile=IN_BURSTS,
        )
        self._services = [
            node.create_service(kind, name, take, qos_profile=IN_BURSTS, callback_group=group)
            for kind, name, take in (
                (AskOnce, '~/ask_once', self._ask_once),
                (Locate, '~/locate', self._locate),
                (SetWatches, '~/set_watches', self._set_watches),
            )
        ]
        self._question = node.create_subscription(
            String, '~/question', self._on_question, IN_BURSTS, callback_group=group
        )
        self._answer = node.create_publisher(SpatialAnswer, '~/answer', IN_BURSTS)
        self._refused = node.create_publisher(String, '~/refused', IN_BURSTS)

    def serve(self, asker: Asker, transforms: Transforms | None, watches: Watches) -> None:
        """Have questions answered; ``transforms`` is None where TF is not installed."""
        self._asker, self._transforms, self._watches = asker, transforms, watches

    def rest(self) -> None:
        """Let go of what answers; callers that have not been told yet still are."""
        self._asker, self._transforms, self._watches = Resting(), None, None

    async def _execute(self, goal: ServerGoalHandle) -> Any:
        key = bytes(goal.goal_id.uuid)

        def on_text(camera: str, text: str) -> None:
            goal.publish_feedback(AskSpatial.Feedback(partial_text=text, camera=camera))

        asked = self._asker.submit(lambda: query(goal.request), on_text)
        self._running[key] = asked
        if goal.is_cancel_requested:  # between its acceptance and now
            asked.cancel()
        reply = await self._asker.reply(asked, goal.request.question)
        del self._running[key]
        if reply.status == StatusCode.OK:
            goal.succeed()
        elif reply.status == StatusCode.CANCELLED and goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return filled(AskSpatial.Result(), reply)

    def _cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        asked = self._running.get(bytes(goal.goal_id.uuid))
        if asked is not None:
            asked.cancel()
        return CancelResponse.ACCEPT

    async def _ask_once(self, request: Any, response: Any) -> Any:
        asked = self._asker.submit(lambda: query(request))
        return filled(response, await self._asker.reply(asked, request.question))

    async def _locate(self, request: Any, response: Any) -> Any:
        phrase = request.phrase.strip()
        asked = self._asker.submit(lambda: locate_query(request), located=phrase)
        reply = await self._asker.reply(asked, request.phrase)
        response.status, response.message = int(reply.status), reply.message
        found = [one.answer for one in reply.cameras if one.answer.kind == SpatialAnswer.POSE]
        if not found and reply.cameras:
            response.status, response.message = absence(reply.cameras)
        self.waiting += 1
        try:
            await self._add_places(response, found, request.target_frame)
        finally:
            self.waiting -= 1
        return response

    async def _add_places(
        self, response: Any, found: list[SpatialAnswer], target_frame: str
    ) -> None:
        """Add what was located, the surest first, and name the cameras that TF does not know."""
        unknown: dict[str, str] = {}
        end_s = time.monotonic() + PATIENCE_S
        for answer in sorted(found, key=lambda answer: -sureness(answer.confidence)):
            try:
                place = await self._in_frame(answer, target_frame, end_s)
            except TransformError as error:
                unknown[answer.camera] = str(error)
            else:
                add_place(response, place, answer)
        if response.poses:
            lacking = [f'no pose of {camera}: {error}' for camera, error in unknown.items()]
            response.message = '; '.join(filter(None, [response.message, *lacking]))
        elif unknown:
            response.status = int(StatusCode.NO_TRANSFORM)
            response.message = '; '.join(dict.fromkeys(unknown.values()))

    async def _in_frame(
        self, answer: SpatialAnswer, target_frame: str, end_s: float
    ) -> PoseStamped:
        found = PoseStamped(header=answer.header, pose=answer.pose)
        if target_frame in {'', found.header.frame_id}:
            return found
        if self._transforms is None:
            raise TransformError(
                f'expected TF for target_frame {target_frame!r}, but tf2_ros is not installed; '
                'leave target_frame empty for the optical frame of the camera'
            )
        header = found.header
        transform = await self._transforms.lookup_until(
            end_s, target_frame, header.frame_id, header.stamp
        )
        moved = PoseStamped(header=header, pose=transformed_pose(transform, found.pose))
        moved.header.frame_id = target_frame
        if not answer.has_heading:
            moved.pose.orientation = found.pose.orientation
        return moved

    def _set_watches(self, request: Any, response: Any) -> Any:
        try:
            if self._watches is None:
                raise BusyError(NOT_CONFIGURED)
            response.topics = self._watches.set([watch(one) for one in request.watches])
        except SpatialLLMError as error:
            response.status, response.message = int(status_of(error)), str(error)
        return response

    async def _on_question(self, message: String) -> None:
        asked = self._asker.submit(lambda: Query(message.data))
        reply = await self._asker.reply(asked, message.data)
        if reply.status == StatusCode.OK:
            self._answer.publish(reply.answer)
        else:
            self._refused.publish(String(data=f'{reply.status.name}: {reply.message}'))


def filled(response: Any, reply: Reply) -> Any:
    """Return an action's result or a service's response with a reply in it."""
    response.answer, response.cameras = reply.answer, list(reply.cameras)
    response.status, response.message = int(reply.status), reply.message
    return response


def add_place(response: Any, place: PoseStamped, answer: SpatialAnswer) -> None:
    """Add one camera's place to the arrays of a response."""
    response.poses.append(place)
    response.has_heading.append(answer.has_heading)
    response.confidences.append(answer.confidence)
    response.cameras.append(answer.camera)
    response.depths_m.append(answer.depth_m)
    response.depth_notes.append(answer.depth_note)


def query(request: Any) -> Query:
    """Return an action goal or service request as a query.

    Raises:
        QuestionError: its limit on the image's age is negative.
    """
    return Query(
        question=request.question,
        options=tuple(request.options),
        camera=request.camera,
        max_frame_age_s=max_age_s(request.max_frame_age),
    )


def watch(message: Any) -> Watch:
    """Return a standing question of a request."""
    return Watch(message.name, Query(message.question, tuple(message.options), message.camera))


def locate_query(request: Any) -> Query:
    """Return a locate request as a query.

    Raises:
        QuestionError: it names nothing, or its limit on the image's age is negative.
    """
    phrase = request.phrase.strip()
    if not phrase:
        raise QuestionError('expected a phrase that names an object, found an empty one')
    return Query(
        question=LOCATE_QUESTION.format(phrase=phrase),
        camera=request.camera,
        max_frame_age_s=max_age_s(request.max_frame_age),
    )


def max_age_s(limit: Duration) -> float | None:
    """Return a request's limit on the image's age; None for zero, the node's own.

    Raises:
        QuestionError: the limit is negative.
    """
    age_s = nanoseconds(limit) / NANOSECONDS
    if age_s < 0:
        raise QuestionError(f'expected a max_frame_age of zero or more, found {age_s} s')
    return age_s or None
