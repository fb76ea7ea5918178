"""What a bench measured: as a table to print, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from spatialllm_ros.evaluation.bench import BenchResult, BenchRow
from spatialllm_ros.evaluation.contestants import BATCHES, Generate

MIB = 2**20
RATIOS = ('generate : answer', 'first : word', '8 : 1 answers', '8 : 1, new frame')
TIMES = ('encode', 'prefix', 'question', 'word', 'answer', 'p95', '8 answers')


def bench_table(result: BenchResult) -> str:
    """Return a head about the machine, a line for each row, and what is off."""
    limits = result.limits
    arithmetic = (
        'unknown' if limits.arithmetic_per_s is None
        else f'{limits.arithmetic_per_s / 1e9:.1f} GFLOP/s'
    )  # fmt: skip
    width = max(len(label(row)) for row in result.rows)
    times = ''.join(f'{name:>10s}' for name in TIMES)
    batches = ''.join(f'{f"x{batch}":>8s}' for batch in BATCHES)
    head = f'{"milliseconds, medians":{width}s}{times}{batches}'
    return '\n'.join(
        [
            f'{result.processor}, {result.cores} cores, {limits.threads} threads, load before '
            f'{result.load_before:.1f}, {result.rounds} rounds',
            f'limits measured in this run: memory {limits.bandwidth_bytes_per_s / 1e9:.1f} GB/s, '
            f'float32 products {arithmetic}',
            '',
            f'{head} tokens/s     MiB  memory  products',
            *(_line(row, width) for row in result.rows),
            '',
            f'{"ratios":{width}s}' + ''.join(f'{name:>18s}' for name in RATIOS),
            *(_ratio_line(row, result, width) for row in result.rows),
            *(f'off: {words}' for words in result.off),
        ]
    )


def label(row: BenchRow) -> str:
    """Return what tells a row from the others."""
    return f'{row.bundle} ({row.precision}, {row.flavour}), {row.engine}'


def write_json(result: BenchResult, path: Path) -> None:
    """Write everything that was measured; times in seconds, sizes in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(result), indent=2) + '\n', encoding='utf-8')


def _line(row: BenchRow, width: int) -> str:
    seconds = (
        row.encode_s, row.prefix_s, row.question_s, row.step_s.get('1'), row.answer_s,
        row.answer_p95_s, row.answers_8_s,
    )  # fmt: skip
    times = ''.join(_cell(None if s is None else 1e3 * s, 10, 2) for s in seconds)
    rates = ''.join(_cell(row.tokens_per_s.get(batch), 8, 0) for batch in BATCHES)
    shares = ''.join(
        _cell(None if share is None else 100 * share, size, 0, '%')
        for share, size in ((row.bandwidth_share, 8), (row.arithmetic_share, 10))
    )
    return f'{label(row):{width}s}{times}{rates}{" " * 9}{row.resident_bytes / MIB:8.1f}{shares}'


def _ratio_line(row: BenchRow, result: BenchResult, width: int) -> str:
    """Return how much faster than generate and than the first row, and what eight cost."""
    generated = [other.answer_s for other in result.rows if other.engine == Generate.name]
    first, own = result.rows[0].step_s.get('1'), row.step_s.get('1')
    ratios = (
        generated[0] / row.answer_s if generated else None,
        first / own if first and own else None,
        row.eight_on_seen,
        row.eight_on_new,
    )
    return f'{label(row):{width}s}' + ''.join(_cell(ratio, 18, 2) for ratio in ratios)


def _cell(value: float | None, width: int, decimals: int, unit: str = '') -> str:
    text = '-' if value is None else f'{value:.{decimals}f}{unit}'
    return f'{text:>{width}s}'
