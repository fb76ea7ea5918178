"""The topic of detections: located objects as ``vision_msgs``, for other packages."""

from __future__ import annotations

from typing import Any

from geometry_msgs.msg import PoseWithCovariance
from rclpy.node import Node

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.annotation_words import object_phrase
from spatialllm_ros.node.messages import LEVEL_UP, answer_header, pose_message
from spatialllm_ros.schema import Answer, Frame, Query

TOPIC = '~/detections'


class Detections:
    """Publishes each located object in the frame of its image."""

    def __init__(self, node: Node) -> None:
        """Offer the topic.

        Raises:
            ConfigError: vision_msgs is not installed.
        """
        try:
            from vision_msgs import msg  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError(
                'expected vision_msgs, found none: detections are off; install '
                'ros-<distribution>-vision-msgs to have them'
            ) from error
        self._node, self._kinds = node, msg
        self._publisher = node.create_publisher(msg.Detection3DArray, TOPIC, 10)

    def show(self, frame: Frame, query: Query, answer: Answer) -> None:
        """Publish where an answer locates an object; from any thread."""
        if answer.pose is not None and self._publisher.get_subscription_count():
            self._publisher.publish(detection_array(self._kinds, frame, query, answer))

    def close(self) -> None:
        """Withdraw the topic; nothing may be shown any more."""
        self._node.destroy_publisher(self._publisher)


def detection_array(kinds: Any, frame: Frame, query: Query, answer: Answer) -> Any:
    """Return a located object as a ``Detection3DArray`` in the frame of its image.

    Its class is the phrase that names it. The box has no size and the pose no covariance: the
    model tells neither.

    Args:
        kinds: the module ``vision_msgs.msg``.
        frame: tells gravity, which the heading is relative to.
        query: names the object.
        answer: with a pose.
    """
    assert answer.pose is not None, 'only a pose can be detected'
    phrase, header = object_phrase(query.question), answer_header(answer)
    pose = pose_message(answer.pose, frame.camera.up_optical or LEVEL_UP)
    hypothesis = kinds.ObjectHypothesis(class_id=phrase, score=float(answer.confidence))
    detection = kinds.Detection3D(
        header=header,
        results=[
            kinds.ObjectHypothesisWithPose(
                hypothesis=hypothesis, pose=PoseWithCovariance(pose=pose)
            )
        ],
        bbox=kinds.BoundingBox3D(center=pose),
        id=f'{answer.camera_name}/{phrase}',
    )
    return kinds.Detection3DArray(header=header, detections=[detection])
