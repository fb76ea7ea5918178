"""What a GPU was measured to do, as JSON and as the page that is made of it alone.

Whatever is not in the JSON was not executed, and the page says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.contestants import BATCHES
from spatialllm_ros.evaluation.gpu_clock import Limits

COMMAND = 'python export/bench_gpu.py'
NOT_RUN = '*not run*'
EAGER, GRAPH, COMPILED, GENERATE = (
    'torch', 'torch, CUDA graphs', 'torch, compiled, CUDA graphs', "transformers' generate",
)  # fmt: skip
TORCH_LINES = tuple((engine, 'bfloat16') for engine in (EAGER, GRAPH, COMPILED, GENERATE))
BUNDLE_LINES = (
    ('onnx', 'float32'), ('onnx-cuda', 'float32'), ('onnx-cuda', 'float16'),
    ('onnx-tensorrt', 'float16'), ('tensorrt', 'float16'),
)  # fmt: skip
LINES = {'nano': (*TORCH_LINES, *BUNDLE_LINES), '1b': TORCH_LINES, '8b': TORCH_LINES}
"""What is expected of each model, by engine and precision."""
SECTIONS = {
    'nano': 'The shipped model, `models/nano`',
    '1b': 'A decoder of 1.2 billion random weights beside its table of words, 576 image tokens',
    '8b': 'The decoder of `training/recipes/8b.yaml`, random weights, 576 image tokens',
}
"""Headings by model; those beside nano have random weights, so that nothing has to be fetched."""


@dataclass(frozen=True)
class Row:
    """Of one model in one engine: seconds, medians; None where it has no such step.

    Attributes:
        vision_s: the vision half, once per frame.
        prefix_s: reading the start mark and the image's tokens, once per frame.
        question_s: reading one question behind them, its first word included.
        step_s: writing one word for each of so many questions (a number as text, as in JSON).
        answer_s: one question with all its words; ``generate`` reads the image's tokens, too.
        memory_share: of the time of a word, what reading the weights once would take.
        products_share: of the time of the prefix, what its products with weights would take.
        gap: from transformers' scores behind a question and a word, as a share of the largest.
    """

    model: str
    engine: str
    precision: str
    vision_s: float | None = None
    prefix_s: float | None = None
    question_s: float | None = None
    step_s: Mapping[str, float] = field(default_factory=dict)
    answer_s: float | None = None
    memory_share: float | None = None
    products_share: float | None = None
    gap: float | None = None


@dataclass(frozen=True)
class GpuResult:
    """What was executed, on what; ``off`` says in words what did not run, and why."""

    device: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    date: str | None = None
    command: str | None = None
    limits: Limits | None = None
    rows: tuple[Row, ...] = ()
    off: tuple[str, ...] = ()

    def with_row(self, row: Row) -> GpuResult:
        """Return the result with one row more."""
        return replace(self, rows=(*self.rows, row))

    def without(self, what: str) -> GpuResult:
        """Return the result with one thing more that did not run."""
        return replace(self, off=(*self.off, what))


def read_result(path: Path) -> GpuResult:
    """Read a result; where there is none yet, nothing has been executed.

    Raises:
        ConfigError: the file is no result of ``write_result``.
    """
    if not path.is_file():
        return GpuResult()
    try:
        plain: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        limits, rows = plain.pop('limits'), plain.pop('rows')
        return GpuResult(
            **{**plain, 'off': tuple(plain['off'])},
            limits=Limits(**limits) if limits else None,
            rows=tuple(Row(**row) for row in rows),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f'expected the result of {COMMAND} in {path}, found: {error}; delete it, and run the '
            'command on a GPU'
        ) from error


def write_result(result: GpuResult, folder: Path) -> None:
    """Write ``gpu.json`` and the page that is made of it.

    Raises:
        ConfigError: the folder cannot be written into.
    """
    write_page(result, folder)
    _write(folder / 'gpu.json', json.dumps(asdict(result), indent=2) + '\n')


def write_page(result: GpuResult, folder: Path) -> None:
    """Write ``gpu.md``.

    Raises:
        ConfigError: the folder cannot be written into.
    """
    _write(folder / 'gpu.md', page(result))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
    except OSError as error:
        raise ConfigError(
            f'expected a folder to write into, found {error}; name another'
        ) from error


def page(result: GpuResult) -> str:
    """Return the page in Markdown."""
    lines = ['# On a GPU', '', INTRODUCTION, '', *_facts(result)]
    for model, heading in SECTIONS.items():
        lines += ['', f'## {heading}', '', *_table(result, model)]
    lines += ['', '## What the columns say', '', COLUMNS]
    if result.off:
        lines += ['', '## What did not run, and why', '', *(f'* {words}' for words in result.off)]
    return '\n'.join(lines) + '\n'


INTRODUCTION = f"""\
Made by one command on a machine with an NVIDIA GPU, in at most ten minutes, without a network:

