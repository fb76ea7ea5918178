"""Builds drawn at random around the known ones: other proportions, other solids, other materials.

A model that has seen each category in one shape learns that shape. What a person would still call
a car with the same front stays: parts keep their places, pairs stay mirrored, the paint stays on
most of the object.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.scenes.catalogue import CATEGORIES, Category
from spatialllm_ros.scenes.further_shapes import FURTHER_SHAPES
from spatialllm_ros.scenes.other_shapes import OTHER_SHAPES
from spatialllm_ros.scenes.primitives import PAINT, Part
from spatialllm_ros.schema import Vec3

Array = NDArray[np.float64]

STRETCH = 0.22
"""Each axis of an object is stretched by up to this share, its volume kept."""
PART_STRETCH = 0.22
SWAP_SHARE = 0.30
"""How often a part becomes another solid of the same extent."""
MATERIAL_SHARE = 0.18
LOST_SHARE = 0.06
FREE_ROLES = ('dark', 'metal', 'light', 'wood', 'cloth', 'shade')
"""Roles that may take one another's place; the others show where a front is."""
SOLIDS = ('box', 'ellipsoid')
SQUARE_ABOVE = 0.85
"""A box gives way to a cylinder only if its narrower side across is this share of the wider."""
KNOWN = (CATEGORIES, OTHER_SHAPES, *FURTHER_SHAPES)


def varied_shape(category: str, rng: np.random.Generator) -> Category:
    """Return a build of a category that no one has seen before; it stands on the ground."""
    known = KNOWN[int(rng.integers(len(KNOWN)))][category]
    factors = np.exp(rng.uniform(-STRETCH, STRETCH, 3))
    factors /= np.cbrt(factors.prod())
    largest = max(known.parts, key=lambda part: float(np.prod(part.half_size_m)))
    parts: list[Part] = []
    for group in _groups(known.parts):
        is_needed = largest in group or group[0].role not in FREE_ROLES
        if is_needed or rng.random() > LOST_SHARE:
            may_swap = largest not in group
            # Barrels, cones and bottles are known by being round.
            may_turn = may_swap and known.has_front
            parts += _varied(group, factors, rng, may_swap=may_swap, may_turn=may_turn)
    return _grounded(replace(known, parts=tuple(parts)))


def _groups(parts: tuple[Part, ...]) -> list[list[Part]]:
    """Return the parts with each mirrored pair together."""
    groups: list[list[Part]] = []
    for part in parts:
        x, y, z = part.centre_m
        if groups and y < 0 and groups[-1] == [replace(part, centre_m=(x, -y, z))]:
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def _varied(
    group: list[Part], factors: Array, rng: np.random.Generator, *, may_swap: bool, may_turn: bool
) -> list[Part]:
    """Return a part or mirrored pair with one change for both."""
    first = group[0]
    own = np.exp(rng.uniform(-PART_STRETCH, PART_STRETCH, 3))
    # Along the part's own axes; a round solid stays round.
    half = np.array(first.half_size_m) * own * (np.array(first.rotation).T ** 2 @ factors)
    shape, role, turn = first.shape, first.role, np.eye(3)
    if shape == 'cylinder':
        half[:2] = half[:2].mean()
    if may_swap and rng.random() < SWAP_SHARE:
        if may_turn and role == PAINT and rng.random() < 0.5:
            shape, half, turn = _box_or_cylinder(shape, half)
        elif shape in SOLIDS:
            shape = SOLIDS[1 - SOLIDS.index(shape)]
    if role in FREE_ROLES and rng.random() < MATERIAL_SHARE:
        role = FREE_ROLES[int(rng.integers(len(FREE_ROLES)))]
    elif role == PAINT and may_swap and rng.random() < MATERIAL_SHARE:
        role = 'shade'
    return [
        replace(
            part, shape=shape, role=role, half_size_m=_vec3(half),
            centre_m=_vec3(np.array(part.centre_m) * factors),
            rotation=_turned(part, turn),
        )
        for part in group
    ]  # fmt: skip


def _box_or_cylinder(shape: str, half: Array) -> tuple[str, Array, Array]:
    """Return the other of the two solids: its half extents and the turn to its own axes.

    What is neither, or a box with no nearly square section, stays as it is.
    """
    if shape == 'cylinder':
        return 'box', half, np.eye(3)
    across = [np.roll(half, -axis)[1:] for axis in range(3)]
    squareness = [float(sides.min() / sides.max()) for sides in across]
    axis = int(np.argmax(squareness))
    if shape != 'box' or squareness[axis] < SQUARE_ABOVE:
        return shape, half, np.eye(3)
    radius = float(across[axis].mean())
    turn = np.roll(np.eye(3), -axis - 1, axis=1)
    return 'cylinder', np.array([radius, radius, half[axis]]), turn


def _turned(part: Part, turn: Array) -> tuple[Vec3, Vec3, Vec3]:
    """Return the rotation of a part whose axes are turned within itself."""
    first, second, third = np.array(part.rotation, float) @ turn
    return (_vec3(first), _vec3(second), _vec3(third))


def _grounded(build: Category) -> Category:
    """Return the build moved up or down so that its lowest part touches the ground."""
    lift = -float(build.bounds_m[0][2])
    moved = tuple(
        replace(part, centre_m=(part.centre_m[0], part.centre_m[1], part.centre_m[2] + lift))
        for part in build.parts
    )
    return replace(build, parts=moved)


def _vec3(values: Array) -> Vec3:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
