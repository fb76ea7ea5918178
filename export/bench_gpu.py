"""Measure everything that docs/results/gpu.md tells, in one call on a machine with a GPU.

python export/bench_gpu.py                          # at most ten minutes, no network
python export/bench_gpu.py --dry-run --out out/gpu  # tiny shapes on a CPU
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.evaluation.gpu_page import read_result, write_page
from spatialllm_ros.evaluation.gpu_run import GpuRun, run_gpu

OUT = Path('docs/results')


def main() -> None:
    """Parse the command line, measure, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--bundle', type=Path, default=Path('models/nano'))
    parser.add_argument(
        '--out', type=Path, default=OUT, help='folder of gpu.json and gpu.md (default %(default)s)'
    )
    parser.add_argument(
        '--minutes', type=float, default=GpuRun.minutes,
        help='begin nothing after so many (default %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--repeats', type=int, default=GpuRun.repeats, help='of each timing (default %(default)s)'
    )
    parser.add_argument(
        '--no-compile', action='store_true', help='leave out what has to be compiled for minutes'
    )
    parser.add_argument('--dry-run', action='store_true', help='tiny shapes on a CPU')
    parser.add_argument(
        '--page-only', action='store_true', help='write gpu.md from gpu.json; measure nothing'
    )
    args = parser.parse_args()
    if args.dry_run and args.out == OUT:
        parser.error(f'a dry run measures nothing that belongs into {OUT}; name another --out')
    command = shlex.join(['python', *sys.argv])
    try:
        if args.page_only:
            write_page(read_result(args.out / 'gpu.json'), args.out)
            return
        run = GpuRun(
            args.bundle, args.out, command, args.dry_run, args.repeats, args.minutes,
            compiles=not args.no_compile,
        )  # fmt: skip
        result = run_gpu(run, lambda what: print(what, flush=True))
    except SpatialLLMError as error:
        sys.exit(str(error))
    for words in result.off:
        print(f'off: {words}')
    print(f'wrote {args.out / "gpu.md"}')


if __name__ == '__main__':
    main()
