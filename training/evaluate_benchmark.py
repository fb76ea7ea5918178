"""Score a bundle, a model folder, a model on a server, or random guesses on a public benchmark.

python training/evaluate_benchmark.py models/nano 3dsrbench 3dsrbench_v1_vlmevalkit_circular.tsv
python training/evaluate_benchmark.py gpt-4o q-spatial plus.jsonl --remote https://api.openai.com/v1
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.evaluation.benchmarks.catalogue import BENCHMARKS
from spatialllm_ros.evaluation.benchmarks.running import Candidate, run_benchmark
from spatialllm_ros.output_files import output_file
from spatialllm_ros.runtime.engines import ENGINES


def main() -> None:
    """Parse the command line, ask, print and write the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'model', help='a bundle, a folder with config.json, random, or a name on --remote'
    )
    parser.add_argument('benchmark', choices=BENCHMARKS)
    parser.add_argument('file', type=Path, help='as published (docs/guide/benchmarks.md)')
    parser.add_argument('--engine', choices=('auto', *ENGINES), default='auto')
    parser.add_argument(
        '--remote', default='', metavar='URL', help="of a server with OpenAI's chat completions"
    )
    parser.add_argument('--threads', type=int, default=0, help='(default: one per core)')
    parser.add_argument(
        '--fov-deg', type=float, help='horizontal, of the images; answers in metres need it'
    )
    parser.add_argument('--json', type=output_file, help='write the scores here')
    args = parser.parse_args()
    fov_rad = None if args.fov_deg is None else math.radians(args.fov_deg)
    try:
        candidate = Candidate(args.model, args.engine, args.threads, args.remote)
        report = run_benchmark(candidate, args.benchmark, args.file, fov_rad)
    except SpatialLLMError as error:
        sys.exit(str(error))
    print(report.text())
    if args.json is not None:
        report.write(args.json)


if __name__ == '__main__':
    main()
