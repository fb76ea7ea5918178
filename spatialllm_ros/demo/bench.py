"""Measure latencies on this machine: a table, and the same as JSON.

python -m spatialllm_ros.demo.bench --json out/bench.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spatialllm_ros.demo.bench_live import LiveResult, measure_live
from spatialllm_ros.demo.bench_session import Percentiles, SessionLatency, measure_session
from spatialllm_ros.demo.environment import PROFILE_VARIABLES, demo_environment
from spatialllm_ros.demo.recording import TOUR
from spatialllm_ros.demo.shots import RATE_HZ
from spatialllm_ros.errors import ProcessError, SpatialLLMError
from spatialllm_ros.output_files import output_file
from spatialllm_ros.runtime.bundle import find_bundle
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.runtime.shared_files import share_folders, shared_file

SHARE_WITHOUT_PROFILE = 1 / 6
"""The comparison without the shared-memory profile is so much shorter."""
ROS_VARIABLES = ('LD_LIBRARY_PATH', 'PYTHONPATH')
"""Set for the run-time environment, and of no use to the training one."""
BENCH_ROWS = 2
"""What ``spatialllm bench`` times here: the run time, and ``generate``."""


def main() -> int:
    """Parse the command line, measure, print and write; return the exit status."""
    own = argparse.ArgumentParser(
        prog='python -m spatialllm_ros.demo.bench', description=__doc__.splitlines()[0]
    )
    own.add_argument('--bundle', default='nano', help='folder of the model, or a shipped one')
    own.add_argument('--seconds', type=float, default=60.0, help='of the live camera')
    own.add_argument('--threads', type=int, default=os.cpu_count(), help='of the computation')
    own.add_argument('--json', type=output_file, help='write the numbers here')
    args = own.parse_args()
    try:
        found = measure(args)
    except SpatialLLMError as error:
        print(f'bench: {error}', file=sys.stderr)
        return 1
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(found, indent=2) + '\n', encoding='utf-8')
        print(f'\nwrote {args.json}')
    return 0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Measure and print part by part; return everything as plain values.

    Raises:
        SpatialLLMError: something that is measured does not run.
    """
    bundle = find_bundle(args.bundle)
    load = os.getloadavg()[0]
    print(f'{os.cpu_count()} cores, {args.threads} threads, load before {load:.1f}, {bundle}')
    session = measure_session(SpatialSession.load(bundle, threads=args.threads), shared_file(TOUR))
    print_session(session)
    reference = compare_with_generate(bundle, args.threads)
    print_reference(reference)
    live, bare = (
        live_part(bundle, args.threads, seconds, has_profile)
        for seconds, has_profile in (
            (args.seconds, True), (args.seconds * SHARE_WITHOUT_PROFILE, False)
        )
    )  # fmt: skip
    return {
        'cores': os.cpu_count(),
        'threads': args.threads,
        'load_before': load,
        'session': asdict(session),
        'generate': reference,
        'live': asdict(live),
        'live_without_profile': asdict(bare),
    }


def compare_with_generate(bundle: Path, threads: int) -> dict[str, float]:
    """Time the same weights and questions by transformers too, in the training environment.

    Returns:
        Medians of ``spatialllm bench``: ``answer_s`` of the run time, ``reference_s`` of
        transformers' ``generate``, and their ``ratio``.

    Raises:
        ProcessError: there is no such environment here, or it failed; holds what it said.
    """
    python = share_folders()[0] / '.venv-train/bin/python'
    if not python.exists():
        raise ProcessError(f'expected {python}, found none; make it with make env-train')
    answer_s, reference_s = (float(row['answer_s']) for row in _rows(python, bundle, threads))
    return {
        'answer_s': answer_s, 'reference_s': reference_s, 'ratio': reference_s / answer_s,
    }  # fmt: skip


def _rows(python: Path, bundle: Path, threads: int) -> list[dict[str, Any]]:
    """Return what ``spatialllm bench`` times in the training environment."""
    environment = {name: v for name, v in os.environ.items() if name not in ROS_VARIABLES}
    with tempfile.TemporaryDirectory(prefix='spatialllm-bench-') as folder:
        path = Path(folder) / 'bench.json'
        done = subprocess.run(
            [python, '-m', 'spatialllm_ros.runtime.cli', 'bench', bundle.resolve(),
             '--engine', 'onnx', '--threads', str(threads), '--json', path],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        rows = json.loads(path.read_text(encoding='utf-8'))['rows'] if path.exists() else []
    if done.returncode != 0 or len(rows) != BENCH_ROWS:
        raise ProcessError(
            f'expected spatialllm bench to time {BENCH_ROWS} rows, but it ended with status '
            f'{done.returncode}; it said\n{done.stdout}{done.stderr}'
        )
    return list(rows)


def live_part(bundle: Path, threads: int, seconds: float, has_profile: bool) -> LiveResult:
    """Measure a live camera, with the Fast DDS profile or without."""
    # A domain of its own each time: what just left one may still be heard of in it.
    outer = {name: v for name, v in os.environ.items() if name != 'ROS_DOMAIN_ID'}
    environment = demo_environment(outer)
    if not has_profile:
        environment = {n: v for n, v in environment.items() if n not in PROFILE_VARIABLES}
    with tempfile.TemporaryDirectory(prefix='spatialllm-bench-') as logs:
        parameters = {'bundle': bundle.resolve(), 'cpu_threads': threads}
        live = measure_live(environment, Path(logs), seconds, parameters)
    print_live(live, has_profile)
    return live


def print_session(found: SessionLatency) -> None:
    """Print the part measured in this process."""
    print(f'{found.engine}, {found.parameters / 1e6:.1f} M parameters')
    print_percentiles('first question on a frame, which it encodes', found.new_frame)
    print_percentiles('question on a frame already seen', found.seen_frame)
    if found.unreadable:
        print(f'  {found.unreadable} answers were unreadable and are left out')


def print_reference(found: dict[str, float]) -> None:
    """Print what transformers' generate takes."""
    for what, name in (
        ('the same by generate, image encoded each time', 'reference_s'),
        ('beside it in the same run, frame already seen', 'answer_s'),
    ):
        print(f'  {what:48s} p50 {found[name] * 1e3:7.1f} ms')
    print(f'  ratio {found["ratio"]:.1f}')


def print_live(found: LiveResult, has_profile: bool) -> None:
    """Print what came of a live camera."""
    means = 'with' if has_profile else 'without'
    print(f'live camera, {RATE_HZ:g} Hz for {found.seconds:g} s, {means} shared-memory profile')
    print_percentiles('from asking to the answer, over DDS', found.latency)
    print_percentiles("the node's part of it", found.node_latency)
    statuses = ', '.join(f'{count} {name}' for name, count in found.statuses.items())
    print(f'  questions: {sum(found.statuses.values())} asked; {statuses}')
    print(f'  images: {found.published} published, {found.lost} lost by DDS')
    print(
        f'  {found.received} received = {found.used} used + {found.superseded} superseded + '
        f'{found.rejected} rejected + {found.waiting} waiting; {found.unaccounted} unaccounted for'
    )


def print_percentiles(what: str, found: Percentiles) -> None:
    """Print the latencies of one kind."""
    print(
        f'  {what:48s} p50 {found.p50_s * 1e3:7.1f} ms   p95 {found.p95_s * 1e3:7.1f} ms   '
        f'n {found.count}',
        flush=True,
    )


if __name__ == '__main__':
    sys.exit(main())
