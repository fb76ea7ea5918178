"""Fit the temperature of a bundle's confidences on validation worlds and write it into the bundle.

python export/calibrate.py models/nano --worlds 300
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.evaluation.bundle_calibration import calibrate_bundle
from spatialllm_ros.scenes.worlds import VALIDATION_SEEDS


def main() -> None:
    """Parse the command line, fit, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('bundle', type=Path)
    parser.add_argument('--worlds', type=int, default=300)
    parser.add_argument('--seed', type=int, default=VALIDATION_SEEDS.start, help='the first world')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads (default: all)')
    args = parser.parse_args()
    try:
        found = calibrate_bundle(args.bundle, args.seed, args.worlds, args.threads)
    except SpatialLLMError as error:
        sys.exit(str(error))
    for name, value in asdict(found).items():
        print(f'{name:14s} {value:.4g}' if isinstance(value, float) else f'{name:14s} {value}')


if __name__ == '__main__':
    main()
