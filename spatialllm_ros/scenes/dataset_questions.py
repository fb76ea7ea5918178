"""What may be asked of annotated images: each source answers for some types of question only.

Nobody annotated everything that is there, so no question about an absent object is kept, and
existence and number are not asked. Nobody annotated colours, so phrases name none. An object is
called by its phrase or not at all: what was left out of the scene may be in the image too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from spatialllm_ros.questions.balance import Balancer
from spatialllm_ros.questions.candidates import metres
from spatialllm_ros.questions.generator import ABSENT, generate
from spatialllm_ros.schema import QuestionRecord, Scene

ORIENTATION_TYPES = ('orientation_viewpoint', 'heading')
ROAD_TYPES = (
    'location_closer_to_camera', 'location_next_to', 'orientation_in_front_of',
    'orientation_on_the_left', 'orientation_viewpoint', 'multi_object_closer_to',
    'multi_object_facing', 'multi_object_viewpoint_towards_object', 'multi_object_parallel',
    'multi_object_same_direction', 'distance_to_camera', 'distance_between', 'heading', 'locate',
)  # fmt: skip
ROOM_TYPES = (
    'height_higher', 'location_above', 'location_closer_to_camera', 'location_next_to',
    'multi_object_closer_to', 'distance_to_camera', 'distance_between', 'locate',
)  # fmt: skip
FRONT_TYPES = (
    'orientation_in_front_of', 'orientation_on_the_left', 'orientation_viewpoint',
    'multi_object_facing', 'multi_object_viewpoint_towards_object', 'multi_object_parallel',
    'multi_object_same_direction', 'heading',
)  # fmt: skip
UPLESS_TYPES = (
    'location_closer_to_camera', 'multi_object_closer_to', 'distance_to_camera',
    'distance_between', 'locate',
)  # fmt: skip
"""What does not change with the direction of gravity."""
FLOOR_TYPES = ('height_above_floor',)
"""What asks for the floor itself, not only for up."""
ASKABLE_TYPES = {
    'images': ROOM_TYPES + FLOOR_TYPES + FRONT_TYPES,
    'imagenet3d': ORIENTATION_TYPES,
    'kitti': ROAD_TYPES,
    'nuscenes': ROAD_TYPES,
    'omni3d': ROOM_TYPES,
}
"""By source. Roads slope, so heights are not asked there; Omni3D knows no fronts; of plain images,
objects have one only where a model saw it."""
ANY_UP = (0.0, -1.0, 0.0)
ROUNDS = 6
"""Many draws find nothing to ask or are not kept: the missing ones are drawn so often."""
FARTHEST = metres(float('inf'))
"""What answers say of this length and any beyond it."""


def is_annotated(scene: Scene) -> bool:
    """Whether a scene is an annotated image, not a simulated world whose whole truth is known."""
    return scene.source.split('/')[0] in ASKABLE_TYPES


def askable_types(scene: Scene) -> tuple[str, ...]:
    """Return the types that a scene's annotation can answer, given what is known of gravity."""
    known = ASKABLE_TYPES[scene.source.split('/')[0]]
    if scene.camera.up_optical is None:
        return tuple(name for name in known if name in UPLESS_TYPES)
    if scene.camera.height_m is None:
        return tuple(name for name in known if name not in FLOOR_TYPES)
    return known


def ask_annotated(
    scene: Scene, rng: np.random.Generator, balancer: Balancer, per_scene: int,
    wanted: Collection[str] = (),
) -> list[QuestionRecord]:  # fmt: skip
    """Return up to ``per_scene`` questions that the annotation of a scene can answer.

    Those of the ``wanted`` types, where any are named.
    """
    types = [name for name in askable_types(scene) if not wanted or name in wanted]
    if not types:
        return []
    floored = with_floor(_with_unnamed_hidden(scene))
    made: list[QuestionRecord] = []
    for _ in range(ROUNDS):
        drawn = generate(floored, rng, balancer, per_scene - len(made), types=types)
        made += [record for record in drawn if is_founded(record)]
    return made


def _with_unnamed_hidden(scene: Scene) -> Scene:
    """Return the scene with objects that have no phrase as hidden as those nothing is asked of.

    Questions would call them by words that single them out among the objects of the scene.
    """
    objects = (item if item.phrase else replace(item, visibility=0.0) for item in scene.objects)
    return replace(scene, objects=tuple(objects))


def with_floor(scene: Scene) -> Scene:
    """Return the scene with up and a floor for ``relations``, which want both.

    Where they are unknown, no askable type looks at them: any will do.
    """
    camera = scene.camera
    up = ANY_UP if camera.up_optical is None else camera.up_optical
    height_m = 0.0 if camera.height_m is None else camera.height_m
    return replace(scene, camera=replace(camera, up_optical=up, height_m=height_m))


def is_founded(record: QuestionRecord) -> bool:
    """Whether a question names no absent object and its answer is exact."""
    is_present = all(mention.object_index != ABSENT for mention in record.mentions)
    return is_present and FARTHEST not in record.answer
