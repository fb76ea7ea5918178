"""Simulated worlds and what is asked about them, in wordings that no training question has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.questions import Balancer, generate
from spatialllm_ros.scenes.simulated import SceneSimulator
from spatialllm_ros.scenes.world_styles import TRAINED, WorldStyle
from spatialllm_ros.schema import Frame, QuestionRecord

QUESTIONS_PER_WORLD = 16
QUESTION_STREAM = 1
"""Sets the random numbers of a world's questions apart from those of the world itself."""


@dataclass(frozen=True)
class AskedWorld:
    """A world as a camera would deliver it, and the questions about it."""

    frame: Frame
    records: list[QuestionRecord]


def asked_worlds(
    seeds: Sequence[int], size_px: tuple[int, int], style: WorldStyle = TRAINED
) -> Iterator[AskedWorld]:
    """Render worlds of some seeds and make their questions, balanced over all of them.

    Args:
        seeds: of the worlds, in the order in which they come.
        size_px: width and height of the images.
        style: what the worlds are drawn from.

    Raises:
        SceneError: there is no OpenGL to draw with.
    """
    simulator = SceneSimulator(*size_px)
    balancer = Balancer()
    try:
        for seed in seeds:
            rendered = simulator.render(seed, style)
            rng = np.random.Generator(np.random.PCG64([seed, QUESTION_STREAM]))
            records = generate(rendered.scene, rng, balancer, QUESTIONS_PER_WORLD, split='eval')
            frame = Frame(
                rendered.image, rendered.scene.camera, 0, 'camera_optical_frame', 'camera'
            )
            yield AskedWorld(frame, records)
    finally:
        simulator.close()


def seeds_from(first: int, count: int, allowed: range) -> list[int]:
    """Return ``count`` seeds from ``first`` on; after the end of a range comes its start.

    Raises:
        ConfigError: the first is outside the range, or the count is none of one to all.
    """
    if first not in allowed or not 1 <= count <= len(allowed):
        raise ConfigError(
            f'expected a first seed within {allowed.start}..{allowed.stop - 1}, which no training '
            f'run may use, and a count from 1 on, found the seed {first} and {count} worlds'
        )
    return [allowed[(first - allowed.start + i) % len(allowed)] for i in range(count)]
