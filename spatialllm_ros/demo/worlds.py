"""Simulated worlds as a camera sees them that stands and slowly turns there and back.

A turn about the vertical through the camera changes neither distances and heights nor which side
of an object is seen, so one truth holds for all images of a world.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from spatialllm_ros.demo.shots import RATE_HZ, Rgb, Shot, info_fields
from spatialllm_ros.demo.truth import Truth
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.questions import QUESTION_TYPES, Balancer, generate
from spatialllm_ros.questions.generator import absent_answer
from spatialllm_ros.scenes.layout import sample_world
from spatialllm_ros.scenes.shards import RenderedScene
from spatialllm_ros.scenes.simulated import SUPERSAMPLING, SceneSimulator
from spatialllm_ros.scenes.worlds import World
from spatialllm_ros.schema import QuestionRecord, Scene

WIDTH_PX, HEIGHT_PX = 640, 480
SWING_RAD = math.radians(3)
"""How far the camera turns to either side."""
STEPS = 23
"""Images on the way there, both ends included; the way back shows them again."""
IMAGES_PER_WORLD = 2 * STEPS - 2
QUESTIONS_PER_WORLD = 8
FEWEST_QUESTIONS = 3
"""A world of which less can be asked is passed over."""

NOT_ASKED = frozenset(
    ('locate', 'describe', 'list', 'list_of', 'exist_of', 'location_nearest', 'location_farthest')
)
"""Types whose answer the turn changes: where in the image something is, or what of all is seen."""
ABSENT_OBJECT = 'absent_object'
"""What the evaluation calls questions of any type that name an object which is not there."""
TYPES = (*(name for name in QUESTION_TYPES if name not in NOT_ASKED), ABSENT_OBJECT)


class WorldFilm:
    """Films one world after the other."""

    def __init__(self, types: Sequence[str] = TYPES) -> None:
        """Open the renderer.

        Args:
            types: of the questions that are asked.

        Raises:
            ConfigError: a type that does not exist or whose answer the turn changes.
            SceneError: there is no OpenGL to draw with.
        """
        unfit = sorted(set(types) - set(TYPES))
        if unfit or set(types) <= {ABSENT_OBJECT}:
            raise ConfigError(f'expected question types of {list(TYPES)}, found {unfit}')
        self._types = [name for name in types if name != ABSENT_OBJECT]
        self._asks_absent = ABSENT_OBJECT in types
        self._balancer = Balancer()
        self._simulator = SceneSimulator(WIDTH_PX, HEIGHT_PX)

    def close(self) -> None:
        """Free the renderer."""
        self._simulator.close()

    def shots(self, seeds: Iterable[int], worlds: float = math.inf) -> Iterator[Shot]:
        """Yield the images of the first ``worlds`` worlds of which enough can be asked."""
        shown = 0
        for seed in seeds:
            if shown == worlds:
                return
            world = sample_world(seed, WIDTH_PX * SUPERSAMPLING, HEIGHT_PX * SUPERSAMPLING)
            left, right = (self._view(world, yaw_rad).scene for yaw_rad in (-SWING_RAD, SWING_RAD))
            truth = self._truth(seed, seen_in_both(left, right))
            if len(truth.questions) < FEWEST_QUESTIONS:
                continue
            info = info_fields(left.camera)
            for index, rgb in enumerate(self._there_and_back(world)):
                number = shown * IMAGES_PER_WORLD + index
                yield Shot(rgb, number / RATE_HZ, info, truth)
            shown += 1

    def _view(self, world: World, yaw_rad: float) -> RenderedScene:
        return self._simulator.render_world(turned(world, yaw_rad))

    def _there_and_back(self, world: World) -> Iterator[Rgb]:
        there = []
        for yaw_rad in np.linspace(-SWING_RAD, SWING_RAD, STEPS):
            there.append(self._view(world, float(yaw_rad)).image)
            yield there[-1]
        yield from there[-2:0:-1]

    def _truth(self, seed: int, scene: Scene) -> Truth:
        records = generate(
            scene, np.random.Generator(np.random.PCG64(seed)), self._balancer,
            QUESTIONS_PER_WORLD, split='eval', types=self._types,
        )  # fmt: skip
        if not self._asks_absent:
            records = [record for record in records if not names_absent(record)]
        unique = {record.question: record for record in records}
        return Truth(scene.scene_id, tuple(unique.values()))


def names_absent(record: QuestionRecord) -> bool:
    """Whether a question names an object that is not there, so that its answer says so."""
    return record.answer.startswith(absent_answer(''))


def turned(world: World, yaw_rad: float) -> World:
    """Return a world whose camera is turned to its left about the vertical."""
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    camera = world.camera
    return replace(
        world, camera=replace(camera, world_from_optical=turn @ camera.world_from_optical)
    )


def seen_in_both(one: Scene, other: Scene) -> Scene:
    """Return the first of two views of a world, each object as badly seen as in the worse one."""
    pairs = zip(one.objects, other.objects, strict=True)
    worse = [min(pair, key=lambda item: item.visibility) for pair in pairs]
    objects = tuple(
        replace(item, visibility=bad.visibility, box_xyxy_px=bad.box_xyxy_px)
        for item, bad in zip(one.objects, worse, strict=True)
    )
    return replace(one, objects=objects)
