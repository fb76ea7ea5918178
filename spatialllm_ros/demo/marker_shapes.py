"""The bodies of ``visualization_msgs/Marker``, told from a message's own fields alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from visualization_msgs.msg import Marker

from spatialllm_ros.errors import InputError
from spatialllm_ros.geometry import Array, box_corners, rotation_from_front, unit
from spatialllm_ros.scenes.annotation import quaternion_rotation

RIM_POINTS, BANDS = 24, 12
HEAD_SHARE, HEAD_WIDTHS = 0.23, 2.0
"""Of an arrow with a pose: its head's share of the length, and width in shafts, as in RViz."""


class MarkerError(InputError):
    """A marker that cannot be drawn."""


@dataclass(frozen=True)
class Body:
    """What a marker looks like, in metres, in the frame of its header.

    Attributes:
        solids: convex bodies, each the points (N, 3) that span it.
        edges: lines between two points (2, 3).
    """

    solids: tuple[Array, ...] = ()
    edges: tuple[Array, ...] = ()


def body_of(marker: Any) -> Body:
    """Return the body of a marker; words have none.

    Raises:
        MarkerError: markers of this type are not drawn, or an arrow has points but not two.
        SceneError: the orientation is no unit quaternion.
    """
    build = BODIES.get(marker.type)
    if build is None:
        known = ', '.join(type_name(number) for number in BODIES)
        raise MarkerError(
            f'expected a marker of the types {known}, found {type_name(marker.type)} in the '
            f'namespace {marker.ns!r}; teach marker_shapes.py to draw it'
        )
    return build(marker)


def type_name(number: int) -> str:
    """Return a type of markers by its name in the message's definition."""
    return TYPE_NAMES.get(number, f'type {number}')


def position_of(marker: Any) -> Array:
    """Return where a marker is, (3,) m."""
    place = marker.pose.position
    return np.array([place.x, place.y, place.z])


def size_of(marker: Any) -> Array:
    """Return a marker's scale, (3,) m."""
    return np.array([marker.scale.x, marker.scale.y, marker.scale.z])


def _rotation(marker: Any) -> Array:
    turn = marker.pose.orientation
    return quaternion_rotation((turn.w, turn.x, turn.y, turn.z))


def _cube(marker: Any) -> Body:
    corners = box_corners(position_of(marker), size_of(marker), _rotation(marker))
    ends = ((i, i | bit) for i in range(8) for bit in (1, 2, 4) if not i & bit)
    return Body(edges=tuple(corners[list(pair)] for pair in ends))


def _sphere(marker: Any) -> Body:
    bands = np.linspace(0, np.pi, BANDS + 1)
    surface = np.vstack([_rim(np.cos(a), (2 * np.sin(a), 2 * np.sin(a))) for a in bands])
    return Body((position_of(marker) + surface * size_of(marker) / 2 @ _rotation(marker).T,))


def _arrow(marker: Any) -> Body:
    """Return shaft and head: along the pose's x axis, or from the first point to the second."""
    if marker.points:
        return _arrow_between(marker)
    length_m, width_m, height_m = size_of(marker)
    widths = (width_m, height_m)
    heads = (HEAD_WIDTHS * width_m, HEAD_WIDTHS * height_m)
    parts = _shaft_and_head(length_m, HEAD_SHARE * length_m, widths, heads)
    return Body(tuple(position_of(marker) + part @ _rotation(marker).T for part in parts))


def _arrow_between(marker: Any) -> Body:
    if len(marker.points) != 2:
        raise MarkerError(
            f'expected no points or two of an ARROW in the namespace {marker.ns!r}, '
            f'found {len(marker.points)}'
        )
    local = np.array([[point.x, point.y, point.z] for point in marker.points])
    start, end = position_of(marker) + local @ _rotation(marker).T
    length_m = float(np.linalg.norm(end - start))
    shaft_m, head_m, head_length_m = size_of(marker)
    head_length_m = min(length_m, head_length_m or HEAD_SHARE * length_m)
    parts = _shaft_and_head(length_m, head_length_m, (shaft_m, shaft_m), (head_m, head_m))
    along = unit(end - start)
    up = np.cross(along, np.eye(3)[np.abs(along).argmin()])
    turn = np.asarray(rotation_from_front(along, up))
    return Body(tuple(start + part @ turn.T for part in parts))


def _shaft_and_head(
    length_m: float, head_m: float, shaft: tuple[float, float], head: tuple[float, float]
) -> tuple[Array, Array]:
    neck_m = length_m - head_m
    tip = np.array([[length_m, 0.0, 0.0]])
    return (
        np.vstack([_rim(0.0, shaft), _rim(neck_m, shaft)]),
        np.vstack([_rim(neck_m, head), tip]),
    )


def _rim(x: float, diameters: tuple[float, float]) -> Array:
    """Return an ellipse (RIM_POINTS, 3) across the x axis."""
    angles = np.linspace(0, 2 * np.pi, RIM_POINTS, endpoint=False)
    wide, high = diameters
    along: Array = np.full_like(angles, x)
    return np.stack([along, wide / 2 * np.cos(angles), high / 2 * np.sin(angles)], axis=1)


BODIES: dict[int, Callable[[Any], Body]] = {
    Marker.ARROW: _arrow,
    Marker.CUBE: _cube,
    Marker.SPHERE: _sphere,
    Marker.TEXT_VIEW_FACING: lambda _: Body(),
}
TYPE_NAMES: dict[int, str] = {
    getattr(Marker, name): name
    for name in (
        *('ARROW', 'CUBE', 'SPHERE', 'CYLINDER', 'LINE_STRIP', 'LINE_LIST', 'CUBE_LIST'),
        *('SPHERE_LIST', 'POINTS', 'TEXT_VIEW_FACING', 'MESH_RESOURCE', 'TRIANGLE_LIST'),
    )
}
