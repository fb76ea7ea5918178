"""What a bench measured, drawn into a PNG."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use('Agg')
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from spatialllm_ros.evaluation.bench import BenchResult, BenchRow
from spatialllm_ros.evaluation.bench_report import label
from spatialllm_ros.evaluation.contestants import BATCHES


def plot_bench(result: BenchResult, path: Path) -> None:
    """Draw latencies of answers on the left, words per second by batch on the right."""
    rows = result.rows
    height = 1.6 + 0.5 * max(4, len(rows))
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, height), width_ratios=(1.1, 1))
    _draw_answers(left, rows)
    _draw_rates(right, rows)
    figure.suptitle(
        f'{result.processor}, {result.limits.threads} threads, '
        f'{result.limits.bandwidth_bytes_per_s / 1e9:.1f} GB/s',
        fontsize=10,
    )
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_answers(axis: Axes, rows: list[BenchRow]) -> None:
    for place, row in enumerate(rows):
        median_ms, p95_ms = 1e3 * row.answer_s, 1e3 * row.answer_p95_s
        axis.barh(place, median_ms, color=f'C{place}', height=0.6)
        axis.plot([median_ms, p95_ms], [place, place], '|-', color='#222222', linewidth=1)
        axis.annotate(
            f'{median_ms:.1f}', (p95_ms, place), textcoords='offset points', xytext=(5, -3),
            fontsize=8,
        )  # fmt: skip
    axis.set_yticks(
        range(len(rows)), [label(row).replace('), ', ')\n') for row in rows], fontsize=8
    )
    axis.invert_yaxis()
    axis.set_xscale('log')
    axis.margins(x=0.15)
    axis.set_xlabel(
        'question to answer, ms: median, line to the 95th percentile\n'
        '(the run time on a frame that it has read; generate reads it for each question)',
        fontsize=9,
    )
    axis.spines[['top', 'right']].set_visible(False)


def _draw_rates(axis: Axes, rows: list[BenchRow]) -> None:
    for place, row in enumerate(rows):
        rates = row.tokens_per_s
        axis.plot(
            list(rates), list(rates.values()), 'o-', markersize=4,
            color=f'C{place}', label=label(row),
        )  # fmt: skip
    axis.set_xscale('log', base=2)
    axis.set_yscale('log')
    axis.set_xticks(BATCHES, [str(batch) for batch in BATCHES])
    axis.set_xlabel('questions answered together')
    axis.set_ylabel('tokens per second, all questions')
    axis.grid(alpha=0.3)
    axis.spines[['top', 'right']].set_visible(False)
