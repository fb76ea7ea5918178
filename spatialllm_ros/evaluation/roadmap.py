"""The roadmap study: the paper's 3D-informed steps, one after the other, at nano scale.

Each row adds one step to the row before and trains with the same budget: data, training, encoder,
mixture of encoders. Rows run one after the other and share an encoder where they would train the
same one; seeds run side by side.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from spatialllm_ros.deploy.checkpoint import as_bundle
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.held_out import HeldOutWorlds, ask_held_out
from spatialllm_ros.evaluation.scoring import TWELVE, Judged, type_scores
from spatialllm_ros.learning.pipeline import run_recipe
from spatialllm_ros.learning.recipe import ALIGNMENT_TYPES, Recipe
from spatialllm_ros.questions import QUESTION_TYPES
from spatialllm_ros.questions.question_types import Family

FLAT_TYPES = tuple(n for n, kind in QUESTION_TYPES.items() if kind.family is Family.CONTROL)
"""What is asked where nothing is known of 3D."""
SECOND_ENCODER: dict[str, Any] = {
    'model_type': 'dinov2', 'hidden_size': 96, 'num_hidden_layers': 4, 'num_attention_heads': 3,
    'mlp_ratio': 2, 'image_size': 192, 'patch_size': 16,
}  # fmt: skip
"""A plain vision transformer, to be mixed with the recipe's own backbone."""


@dataclass(frozen=True)
class RoadmapRow:
    """One row of the study.

    Attributes:
        asks_3d: whether instruction asks of 3D, and not of the flat image alone.
        aligns_3d: whether alignment asks of 3D, and mentions are taught the 3D state of objects;
            where in the image these are, they are taught in every row.
        probing: what stage 0 teaches the encoder.
        is_mixed: whether a second encoder is mixed in.
        paper: what the paper reports of this step.
    """

    name: str
    asks_3d: bool
    aligns_3d: bool
    probing: str
    is_mixed: bool
    paper: str


ROWS = (
    RoadmapRow('2D data alone', False, False, '2d', False, 'baseline (LLaVA-1.5)'),
    RoadmapRow('+ 3D instruction data', True, False, '2d', False, '+10.7, its largest step'),
    RoadmapRow('+ 3D alignment', True, True, '2d', False, 'value not found'),
    RoadmapRow('+ 3D encoder', True, True, '3d', False, 'a loss, value not found'),
    RoadmapRow('+ mixed encoders', True, True, '3d', True, 'a gain, most in orientation'),
)


@dataclass(frozen=True)
class RowScore:
    """What one row scored with one seed: means over the twelve types, and over each family."""

    row: str
    seed: int
    mean_twelve: float
    blind_twelve: float
    families: dict[str, float]


@dataclass(frozen=True)
class Study:
    """What to run.

    Attributes:
        recipe: the budget of each row, its data and its model.
        folder: where each row's training and score are kept; what is there is not run again.
        worlds: what each row is scored on.
    """

    recipe: Recipe
    folder: Path
    seeds: tuple[int, ...]
    worlds: HeldOutWorlds


def run_study(study: Study) -> list[RowScore]:
    """Train and score row after row, with all seeds side by side."""
    return [score for row in ROWS for score in _run_side_by_side(study, row)]


def row_recipe(base: Recipe, row: RoadmapRow, seed: int) -> Recipe:
    """Return the recipe of a row: the budget of the base, what the row changes, the seed."""
    asked = {
        'encoder': (),
        'alignment': ALIGNMENT_TYPES if row.aligns_3d else FLAT_TYPES,
        'instruction': () if row.asks_3d else FLAT_TYPES,
    }
    stages = {
        name: replace(
            stage, loop=replace(stage.loop, seed=seed), types=asked[name],
            grounding='3d' if row.aligns_3d else '2d', probing=row.probing,
        )
        for name, stage in base.stages.items()
    }  # fmt: skip
    model = dict(base.model)
    if row.is_mixed:
        model['vision_configs'] = [*model['vision_configs'], SECOND_ENCODER]
    return replace(base, name=row.name, seed=seed, model=model, stages=stages)


def _run_side_by_side(study: Study, row: RoadmapRow) -> list[RowScore]:
    """Run a row in new processes: compiled layers keep alive what they were compiled for."""
    paths = {seed: _score_path(study, row, seed) for seed in study.seeds}
    if missing := [seed for seed, path in paths.items() if not path.exists()]:
        context = multiprocessing.get_context('spawn')
        with ProcessPoolExecutor(len(missing), context) as pool:
            list(pool.map(partial(_run_row, study, row), missing))
    return [RowScore(**json.loads(path.read_text())) for path in paths.values()]


def _folder(study: Study, row: RoadmapRow, seed: int) -> Path:
    return study.folder / f'seed-{seed}' / f'row-{ROWS.index(row)}'


def _score_path(study: Study, row: RoadmapRow, seed: int) -> Path:
    """Return where a score is kept; one of other worlds is another score."""
    first, count = study.worlds.first_seed, study.worlds.count
    return _folder(study, row, seed) / f'score-of-{count}-from-{first}.json'


def _run_row(study: Study, row: RoadmapRow, seed: int) -> None:
    """Train a row and write its score."""
    torch.set_num_threads(1)
    folder = _folder(study, row, seed)
    _share_encoder(folder, row)
    run_recipe(row_recipe(study.recipe, row, seed), folder)
    with as_bundle(folder / 'model') as bundle:
        seen, unseen = ask_held_out(bundle, study.worlds, always_chooses=True)
    score = row_score(row.name, seed, seen, unseen)
    _score_path(study, row, seed).write_text(json.dumps(asdict(score), indent=1) + '\n')


def _share_encoder(folder: Path, row: RoadmapRow) -> None:
    """Copy the encoder of an earlier row that has trained the same one."""
    earlier = [
        other for other in ROWS[: ROWS.index(row)]
        if (other.probing, other.is_mixed) == (row.probing, row.is_mixed)
    ]  # fmt: skip
    if earlier and not (folder / 'encoder').exists():
        source = folder.parent / f'row-{ROWS.index(earlier[0])}' / 'encoder'
        aside = folder / 'encoder.partial'  # a broken copy would be taken for a checkpoint
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(source, aside)
        aside.rename(folder / 'encoder')


def row_score(name: str, seed: int, seen: Sequence[Judged], unseen: Sequence[Judged]) -> RowScore:
    """Return the means of a row's scores over types that are not about the flat image.

    Raises:
        ConfigError: one of the twelve types was never asked.
    """
    types = type_scores(seen, unseen)
    if unasked := [name for name in TWELVE if name not in types]:
        raise ConfigError(
            f'expected questions of all twelve types, found none of {unasked}: score each row on '
            'more worlds'
        )
    accuracy = {kind: score.accuracy for kind, score in types.items()}
    by_family: Mapping[Family, list[str]] = {
        family: [n for n in accuracy if n in QUESTION_TYPES and _is_closed(n, family)]
        for family in Family
    }
    return RowScore(
        row=name,
        seed=seed,
        mean_twelve=_mean([accuracy[n] for n in TWELVE]),
        blind_twelve=_mean([types[n].blind for n in TWELVE]),
        families={
            family.value: _mean([accuracy[n] for n in own]) for family, own in by_family.items()
        },
    )


def _is_closed(name: str, family: Family) -> bool:
    kind = QUESTION_TYPES[name]
    return kind.family is family and kind.is_closed


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
