"""Put the node under load for a while: what became of everything, as text and as JSON.

python -m spatialllm_ros.demo.load --minutes 10 --json docs/results/load.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spatialllm_ros.demo.environment import demo_environment
from spatialllm_ros.demo.load_run import ASK_HZ, CAMERAS, WATCHES, LoadResult, measure_load
from spatialllm_ros.demo.shots import RATE_HZ
from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.output_files import output_file

LATENCY_S, LATE_MS, GROWTH = 0.25, 50.0, 0.02
"""What is aimed at, at most."""


def main() -> int:
    """Parse the command line, measure, print and write; return the exit status."""
    own = argparse.ArgumentParser(
        prog='python -m spatialllm_ros.demo.load', description=__doc__.splitlines()[0]
    )
    own.add_argument('--minutes', type=float, default=10.0, help='how long')
    own.add_argument('--json', type=output_file, help='write the numbers here')
    args = own.parse_args()
    load = os.getloadavg()[0]
    print(f'{os.cpu_count()} cores, load before {load:.1f}', flush=True)
    # A domain of its own: what just left one may still be heard of in it.
    outer = {name: value for name, value in os.environ.items() if name != 'ROS_DOMAIN_ID'}
    try:
        with tempfile.TemporaryDirectory(prefix='spatialllm-load-') as logs:
            found = measure_load(demo_environment(outer), Path(logs), args.minutes * 60)
    except SpatialLLMError as error:
        print(f'load: {error}', file=sys.stderr)
        return 1
    print_load(found)
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(as_json(found, load), encoding='utf-8')
        print(f'wrote {args.json}')
    return 1 if found.unaccounted else 0


def targets(found: LoadResult) -> dict[str, bool]:
    """Tell which of the aims were reached."""
    return {
        f'p95 latency at most {LATENCY_S * 1e3:g} ms': found.latency.p95_s <= LATENCY_S,
        f'executor late by at most {LATE_MS:g} ms': found.late_ms <= LATE_MS,
        f'memory grew by at most {GROWTH:.0%}': found.growth <= GROWTH,
        'nothing is unaccounted for': found.unaccounted == 0,
    }


def as_json(found: LoadResult, load: float) -> str:
    """Return the numbers as the text of a file."""
    plain: dict[str, Any] = {'cores': os.cpu_count(), 'load_before': load, **asdict(found)}
    plain |= {'unaccounted': found.unaccounted, 'targets': targets(found)}
    return json.dumps(plain, indent=2) + '\n'


def print_load(found: LoadResult) -> None:
    """Print what came of it."""
    print(
        f'{len(CAMERAS)} cameras 640x480 at {RATE_HZ:g} Hz, {WATCHES} standing questions, '
        f'{ASK_HZ:g} questions a second, for {found.seconds:g} s'
    )
    statuses = ', '.join(f'{count} {name}' for name, count in found.statuses.items())
    print(f'questions: {found.asked} asked; {statuses}; {found.unanswered} without a reply')
    print(f'  the node received {found.counted[0]} and tells how {found.counted[1]} ended')
    latency = found.latency
    print(f'  latency p50 {latency.p50_s * 1e3:.1f} ms, p95 {latency.p95_s * 1e3:.1f} ms')
    for camera, one in found.frames.items():
        print(
            f'{camera}: {found.published} images published, {found.lost[camera]} lost by DDS; '
            f'{one.received} received = {one.used} used + {one.superseded} superseded + '
            f'{one.rejected} rejected + {one.waiting} waiting; {one.unaccounted} unaccounted for'
        )
    print(f'  the cameras took {found.camera_seconds:.1f} s')
    for name, words in found.watches.items():
        print(f'{name}: {words}')
    print(f'executor late by at most {found.late_ms:.1f} ms ({found.late_samples} messages)')
    print(
        f'resident memory {found.warm_mib:.1f} MiB when warm, {found.end_mib:.1f} MiB at the end, '
        f'{found.growth:+.1%}'
    )
    for target, is_reached in targets(found).items():
        print(f'{"reached" if is_reached else "missed "}  {target}')


if __name__ == '__main__':
    sys.exit(main())
