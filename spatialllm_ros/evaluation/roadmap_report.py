"""The roadmap study as a table, a bar plot and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from textwrap import fill

import matplotlib as mpl

mpl.use('Agg')
import matplotlib.pyplot as plt

from spatialllm_ros.evaluation.roadmap import ROWS, RowScore
from spatialllm_ros.questions.question_types import Family

FAMILIES = tuple(family.value for family in Family)


def write_report(scores: Sequence[RowScore], folder: Path) -> str:
    """Write ``roadmap.json``, ``roadmap.md`` and ``roadmap.png``; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = json.dumps([asdict(score) for score in scores], indent=1)
    (folder / 'roadmap.json').write_text(plain + '\n')
    table = roadmap_table(scores)
    (folder / 'roadmap.md').write_text(table + '\n')
    plot_roadmap(scores, folder / 'roadmap.png')
    return table


def roadmap_table(scores: Sequence[RowScore]) -> str:
    """Return the rows as a Markdown table: means over the seeds, lowest and highest beside."""
    head = ['row', 'twelve types', 'lowest-highest', 'step', 'blind', *FAMILIES, 'paper']
    lines = [head, ['---'] * len(head)]
    before: float | None = None
    for row in ROWS:
        own = [score for score in scores if score.row == row.name]
        if not own:
            continue
        found = [100 * score.mean_twelve for score in own]
        step = '' if before is None else f'{mean(found) - before:+.1f}'
        families = [f'{100 * mean(s.families[f] for s in own):.1f}' for f in FAMILIES]
        blind = f'{100 * mean(score.blind_twelve for score in own):.1f}'
        spread = f'{min(found):.1f}-{max(found):.1f}'
        lines.append([row.name, f'{mean(found):.1f}', spread, step, blind, *families, row.paper])
        before = mean(found)
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def plot_roadmap(scores: Sequence[RowScore], path: Path) -> None:
    """Draw the mean of each row with a mark for each seed."""
    rows = [row.name for row in ROWS if any(score.row == row.name for score in scores)]
    figure, axis = plt.subplots(figsize=(8, 4))
    for place, name in enumerate(rows):
        found = [100 * score.mean_twelve for score in scores if score.row == name]
        middle = mean(found)
        error = [[middle - min(found)], [max(found) - middle]]
        axis.bar(place, middle, yerr=error, capsize=6, color='#4c78a8', width=0.6)
        axis.plot([place] * len(found), found, 'o', color='#222222', markersize=4)
        axis.annotate(
            f'{middle:.1f}', (place, max(found)), textcoords='offset points', xytext=(0, 6),
            ha='center', fontsize=9,
        )  # fmt: skip
    blind = 100 * mean(score.blind_twelve for score in scores)
    axis.axhline(blind, color='#888888', linestyle='--', linewidth=1)
    axis.annotate(f'without\nthe image\n{blind:.1f}', (len(rows) - 0.55, blind), va='center',
                  fontsize=8, color='#555555', annotation_clip=False)  # fmt: skip
    axis.set_xlim(-0.6, len(rows) - 0.6)
    axis.set_xticks(range(len(rows)), [fill(name, 14) for name in rows], fontsize=9)
    axis.set_ylabel('mean of the twelve types, %')
    axis.set_ylim(0, 100)
    axis.spines[['top', 'right']].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
