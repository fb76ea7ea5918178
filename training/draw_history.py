"""Draw how a model learned over several runs, and print its scores and its speed.

python training/draw_history.py docs/results/nano-training/*.csv --out out/history.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.evaluation.scoring import TWELVE
from spatialllm_ros.learning.curves import plot_history, read_history
from spatialllm_ros.output_files import output_file


def main() -> None:
    """Parse the command line, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('curves', type=Path, nargs='+', help='curve.csv of each run, in order')
    parser.add_argument('--out', type=output_file, required=True, help='PNG to write')
    parser.add_argument(
        '--views-per-step', type=int, nargs='+', default=[32],
        help='of all processes, for all runs or each (default %(default)s)',
    )  # fmt: skip
    parser.add_argument('--processes', type=int, default=2)
    args = parser.parse_args()
    try:
        history = read_history(args.curves, TWELVE, args.views_per_step, args.processes)
    except SpatialLLMError as error:
        sys.exit(str(error))
    plot_history(history, args.out)
    print('| image views | mean of the twelve types |\n|---|---|')
    for views, score in zip(history.views, history.scores, strict=True):
        print(f'| {views:,} | {score:.3f} |')
    print(f'\n{history.views_per_hour:,.0f} image views an hour in the last run.')


if __name__ == '__main__':
    main()
