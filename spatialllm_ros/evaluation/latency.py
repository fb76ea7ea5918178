"""Latency beside what a user would do without this package: transformers' ``generate``.

Both have the same weights, threads and questions and write the likeliest words. The run time keeps
a frame's image prefix between questions, ``generate`` reads the image for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch

from spatialllm_ros.deploy.reference import TransformersReference
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.asked_worlds import AskedWorld, asked_worlds, seeds_from
from spatialllm_ros.evaluation.contestants import timed
from spatialllm_ros.evaluation.written_words import written_words
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS
from spatialllm_ros.schema import Query


@dataclass(frozen=True)
class LatencyComparison:
    """Medians over questions about held-out worlds, in seconds.

    Attributes:
        same_answers: how many of the questions got the same words from both.
        encode_s: what the run time pays once per frame, before the first question.
        answer_s: what it pays per question.
        reference_s: what ``generate`` pays per question.
        ratio: how many times longer ``generate`` takes.
    """

    threads: int
    questions: int
    same_answers: int
    encode_s: float
    answer_s: float
    reference_s: float
    ratio: float


@dataclass(frozen=True)
class _Sample:
    is_same: bool
    encode_s: float
    answer_s: float
    reference_s: float


def compare_latency(bundle: Path, worlds: int, threads: int) -> LatencyComparison:
    """Ask both about the same worlds, in turn, so that a busy machine slows both.

    Args:
        bundle: its folder.
        worlds: how many to ask about; one more is asked about first and not counted.
        threads: of both computations.

    Raises:
        BundleError: there is no bundle, or a broken one.
        ConfigError: the weights do not fit, or there is no world to ask about.
        SceneError: there is no OpenGL to draw with.
    """
    if worlds < 1 or threads < 1:
        raise ConfigError(
            f'expected at least one world and one thread, found {worlds} and {threads}'
        )
    torch.set_num_threads(threads)
    both = SpatialSession.load(bundle, threads=threads), TransformersReference(bundle)
    image = both[0].bundle.manifest.image
    seeds = seeds_from(HELD_OUT_SEEDS.start, worlds + 1, HELD_OUT_SEEDS)
    asked = [
        list(_ask_both(*both, world))
        for world in asked_worlds(seeds, (image.width_px, image.height_px))
    ]
    samples = [sample for world in asked[1:] for sample in world]
    answer_s = median(sample.answer_s for sample in samples)
    reference_s = median(sample.reference_s for sample in samples)
    return LatencyComparison(
        threads=threads,
        questions=len(samples),
        same_answers=sum(sample.is_same for sample in samples),
        encode_s=median(sample.encode_s for sample in samples),
        answer_s=answer_s,
        reference_s=reference_s,
        ratio=reference_s / answer_s,
    )


def _ask_both(
    session: SpatialSession, reference: TransformersReference, world: AskedWorld
) -> Iterator[_Sample]:
    encoded = session.encode(world.frame)
    for record in world.records:
        query = Query(record.question)
        (words,), answer_s = timed(partial(written_words, session, encoded, [record.question]))
        same, reference_s = timed(partial(reference.answer, world.frame, query))
        yield _Sample(words == same, encoded.encode_s, answer_s, reference_s)
