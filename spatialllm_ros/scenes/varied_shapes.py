"""Builds drawn at random around the known ones: other proportions, other solids, other materials.

A model that has seen each category in one shape learns that shape. What a person would still call
a car with the same front stays: parts keep their places, pairs stay mirrored, the paint stays on
most of the object.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spatialllm_ros.scenes.catalogue import CATEGORIES, Category
from spatialllm_ros.scenes.other_shapes import OTHER_SHAPES
from spatialllm_ros.scenes.primitives import PAINT, Part
from spatialllm_ros.schema import Vec3

STRETCH = 0.16
"""Each axis of an object is stretched by up to this share, its volume kept."""
PART_STRETCH = 0.22
SWAP_SHARE = 0.25
"""How often a part becomes another solid of the same extent."""
MATERIAL_SHARE = 0.15
LOST_SHARE = 0.06
FREE_ROLES = ('dark', 'metal', 'light', 'wood', 'cloth', 'shade')
"""Roles that may take one another's place; the others show where a front is."""
SOLIDS = ('box', 'ellipsoid')


def varied_shape(category: str, rng: np.random.Generator) -> Category:
    """Return a build of a category that no one has seen before; it stands on the ground."""
    known = (CATEGORIES, OTHER_SHAPES)[int(rng.integers(2))][category]
    factors = np.exp(rng.uniform(-STRETCH, STRETCH, 3))
    factors /= np.cbrt(factors.prod())
    largest = max(known.parts, key=lambda part: float(np.prod(part.half_size_m)))
    parts: list[Part] = []
    for group in _groups(known.parts):
        is_needed = largest in group or group[0].role not in FREE_ROLES
        if is_needed or rng.random() > LOST_SHARE:
            parts += _varied(group, factors, rng, may_swap=largest not in group)
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
    group: list[Part], factors: np.ndarray, rng: np.random.Generator, *, may_swap: bool
) -> list[Part]:
    """Return a part or mirrored pair with one change for both."""
    first = group[0]
    own = np.exp(rng.uniform(-PART_STRETCH, PART_STRETCH, 3))
    # Along the part's own axes; a round solid stays round.
    half = np.array(first.half_size_m) * own * (np.array(first.rotation).T ** 2 @ factors)
    shape, role = first.shape, first.role
    if shape == 'cylinder':
        half[:2] = half[:2].mean()
    if may_swap and rng.random() < SWAP_SHARE and shape in SOLIDS:
        shape = SOLIDS[1 - SOLIDS.index(shape)]
    if role in FREE_ROLES and rng.random() < MATERIAL_SHARE:
        role = FREE_ROLES[int(rng.integers(len(FREE_ROLES)))]
    elif role == PAINT and may_swap and rng.random() < MATERIAL_SHARE:
        role = 'shade'
    return [
        replace(
            part, shape=shape, role=role, half_size_m=_vec3(half),
            centre_m=_vec3(np.array(part.centre_m) * factors),
        )
        for part in group
    ]  # fmt: skip


def _grounded(build: Category) -> Category:
    """Return the build moved up or down so that its lowest part touches the ground."""
    lift = -float(build.bounds_m[0][2])
    moved = tuple(
        replace(part, centre_m=(part.centre_m[0], part.centre_m[1], part.centre_m[2] + lift))
        for part in build.parts
    )
    return replace(build, parts=moved)


def _vec3(values: np.ndarray) -> Vec3:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
