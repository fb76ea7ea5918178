"""Average the weights of models that began at the same weights.

python training/average_models.py models/nano checkpoints/nano-gpu/model --out out/average
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.learning.averaging import average_models
from spatialllm_ros.output_files import output_folder


def main() -> None:
    """Parse the command line and average."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('models', type=Path, nargs='+', help='bundles or model folders')
    parser.add_argument('--out', type=output_folder, required=True, help='the new model folder')
    args = parser.parse_args()
    try:
        average_models(args.models, args.out)
    except SpatialLLMError as error:
        sys.exit(str(error))
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
