"""Stands in for tf2_ros in a node's process, where it is not installed.

Knows the transforms between two frames that come as TransformStamped on /tf, and interpolates
between them as tf2 does; time zero asks for the newest. What is much older than the newest is no
longer taken, until the buffer is cleared.
"""

import bisect

import numpy as np
from geometry_msgs.msg import Quaternion, TransformStamped
from rclpy.time import Time
from std_msgs.msg import Header


class TransformException(Exception):  # noqa: N818 (tf2's own name)
    """What lookups fail by."""


KEPT_NS = 10_000_000_000
"""How far back transforms are remembered."""


class Buffer:
    """The transforms that have come, by their frames."""

    def __init__(self):
        self._known = {}

    def put(self, transform):
        frames = (transform.header.frame_id, transform.child_frame_id)
        stamp_ns = Time.from_msg(transform.header.stamp).nanoseconds
        known = self._known.setdefault(frames, [])
        if not known or stamp_ns >= known[-1][0] - KEPT_NS:
            bisect.insort(known, (stamp_ns, transform.transform), key=lambda one: one[0])

    def clear(self):
        self._known = {}

    def lookup_transform(self, target_frame, source_frame, time):
        known = self._known.get((target_frame, source_frame), [])
        if known and not time.nanoseconds:
            newest_ns, transform = known[-1]
            header = Header(stamp=Time(nanoseconds=newest_ns).to_msg(), frame_id=target_frame)
            return TransformStamped(header=header, transform=transform)
        after = bisect.bisect_left(known, time.nanoseconds, key=lambda one: one[0])
        if not 0 < after < len(known):
            raise TransformException('extrapolation')
        (early_ns, early), (late_ns, late) = known[after - 1 : after + 1]
        share = (time.nanoseconds - early_ns) / (late_ns - early_ns)
        found = TransformStamped()
        found.transform.translation = mixed(early.translation, late.translation, share)
        found.transform.rotation = mixed(early.rotation, late.rotation, share)
        return found


def mixed(early, late, share):
    """Return what lies between two vectors, or two quaternions that differ little."""
    kind = type(early)
    names = kind.get_fields_and_field_types()
    a, b = (np.array([getattr(one, name) for name in names]) for one in (early, late))
    between = (1 - share) * a + share * b
    if kind is Quaternion:
        between /= np.linalg.norm(between)
    return kind(**dict(zip(names, between.tolist(), strict=True)))


class TransformListener:
    """Fills a buffer while it is registered."""

    def __init__(self, buffer, node, spin_thread):
        assert not spin_thread, 'the node has one thread'
        self._node = node
        self._subscription = node.create_subscription(TransformStamped, '/tf', buffer.put, 100)

    def unregister(self):
        self._node.destroy_subscription(self._subscription)
