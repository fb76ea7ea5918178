"""Compare the run time's latency with transformers' generate on the same weights and questions.

python export/compare_latency.py models/nano --threads 2 --json out/latency.json
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.evaluation.latency import compare_latency


def main() -> None:
    """Parse the command line, ask both, print and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('bundle', type=Path)
    parser.add_argument('--worlds', type=int, default=20)
    parser.add_argument('--threads', type=int, default=2, help='CPU threads of both')
    parser.add_argument('--json', type=Path, help='write the medians here')
    args = parser.parse_args()
    try:
        found = compare_latency(args.bundle, args.worlds, args.threads)
    except SpatialLLMError as error:
        sys.exit(str(error))
    print(f'{found.questions} questions, {found.same_answers} answered alike')
    print(f'run time, once per frame   {1e3 * found.encode_s:8.2f} ms')
    print(f'run time, per question     {1e3 * found.answer_s:8.2f} ms')
    print(f'generate, per question     {1e3 * found.reference_s:8.2f} ms')
    print(f'ratio                      {found.ratio:8.2f}')
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(asdict(found), indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
