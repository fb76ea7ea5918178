"""Tell what exporting a recipe's model would take: files by precision, cache and memory.

python export/plan_export.py training/recipes/8b.yaml --context 1024
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spatialllm_ros.deploy.bundle_export import ExportSettings
from spatialllm_ros.deploy.decoder_flavours import FLAVOURS
from spatialllm_ros.deploy.export_plan import plan_export
from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.learning.recipe import load_recipe


def main() -> None:
    """Parse the command line, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('recipe', type=Path)
    parser.add_argument('--flavour', choices=list(FLAVOURS), default=ExportSettings.flavour)
    parser.add_argument(
        '--context', type=int, default=ExportSettings.context,
        help='room for the image and the questions asked at once, in tokens (default %(default)s)',
    )  # fmt: skip
    args = parser.parse_args()
    try:
        settings = ExportSettings(flavour=args.flavour, context=args.context)
        print(plan_export(load_recipe(args.recipe), settings).table())
    except SpatialLLMError as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
