"""Score a bundle on simulated worlds it has never seen, with and without the image."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from spatialllm_ros.errors import ConfigError, SpatialLLMError
from spatialllm_ros.evaluation.scoring import (
    TWELVE,
    Judged,
    TypeScore,
    judge,
    median_error,
    type_scores,
)
from spatialllm_ros.questions import Balancer, generate
from spatialllm_ros.runtime.session import EncodedFrame, Request, SpatialSession
from spatialllm_ros.scenes.shards import RenderedScene
from spatialllm_ros.scenes.simulated import SceneSimulator
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS, VALIDATION_SEEDS
from spatialllm_ros.schema import Answer, Frame, Query, QuestionRecord

QUESTIONS_PER_WORLD = 16


@dataclass(frozen=True)
class Report:
    """What an evaluation found."""

    bundle: str
    first_seed: int
    worlds: int
    types: dict[str, TypeScore]
    mean_twelve: float
    distance_median_relative_error: float
    heading_median_error_deg: float
    centre_median_error_fraction: float
    judged: list[Judged]

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain values, without the single answers."""
        plain = {
            key: value for key, value in self.__dict__.items() if key not in ('judged', 'types')
        }
        return {**plain, 'types': {name: asdict(score) for name, score in self.types.items()}}

    def table(self) -> str:
        """Return the scores as a table to print."""
        lines = [f'{"type":42s} {"accuracy":>8s} {"blind":>7s} {"majority":>8s} {"n":>6s}']
        names = [*TWELVE, *sorted(set(self.types) - set(TWELVE))]
        for name in names:
            score = self.types.get(name)
            if score is not None:
                lines.append(
                    f'{name:42s} {score.accuracy:8.3f} {score.blind:7.3f} '
                    f'{score.majority:8.3f} {score.n:6d}'
                )
        lines += [
            f'{"mean of the twelve":42s} {self.mean_twelve:8.3f}',
            f'{"distance to camera, median relative error":42s} '
            f'{self.distance_median_relative_error:8.3f}',
            f'{"heading, median error in degrees":42s} {self.heading_median_error_deg:8.1f}',
            f'{"centre, median error / image width":42s} {self.centre_median_error_fraction:8.4f}',
        ]
        return '\n'.join(lines)


def evaluate_held_out(session: SpatialSession, name: str, first_seed: int, worlds: int) -> Report:
    """Ask a session about held-out worlds.

    Args:
        session: the loaded bundle.
        name: what to call it in the report.
        first_seed: of the held-out or validation range.
        worlds: how many.

    Raises:
        ConfigError: the seeds are not held out.
        SceneError: there is no OpenGL to draw with.
    """
    seeds = range(first_seed, first_seed + worlds)
    if not any(
        seeds[0] in known and seeds[-1] in known for known in (HELD_OUT_SEEDS, VALIDATION_SEEDS)
    ):
        raise ConfigError(
            f'expected seeds that no training run may use ({HELD_OUT_SEEDS.start}..'
            f'{HELD_OUT_SEEDS.stop - 1}), found {first_seed}..{seeds[-1]}'
        )
    seen: list[Judged] = []
    unseen: list[Judged] = []
    for rendered, records in tqdm(_questions(session, seeds), total=worlds, unit='world'):
        frame = frame_of(rendered)
        seen += _ask(session, session.encode(frame), records)
        unseen += _ask(session, session.encode_blind(frame), records)
    types = type_scores(seen, unseen)
    twelve = [types[t].accuracy for t in TWELVE if t in types]
    return Report(
        bundle=name,
        first_seed=first_seed,
        worlds=worlds,
        types=types,
        mean_twelve=float(np.mean(twelve)) if twelve else math.nan,
        distance_median_relative_error=median_error(seen, 'distance_to_camera'),
        heading_median_error_deg=median_error(seen, 'heading'),
        centre_median_error_fraction=median_error(seen, 'locate'),
        judged=seen,
    )


def frame_of(rendered: RenderedScene) -> Frame:
    """Return a rendered scene as a camera would deliver it."""
    return Frame(rendered.image, rendered.scene.camera, 0, 'camera_optical_frame', 'camera')


def _questions(
    session: SpatialSession, seeds: range
) -> Iterator[tuple[RenderedScene, list[QuestionRecord]]]:
    """Yield each world with its questions, worded as no training question is."""
    simulator = SceneSimulator(*session.image_size)
    balancer = Balancer()
    try:
        for seed in seeds:
            rendered = simulator.render(seed)
            rng = np.random.Generator(np.random.PCG64(seed))
            yield (
                rendered,
                generate(rendered.scene, rng, balancer, QUESTIONS_PER_WORLD, split='eval'),
            )
    finally:
        simulator.close()


def _ask(
    session: SpatialSession, encoded: EncodedFrame, records: list[QuestionRecord]
) -> list[Judged]:
    if not records:
        return []
    requests = [Request(Query(record.question, record.options)) for record in records]
    answers = session.answer_batch(encoded, requests)
    return [_judged(record, answer) for record, answer in zip(records, answers, strict=True)]


def _judged(record: QuestionRecord, answer: Answer | SpatialLLMError) -> Judged:
    """Judge an answer; words that are no answer are wrong ones."""
    if isinstance(answer, SpatialLLMError):
        return Judged(record, f'({answer})', is_right=False, confidence=0.0, error=math.inf)
    return judge(record, answer)


def write_report(report: Report, path: Path) -> None:
    """Write the scores as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report.to_json(), indent=2) + '\n')
