"""``spatialllm bench``: how fast is every engine and precision that runs on this machine."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from spatialllm_ros.deploy.one_model import load_one_model
from spatialllm_ros.evaluation.bench import BenchResult, bench_worlds, run_bench
from spatialllm_ros.evaluation.bench_report import MIB, bench_table, write_json
from spatialllm_ros.evaluation.resident_memory import LARGEST_GROWTH_BYTES, WARM_UP, measure_growth
from spatialllm_ros.output_files import output_file
from spatialllm_ros.runtime.bundle import Bundle
from spatialllm_ros.runtime.engines import ENGINES, load_engine
from spatialllm_ros.runtime.session import SpatialSession

MEMORY_WORLDS = 4
EXAMPLES = """\
examples:
  spatialllm bench nano                                all engines, and transformers' generate
  spatialllm bench nano out/nano-int8 out/nano-int4 --json out/bench.json --plot out/bench.png
  spatialllm bench nano --questions-memory 10000       does memory grow over 10,000 questions?
"""


def main(arguments: Sequence[str]) -> int:
    """Print a table; with ``--questions-memory`` return 1 if memory grew.

    Raises:
        BundleError: a bundle is missing or altered.
        ConfigError: the bundles are of several models, or nothing runs here.
        EngineError: an engine failed.
        SceneError: there is no OpenGL to draw with.
    """
    parsed = _parser().parse_args(arguments)
    bundles = load_one_model(parsed.bundles)
    if parsed.questions_memory:
        flat = [_is_flat(bundle, parsed) for bundle in bundles]
        return int(not all(flat))
    result = run_bench(bundles, parsed.engine, parsed.rounds, parsed.threads)
    print(bench_table(result))
    if parsed.json is not None:
        write_json(result, parsed.json)
    if parsed.plot is not None:
        _plot(result, parsed.plot)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='spatialllm bench',
        description="Time bundles of one model in every engine, beside transformers' generate.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('bundles', nargs='+', metavar='BUNDLE', help='folder or name of a model')
    parser.add_argument(
        '--engine', nargs='+', default=list(ENGINES), choices=list(ENGINES),
        help='only these (default: all that run here)',
    )  # fmt: skip
    parser.add_argument('--rounds', type=int, default=60, help='turns of each (%(default)s)')
    parser.add_argument(
        '--threads', type=int, default=os.cpu_count(), help='CPU threads (default: all)'
    )
    parser.add_argument('--json', type=output_file, help='write everything here')
    parser.add_argument('--plot', type=output_file, metavar='PNG', help='draw it here')
    parser.add_argument(
        '--questions-memory', type=int, default=0, metavar='N',
        help='only ask N questions, with the first engine, and look at the memory of the process',
    )  # fmt: skip
    return parser


def _is_flat(bundle: Bundle, parsed: argparse.Namespace) -> bool:
    """Ask a bundle many questions and print what became of the memory."""
    engine = load_engine(bundle, parsed.engine[0], parsed.threads)
    found = measure_growth(
        SpatialSession(bundle, engine),
        bench_worlds(bundle, MEMORY_WORLDS),
        parsed.questions_memory,
    )
    print(
        f'{bundle.manifest.name} in {engine.name}: {found.questions} questions about '
        f'{found.frames} frames; resident {found.warm_bytes / MIB:.1f} MiB after '
        f'{100 * WARM_UP:.0f} % of them, {found.end_bytes / MIB:.1f} MiB at the end, allowed '
        f'{LARGEST_GROWTH_BYTES / MIB:.0f} MiB more'
    )
    return found.is_flat


def _plot(result: BenchResult, path: Path) -> None:
    if find_spec('matplotlib') is None:
        print('off: the plot: expected matplotlib, found none; use .venv-train')
        return
    from spatialllm_ros.evaluation.bench_plot import plot_bench  # noqa: PLC0415

    plot_bench(result, path)
