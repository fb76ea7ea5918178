"""The topic of markers: located objects as arrows and labels, for RViz and Foxglove."""

from __future__ import annotations

import zlib
from typing import Any

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Vector3
from rclpy.node import Node
from std_msgs.msg import ColorRGBA

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.annotation_words import object_phrase, range_m
from spatialllm_ros.node.messages import LEVEL_UP, answer_header, pose_message
from spatialllm_ros.schema import Answer, Frame, Query

TOPIC = '~/markers'
LIFETIME_S = 5
ARROW_M, ARROW_WIDTH_M = 0.5, 0.08
SPHERE_M = 0.15
LETTER_M, LABEL_ABOVE_M = 0.15, 0.3
AMBER = ColorRGBA(r=1.0, g=0.8, b=0.2, a=0.9)


class Markers:
    """Publishes an arrow out of the front of each located object, a sphere without a heading.

    An object that is located again replaces its own marker; one that is not disappears.
    """

    def __init__(self, node: Node) -> None:
        """Offer the topic.

        Raises:
            ConfigError: visualization_msgs is not installed.
        """
        try:
            from visualization_msgs import msg  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError(
                'expected visualization_msgs, found none: markers are off; install '
                'ros-<distribution>-visualization-msgs to have them'
            ) from error
        self._node, self._kinds = node, msg
        self._publisher = node.create_publisher(msg.MarkerArray, TOPIC, 10)

    def show(self, frame: Frame, query: Query, answer: Answer) -> None:
        """Publish where an answer locates an object; from any thread."""
        if answer.pose is not None and self._publisher.get_subscription_count():
            self._publisher.publish(marker_array(self._kinds, frame, query, answer))

    def close(self) -> None:
        """Withdraw the topic; nothing may be shown any more."""
        self._node.destroy_publisher(self._publisher)


def marker_array(kinds: Any, frame: Frame, query: Query, answer: Answer) -> Any:
    """Return a located object as a ``MarkerArray``: its heading or place, and its label.

    Args:
        kinds: the module ``visualization_msgs.msg``.
        frame: tells gravity, which the heading is relative to.
        query: names the object; the name gives the marker its number.
        answer: with a pose.
    """
    assert answer.pose is not None, 'only a pose can be marked'
    phrase = object_phrase(query.question)
    common = {
        'header': answer_header(answer),
        'id': zlib.crc32(phrase.encode()) & 0x7FFFFFFF,
        'lifetime': Duration(sec=LIFETIME_S),
        'color': AMBER,
    }
    pose = pose_message(answer.pose, frame.camera.up_optical or LEVEL_UP)
    body = kinds.Marker(ns=f'{answer.camera_name}/objects', pose=pose, **common)
    if answer.pose.heading_rad is None:
        body.type, body.scale = kinds.Marker.SPHERE, Vector3(x=SPHERE_M, y=SPHERE_M, z=SPHERE_M)
    else:
        body.type = kinds.Marker.ARROW
        body.scale = Vector3(x=ARROW_M, y=ARROW_WIDTH_M, z=ARROW_WIDTH_M)
    label = kinds.Marker(
        ns=f'{answer.camera_name}/labels',
        type=kinds.Marker.TEXT_VIEW_FACING,
        text=f'{phrase} {range_m(answer):.1f} m',
        scale=Vector3(z=LETTER_M),
        **common,
    )
    up = frame.camera.up_optical or LEVEL_UP
    place = zip(answer.pose.centre_optical_m, up, strict=True)
    above = (centre + LABEL_ABOVE_M * along for centre, along in place)
    position = label.pose.position
    position.x, position.y, position.z = above
    return kinds.MarkerArray(markers=[body, label])
