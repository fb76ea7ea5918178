"""Draw losses and scores from the CSVs of stages into PNGs."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import matplotlib as mpl

mpl.use('Agg')
import matplotlib.pyplot as plt

from spatialllm_ros.errors import ConfigError

COLUMNS = 3
FIELDS = ('step', 'part', 'name', 'value')


Series = dict[tuple[str, str], list[tuple[int, float]]]


def _read_series(csv_path: Path) -> Series:
    """Return the points of every named value, by name and part (train or validation)."""
    series: Series = defaultdict(list)
    with csv_path.open(newline='') as file:
        for step, part, name, value in csv.reader(file):
            series[name, part].append((int(step), float(value)))
    return series


def _read_curve(csv_path: Path) -> Series:
    """Return the points of a file that a person named.

    Raises:
        ConfigError: there is none, or it is no curve.
    """
    try:
        return _read_series(csv_path)
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigError(f'{csv_path}: expected a curve.csv, found {error}') from error


@dataclass(frozen=True)
class History:
    """A model's way through several runs, one after the other.

    Attributes:
        views: image views learned from when each score was taken.
        scores: means over the asked types on validation worlds.
        views_per_hour: of the last run, on all its processes together.
    """

    views: tuple[int, ...]
    scores: tuple[float, ...]
    views_per_hour: float


def read_history(
    csv_paths: Sequence[Path], types: Sequence[str], views_per_step: Sequence[int], processes: int
) -> History:
    """Join the curves of runs that went on from one another.

    Args:
        csv_paths: the ``curve.csv`` of each run, the first run first.
        types: question types whose mean is taken.
        views_per_step: of all processes together, for each run; one number is that of all runs.
        processes: of the last run; its CSV holds the speed of one.

    Raises:
        ConfigError: no curves, one that cannot be read or is without scores of every type, or as
            many numbers of views as fit neither one nor all runs.
    """
    if not csv_paths:
        raise ConfigError('expected the curve.csv of at least one run, found none')
    if len(views_per_step) not in (1, len(csv_paths)):
        raise ConfigError(
            f'expected the views per step of all runs or of each of {len(csv_paths)}, found '
            f'{len(views_per_step)} numbers'
        )
    per_step = list(views_per_step) * (len(csv_paths) if len(views_per_step) == 1 else 1)
    done, views, scores, speed = 0, [], [], 0.0
    for path, own_views in zip(csv_paths, per_step, strict=True):
        series = _read_curve(path)
        missing = [name for name in types if not series.get((name, 'validation'))]
        if missing or ('images_per_s', 'train') not in series:
            raise ConfigError(
                f'{path}: expected the speed and scores of every type, found none of '
                f'{", ".join(missing) or "the speed"}; give the curve of an instruction stage'
            )
        by_type = [dict(series[name, 'validation']) for name in types]
        steps = sorted(set.intersection(*(set(points) for points in by_type)))
        views += [done + step * own_views for step in steps]
        scores += [mean(points[step] for points in by_type) for step in steps]
        speed = series['images_per_s', 'train'][-1][1]
        done = views[-1]
    return History(tuple(views), tuple(scores), 3600 * processes * speed)


def plot_history(history: History, png_path: Path) -> None:
    """Draw scores over views."""
    figure, axis = plt.subplots(figsize=(7, 3.5))
    thousands = [views / 1000 for views in history.views]
    axis.plot(thousands, [100 * score for score in history.scores], 'o-', markersize=4)
    axis.set_xlabel('image views of the instruction stage, thousands')
    axis.set_ylabel('mean of the twelve types, %')
    axis.grid(alpha=0.3)
    axis.spines[['top', 'right']].set_visible(False)
    figure.tight_layout()
    png_path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(png_path, dpi=110)
    plt.close(figure)


def plot_curves(csv_path: Path, png_path: Path) -> None:
    """Draw one panel per named value of a ``curve.csv`` (step, part, name, value)."""
    series = _read_series(csv_path)
    names = sorted({name for name, _ in series})
    rows = math.ceil(len(names) / COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(4 * COLUMNS, 2.4 * rows), squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.axis('off')
    for axis, name in zip(axes.flat, names, strict=False):
        for (other, part), points in series.items():
            if other == name:
                axis.plot(*zip(*sorted(points), strict=True), label=part, linewidth=1)
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    figure.supxlabel('step', fontsize=9)
    figure.tight_layout()
    figure.savefig(png_path, dpi=80)
    plt.close(figure)


def cut_curve(csv_path: Path, step: int) -> None:
    """Take out what a broken run wrote after ``step``, a half-written last line included."""
    if not csv_path.exists():
        return
    with csv_path.open(newline='') as file:
        kept = [row for row in csv.reader(file) if len(row) == len(FIELDS) and int(row[0]) <= step]
    partial = csv_path.with_suffix('.partial')
    with partial.open('w', newline='') as file:
        csv.writer(file).writerows(kept)
    partial.rename(csv_path)
