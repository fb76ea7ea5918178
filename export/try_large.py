"""Export, quantise and ask a model of random weights, and tell the time and the peak memory.

python export/try_large.py --scratch out/large                 # a billion parameters
python export/try_large.py --scratch out/large --layers 2 --precision int8 int4 --keep
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from spatialllm_ros.deploy.bundle_export import ExportSettings
from spatialllm_ros.deploy.large_trial import TrialSizes, run_trial
from spatialllm_ros.deploy.precision import PRECISIONS
from spatialllm_ros.errors import SpatialLLMError


def main() -> None:
    """Parse the command line, run the trial."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--scratch', type=Path, required=True, help='a folder with much room')
    parser.add_argument('--keep', action='store_true', help='leave all files in the folder')
    parser.add_argument('--precision', nargs='+', choices=list(PRECISIONS), default=['int4'])
    for name in ('layers', 'hidden_size', 'intermediate_size', 'heads', 'key_heads'):
        parser.add_argument(
            f'--{name.replace("_", "-")}', type=int, default=getattr(TrialSizes, name),
            help='(default %(default)s)',
        )  # fmt: skip
    parser.add_argument('--context', type=int, default=ExportSettings.context)
    parser.add_argument(
        '--inside-bytes', type=int, default=ExportSettings.inside_bytes,
        help='weights that a graph may hold itself (default %(default)s)',
    )  # fmt: skip
    args = parser.parse_args()
    try:
        sizes = TrialSizes(
            args.layers, args.hidden_size, args.intermediate_size, args.heads, args.key_heads
        )
        settings = ExportSettings('trial', context=args.context, inside_bytes=args.inside_bytes)
        args.scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix='trial-', dir=args.scratch) as scratch:
            folder = args.scratch if args.keep else Path(scratch)
            answer = run_trial(sizes, args.precision, settings, folder, print)
    except SpatialLLMError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f'expected to write into {args.scratch}, found {error}; name another --scratch')
    print(f'answer               {answer.text!r}, confidence {answer.confidence:.3f}')


if __name__ == '__main__':
    main()
