"""Draw a stage's losses and scores from its CSV into a PNG."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl

mpl.use('Agg')
import matplotlib.pyplot as plt

COLUMNS = 3
FIELDS = ('step', 'part', 'name', 'value')


def plot_curves(csv_path: Path, png_path: Path) -> None:
    """Draw one panel per named value of a ``curve.csv`` (step, part, name, value)."""
    series: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    with csv_path.open(newline='') as file:
        for step, part, name, value in csv.reader(file):
            series[name, part].append((int(step), float(value)))
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
