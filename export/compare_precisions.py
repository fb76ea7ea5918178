"""Compare how fast bundles of several precisions read an image's prefix and write words.

python export/compare_precisions.py models/nano out/nano-int8 out/nano-int4 --threads 2
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.evaluation.decode_speed import compare_speeds


def main() -> None:
    """Parse the command line, measure in turn, print and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('bundles', type=Path, nargs='+', help='folders; ratios are to the first')
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--words', type=int, default=32, help='written in each round')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--json', type=Path, help='write the medians here')
    args = parser.parse_args()
    try:
        found = compare_speeds(args.bundles, args.rounds, args.words, args.threads)
    except SpatialLLMError as error:
        sys.exit(str(error))
    print(f'{"bundle":24s} {"precision":14s} {"prefix ms":>9s} {"tokens/s":>9s} {"ratio":>6s}')
    for speed in found:
        print(
            f'{speed.name:24s} {speed.precision:14s} {1e3 * speed.prefix_s:9.2f} '
            f'{speed.tokens_per_s:9.1f} {speed.ratio:6.2f}'
        )
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        rows = [asdict(speed) for speed in found]
        args.json.write_text(json.dumps(rows, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
