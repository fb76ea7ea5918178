"""The scores of a model on a benchmark: as a table to print and as JSON to keep."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from spatialllm_ros.evaluation.benchmarks.asking import Asked
from spatialllm_ros.evaluation.benchmarks.catalogue import BENCHMARKS
from spatialllm_ros.evaluation.circular import Trial, VariantScores, variant_scores
from spatialllm_ros.evaluation.report import finite
from spatialllm_ros.scenes.import_report import Skipped

SHOWN_ROWS = 10


@dataclass(frozen=True)
class BenchmarkReport:
    """What a benchmark found.

    Attributes:
        rows: how many were asked, by type.
        unanswered: to how many of them the model gave no answer; these count as wrong.
        seen: scores with the images, ``blind``: without them.
        median_relative_error: by type, where answers are numbers.
        skipped: rows that could not be asked; they count nowhere.
    """

    model: str
    benchmark: str
    rows: dict[str, int]
    unanswered: dict[str, int]
    seen: VariantScores
    blind: VariantScores
    median_relative_error: dict[str, float]
    skipped: list[Skipped]

    def to_json(self) -> str:
        """Return the scores as JSON, which has no NaN: there it says null."""
        return json.dumps(finite(asdict(self)), indent=2, allow_nan=False) + '\n'

    def write(self, path: Path) -> None:
        """Write the scores as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json(), encoding='utf-8')

    def text(self) -> str:
        """Return the scores as tables to print, and the first of the skipped rows."""
        lines = [f'{self.model} on {self.benchmark}', self.seen.table()]
        lines += ['without the images:', self.blind.table()]
        for name, error in self.median_relative_error.items():
            lines.append(f'{name + ", median relative error":42s} {error:8.3f}')
        asked, unanswered = sum(self.rows.values()), sum(self.unanswered.values())
        lines.append(
            f'{asked} rows asked, {unanswered} of them left unanswered (wrong), '
            f'{len(self.skipped)} rows skipped (not counted)'
        )
        lines += [f'  {skip.where}: {skip.why}' for skip in self.skipped[:SHOWN_ROWS]]
        if len(self.skipped) > SHOWN_ROWS:
            lines.append(f'  and {len(self.skipped) - SHOWN_ROWS} more')
        return '\n'.join(lines)


def benchmark_report(model: str, benchmark: str, asked: Asked) -> BenchmarkReport:
    """Score what was asked of a benchmark."""
    rows = Counter(trial.type for trial in asked.seen)
    sets = BENCHMARKS[benchmark].sets or {'all': tuple(rows)}
    return BenchmarkReport(
        model=model,
        benchmark=benchmark,
        rows=dict(sorted(rows.items())),
        unanswered=dict(Counter(t.type for t in asked.seen if not t.is_answered)),
        seen=variant_scores(asked.seen, sets),
        blind=variant_scores(asked.blind, sets),
        median_relative_error=_median_errors(asked.seen),
        skipped=asked.skipped,
    )


def _median_errors(trials: Iterable[Trial]) -> dict[str, float]:
    errors: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        if trial.error is not None:
            errors[trial.type].append(trial.error)
    return {name: median(own) for name, own in sorted(errors.items())}
