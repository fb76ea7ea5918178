"""Fit a bundle's temperature on validation worlds and write it into the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tqdm import tqdm

from spatialllm_ros.deploy.replacing import replace_manifest
from spatialllm_ros.evaluation.asked_worlds import AskedWorld, asked_worlds, seeds_from
from spatialllm_ros.evaluation.calibration import (
    ClosedAnswer,
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
)
from spatialllm_ros.evaluation.scoring import ABSENT_WORDS
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.scenes.worlds import VALIDATION_SEEDS
from spatialllm_ros.schema import Query, QuestionRecord


@dataclass(frozen=True)
class Calibration:
    """The fitted temperature, what it was fitted on and what it changed there.

    Attributes:
        nats_before, nats_after: mean negative log-likelihood at temperature one and the fitted.
        ece_before, ece_after: expected calibration error at these.
    """

    temperature: float
    first_seed: int
    worlds: int
    questions: int
    nats_before: float
    nats_after: float
    ece_before: float
    ece_after: float


def calibrate_bundle(folder: Path, first_seed: int, count: int, threads: int = 0) -> Calibration:
    """Fit the temperature, and keep it in the manifest beside what it was fitted on.

    Raises:
        BundleError: there is no bundle, a broken one, or one that was replaced meanwhile.
        ConfigError: the seeds are not validation seeds, no temperature fits, or the manifest
            cannot be written.
    """
    seeds = seeds_from(first_seed, count, VALIDATION_SEEDS)
    session = SpatialSession.load(folder, threads=threads)
    manifest = session.bundle.manifest
    worlds = asked_worlds(seeds, (manifest.image.width_px, manifest.image.height_px))
    answers = list(_closed_answers(session, tqdm(worlds, total=count, unit='world')))
    fitted = fit_temperature(answers)
    found = Calibration(
        temperature=fitted,
        first_seed=first_seed,
        worlds=count,
        questions=len(answers),
        nats_before=negative_log_likelihood(answers, 1.0),
        nats_after=negative_log_likelihood(answers, fitted),
        ece_before=calibration_error(answers, 1.0),
        ece_after=calibration_error(answers, fitted),
    )
    training = {**manifest.training, 'calibration': asdict(found)}
    replace_manifest(session.bundle, replace(manifest, temperature=fitted, training=training))
    return found


def _closed_answers(
    session: SpatialSession, worlds: Iterable[AskedWorld]
) -> Iterator[ClosedAnswer]:
    for world in worlds:
        records = [record for record in world.records if record.options]
        queries = [Query(record.question, record.options) for record in records]
        logs = session.option_logs(session.encode(world.frame), queries)
        for record, own in zip(records, logs, strict=True):
            yield ClosedAnswer(own, _truth(record))


def _truth(record: QuestionRecord) -> int:
    """Return the index of the true option; behind the options stands absence."""
    if record.answer.startswith(ABSENT_WORDS):
        return len(record.options)
    return record.options.index(record.answer)
