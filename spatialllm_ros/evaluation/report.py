"""The scores of an evaluation: as a table to print and as JSON to keep."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spatialllm_ros.evaluation.calibration import expected_calibration_error
from spatialllm_ros.evaluation.circular import Trial, VariantScores, variant_scores
from spatialllm_ros.evaluation.held_out import HeldOutWorlds
from spatialllm_ros.evaluation.scoring import (
    TWELVE,
    Judged,
    TypeScore,
    median_error,
    type_scores,
)


@dataclass(frozen=True)
class Report:
    """What an evaluation found; a number is NaN where nothing was asked that it could come from.

    Attributes:
        ece: expected calibration error of the closed answers' confidences.
        variants: scores of closed questions asked in all their ways; None if they were not.
    """

    model: str
    first_seed: int
    worlds: int
    style: str
    types: dict[str, TypeScore]
    mean_twelve: float
    distance_median_relative_error: float
    heading_median_error_deg: float
    centre_median_error_fraction: float
    ece: float
    variants: VariantScores | None = None

    def to_json(self) -> str:
        """Return the scores as JSON, which has no NaN: there it says null."""
        return json.dumps(finite(asdict(self)), indent=2, allow_nan=False) + '\n'

    def table(self) -> str:
        """Return the scores as a table to print."""
        head = f'{"type":42s} {"accuracy":>8s} {"blind":>7s} {"majority":>8s} {"n":>6s}'
        lines = [f'{head}  95 % interval']
        for name in [*TWELVE, *sorted(set(self.types) - set(TWELVE))]:
            if score := self.types.get(name):
                lines.append(
                    f'{name:42s} {score.accuracy:8.3f} {score.blind:7.3f} '
                    f'{score.majority:8.3f} {score.n:6d}  '
                    f'{score.interval.low:.3f}-{score.interval.high:.3f}'
                )
        asked = len(set(TWELVE) & set(self.types))
        fewer = '' if asked == len(TWELVE) else f' ({asked} of them asked)'
        distance = self.distance_median_relative_error
        totals = {
            f'mean of the twelve{fewer}': f'{self.mean_twelve:8.3f}',
            'distance to camera, median relative error': f'{distance:8.3f}',
            'heading, median error in degrees': f'{self.heading_median_error_deg:8.1f}',
            'centre, median error / image width': f'{self.centre_median_error_fraction:8.4f}',
            'closed answers, calibration error': f'{self.ece:8.3f}',
        }
        lines += [f'{name:42s} {value}' for name, value in totals.items()]
        if self.variants is not None:
            lines += ['', self.variants.table()]
        return '\n'.join(lines)

    def write(self, path: Path) -> None:
        """Write the scores as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json(), encoding='utf-8')


def make_report(
    model: str, worlds: HeldOutWorlds, seen: Sequence[Judged], unseen: Sequence[Judged],
    trials: Iterable[Trial] = (),
) -> Report:  # fmt: skip
    """Score answers given with the image, beside them those given without, and all variants."""
    types = type_scores(seen, unseen)
    twelve = [types[name].accuracy for name in TWELVE if name in types]
    closed = [item for item in seen if item.record.options]
    variants = variant_scores(trials, {'the twelve': TWELVE})
    return Report(
        model=model,
        first_seed=worlds.first_seed,
        worlds=worlds.count,
        style=worlds.style,
        types=types,
        mean_twelve=sum(twelve) / len(twelve) if twelve else math.nan,
        distance_median_relative_error=median_error(seen, 'distance_to_camera'),
        heading_median_error_deg=median_error(seen, 'heading'),
        centre_median_error_fraction=median_error(seen, 'locate'),
        ece=expected_calibration_error(
            [item.confidence for item in closed], [item.is_right for item in closed]
        ),
        variants=variants if variants.types else None,
    )


def finite(value: Any) -> Any:
    """Return what JSON can say: None for a number that is not finite, in dictionaries too."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
