"""Write a bundle in another precision, if it answers about as well as its parent.

python export/quantise.py models/nano --precision int8 --out out/nano-int8
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spatialllm_ros.deploy.precision import PRECISIONS, QuantiseSettings, quantise_bundle
from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.evaluation.validation_accuracy import ValidationWorlds


def main() -> None:
    """Parse the command line, quantise, print sizes and accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('bundle', type=Path)
    parser.add_argument('--precision', choices=list(PRECISIONS), required=True)
    parser.add_argument('--out', type=Path, required=True, help='folder of the new bundle')
    parser.add_argument(
        '--max-loss', type=float, default=QuantiseSettings.max_loss, metavar='POINTS',
        help='of the mean accuracy; more is an error (default %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--worlds', type=int, default=ValidationWorlds.count,
        help='validation worlds that both are asked about (default %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--seed', type=int, default=ValidationWorlds.first_seed, help='the first world'
    )
    parser.add_argument('--threads', type=int, default=0, help='CPU threads (default: all)')
    args = parser.parse_args()
    try:
        worlds = ValidationWorlds(args.seed, args.worlds, args.threads)
        settings = QuantiseSettings(args.precision, args.max_loss, worlds)
        bundle = quantise_bundle(args.bundle, args.out, settings)
    except SpatialLLMError as error:
        sys.exit(str(error))
    derived = bundle.manifest.derived
    size = sum(entry.bytes for entry in bundle.manifest.files.values())
    print(f'bytes     {derived["parent_bytes"]:12,d} -> {size:12,d}')
    print(f'accuracy  {derived["parent_accuracy"]:12.4f} -> {derived["accuracy"]:12.4f}')
    print(f'wrote {bundle.folder}')


if __name__ == '__main__':
    main()
