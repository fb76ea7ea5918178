"""Records of the runtime into ROS messages, errors into statuses, ROS times into numbers."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, Quaternion
from std_msgs.msg import Header

from spatialllm_msgs.msg import SpatialAnswer, Status
from spatialllm_msgs.msg import Timing as TimingMessage
from spatialllm_ros.errors import (
    AnswerParseError,
    AnswerTimeoutError,
    BusyError,
    CancelledError,
    EngineError,
    GeometryError,
    NoFrameError,
    QuestionError,
    ReplyError,
    SpatialLLMError,
    StaleFrameError,
    UncalibratedCameraError,
    UnknownCameraError,
)
from spatialllm_ros.geometry import front_from_azimuth, rotation_from_front
from spatialllm_ros.node.transforms import TransformError
from spatialllm_ros.schema import Answer, LocatedObject, Mat3, Timing, Vec3

NANOSECONDS = 1_000_000_000

NOT_CHECKED = 'the answer was not put beside a depth image'

LEVEL_UP: Vec3 = (0.0, -1.0, 0.0)
"""Up in the optical frame of a level camera; taken where gravity is unknown."""


class StatusCode(IntEnum):
    """The constants of ``Status.msg``."""

    OK = Status.OK
    NO_FRAME = Status.NO_FRAME
    STALE_FRAME = Status.STALE_FRAME
    BAD_QUESTION = Status.BAD_QUESTION
    BUSY = Status.BUSY
    CANCELLED = Status.CANCELLED
    TIMEOUT = Status.TIMEOUT
    ENGINE_ERROR = Status.ENGINE_ERROR
    NO_TRANSFORM = Status.NO_TRANSFORM
    UNCALIBRATED = Status.UNCALIBRATED
    UNKNOWN_CAMERA = Status.UNKNOWN_CAMERA


STATUS_OF_ERROR: dict[type[SpatialLLMError], StatusCode] = {
    NoFrameError: StatusCode.NO_FRAME,
    StaleFrameError: StatusCode.STALE_FRAME,
    QuestionError: StatusCode.BAD_QUESTION,
    UncalibratedCameraError: StatusCode.UNCALIBRATED,
    UnknownCameraError: StatusCode.UNKNOWN_CAMERA,
    BusyError: StatusCode.BUSY,
    CancelledError: StatusCode.CANCELLED,
    AnswerTimeoutError: StatusCode.TIMEOUT,
    TransformError: StatusCode.NO_TRANSFORM,
    EngineError: StatusCode.ENGINE_ERROR,
    AnswerParseError: StatusCode.ENGINE_ERROR,
    GeometryError: StatusCode.ENGINE_ERROR,
}
"""The one place where errors become statuses; an error that is not named is the engine's."""


def status_code(number: int) -> StatusCode:
    """Return the status that a node tells by its number.

    Raises:
        ReplyError: ``Status.msg`` has none of that number.
    """
    try:
        return StatusCode(number)
    except ValueError as error:
        raise ReplyError(
            f'expected a status of 0 to {max(StatusCode):d} from the node, found {number}; is it '
            'of another version?'
        ) from error


def status_of(error: BaseException) -> StatusCode:
    """Return the status that a caller is told for an error."""
    for kind in type(error).__mro__:
        if kind in STATUS_OF_ERROR:
            return STATUS_OF_ERROR[kind]
    return StatusCode.ENGINE_ERROR


def time_message(stamp_ns: int) -> Time:
    """Return nanoseconds since the epoch as a message."""
    seconds, nanoseconds_left = divmod(stamp_ns, NANOSECONDS)
    return Time(sec=seconds, nanosec=nanoseconds_left)


def nanoseconds(time: Time | Duration) -> int:
    """Return a time or duration message in nanoseconds."""
    return int(time.sec) * NANOSECONDS + int(time.nanosec)


def answer_header(answer: Answer) -> Header:
    """Return the header of the image that an answer speaks of."""
    return Header(stamp=time_message(answer.stamp_ns), frame_id=answer.frame_id)


def answer_message(answer: Answer, question: str) -> SpatialAnswer:
    """Return an answer as a message, under the header of the image that it speaks of.

    A heading is relative to gravity as the model had it: by now TF may tell otherwise of the
    image's moment.

    Args:
        answer: from the runtime.
        question: as it was asked.
    """
    message = SpatialAnswer(
        header=answer_header(answer),
        camera=answer.camera_name,
        question=question,
        text=answer.text,
        kind=answer.kind.value,
        confidence=float(answer.confidence),
        unit=answer.unit,
        depth_m=math.nan,
        depth_note=NOT_CHECKED,
        timing=timing_message(answer.timing),
    )
    if answer.yes is not None:
        message.yes = answer.yes
    if answer.choice is not None:
        message.choice = answer.choice
    if answer.number is not None:
        message.number = float(answer.number)
    if answer.pose is not None:
        up_optical = answer.camera.up_optical if answer.camera is not None else None
        message.pose = pose_message(answer.pose, up_optical or LEVEL_UP)
        message.has_heading = answer.pose.heading_rad is not None
    return message


def timing_message(timing: Timing) -> TimingMessage:
    """Return how long an answer took as a message."""
    return TimingMessage(
        image_age_s=timing.image_age_s,
        encode_s=timing.encode_s,
        queue_s=timing.queue_s,
        prefill_s=timing.prefill_s,
        decode_s=timing.decode_s,
        total_s=timing.total_s,
    )


def pose_message(located: LocatedObject, up_optical: Vec3) -> Pose:
    """Return where an object is, optical frame; without a heading, turned by nothing."""
    x, y, z = located.centre_optical_m
    pose = Pose(position=Point(x=x, y=y, z=z))
    if located.heading_rad is not None:
        centre = located.centre_optical_m
        front = front_from_azimuth(located.heading_rad, centre, up_optical)
        pose.orientation = quaternion_message(rotation_from_front(front, up_optical))
    return pose


def quaternion_message(rotation: Mat3) -> Quaternion:
    """Return a rotation matrix, given by rows, as a unit quaternion.

    Source: Shepperd, Quaternion from Rotation Matrix, 1978.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation
    # Four times the products of its parts: each row is a multiple of it.
    products = np.array([
        [1 + xx - yy - zz, xy + yx, xz + zx, zy - yz],
        [xy + yx, 1 - xx + yy - zz, yz + zy, xz - zx],
        [xz + zx, yz + zy, 1 - xx - yy + zz, yx - xy],
        [zy - yz, xz - zx, yx - xy, 1 + xx + yy + zz],
    ])  # fmt: skip
    longest = products[products.diagonal().argmax()]
    x, y, z, w = (float(part) for part in longest / np.linalg.norm(longest))
    return Quaternion(x=x, y=y, z=z, w=w)