```bash
{COMMAND}                          # fills docs/results/gpu.json, and this page from it
{COMMAND} --dry-run --out out/gpu  # tiny shapes on a CPU: does it run from end to end?
```

What has not been executed is marked {NOT_RUN}; nothing here is estimated. ONNX Runtime and
TensorRT are given the shipped model alone."""

COLUMNS = """\
Milliseconds, medians. A question has 16 tokens, its answer 32 words. Those in ONNX Runtime and
TensorRT are timed as by [`spatialllm bench`](../guide/bench.md): one question in words, what the
run time does beside the engine included.

* `vision` and `prefix` (start mark and image tokens) are paid once per frame; `question` includes
  its first word.
* `x1` … `x8`: one word for each of so many questions on one frame, side by side in one cache.
* `answer`: a question with all its words. `generate` reads the image's tokens, and in nano the
  image, for each question.
* `÷ generate`: how many times longer a word takes `transformers`' `generate` with the same
  weights, `x1`.
* `memory`: what reading the decoder's weights once at the measured bandwidth would take, as a
  share of `x1`. Weights that fit into the GPU's caches can exceed 100 %.
* `products`: what the prefix's products with weights would take at the measured peak, as a share
  of `prefix`.
* `gap`: of scores behind a question from those of `transformers`, as a share of the largest."""


def _facts(result: GpuResult) -> list[str]:
    limits = result.limits
    versions = ', '.join(f'{name} {version}' for name, version in result.versions.items())
    facts = {
        'device': result.device,
        'versions': versions,
        'date': result.date,
        'command': result.command and f'`{result.command}`',
        'memory bandwidth, measured': limits
        and f'{limits.bandwidth_bytes_per_s / 1e9:,.0f} GB/s (copying or reading 2 GiB)',
        'products, measured': limits
        and f'{limits.products_per_s / 1e12:,.1f} TFLOP/s (8192 by 8192, bfloat16, random)',
    }
    return [
        '| | |',
        '|---|---|',
        *(f'| {name} | {value or NOT_RUN} |' for name, value in facts.items()),
    ]


def _table(result: GpuResult, model: str) -> list[str]:
    rows = {(row.engine, row.precision): row for row in result.rows if row.model == model}
    lines = dict.fromkeys((*LINES[model], *rows))
    slowest = next((row.step_s.get('1') for row in rows.values() if row.engine == GENERATE), None)
    heads = [
        'engine', 'precision', 'vision', 'prefix', 'question', *(f'x{batch}' for batch in BATCHES),
        'answer', '÷ generate', 'memory', 'products', 'gap',
    ]  # fmt: skip
    return [
        f'| {" | ".join(heads)} |',
        '|---' * len(heads) + '|',
        *(
            f'| {engine} | {precision} | '
            f'{" | ".join(_cells(rows.get((engine, precision)), slowest))} |'
            for engine, precision in lines
        ),
    ]


def _cells(row: Row | None, generate_s: float | None) -> list[str]:
    if row is None:
        return [NOT_RUN] * (8 + len(BATCHES))
    word_s = row.step_s.get('1')
    ratio = generate_s / word_s if generate_s and word_s else None
    times = (
        row.vision_s, row.prefix_s, row.question_s,
        *(row.step_s.get(str(batch)) for batch in BATCHES), row.answer_s,
    )  # fmt: skip
    return [
        *('-' if s is None else f'{1e3 * s:.3f}' for s in times),
        '-' if ratio is None else f'{ratio:.1f}',
        *(
            '-' if s is None else f'{100 * s:.0f} %'
            for s in (row.memory_share, row.products_share)
        ),
        '-' if row.gap is None else f'{row.gap:.1e}',
    ]
