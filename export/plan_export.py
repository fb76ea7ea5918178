"""Tell what exporting a recipe's model would take: files by precision, cache and memory.

python export/plan_export.py training/recipes/8b.yaml --context 1024
python export/plan_export.py training/recipes/nano.yaml --image 256x192 --questions 8
python export/plan_export.py training/recipes/8b.yaml --context 1024 --vocabulary 2000
python export/plan_export.py training/recipes/{nano,small,8b}.yaml --context 1024 --on-robots
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spatialllm_ros.deploy.bundle_export import ExportSettings
from spatialllm_ros.deploy.export_plan import plan_export
from spatialllm_ros.deploy.memory_tables import memory_tables
from spatialllm_ros.deploy.size_options import add_size_options, size_settings
from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.learning.recipe import load_recipe


def main() -> None:
    """Parse the command line, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('recipes', type=Path, nargs='+', metavar='RECIPE')
    add_size_options(parser)
    parser.add_argument(
        '--vocabulary', type=int, metavar='N',
        help='as if only so many entries of the vocabulary were kept',
    )  # fmt: skip
    parser.add_argument(
        '--on-robots', action='store_true',
        help='tables in Markdown of what the models take where they run',
    )  # fmt: skip
    args = parser.parse_args()
    try:
        settings = ExportSettings(**size_settings(args))
        plans = [
            plan_export(load_recipe(recipe), settings, args.vocabulary) for recipe in args.recipes
        ]
    except SpatialLLMError as error:
        sys.exit(str(error))
    if args.on_robots:
        print(memory_tables(plans))
    else:
        print('\n\n'.join(plan.table() for plan in plans))


if __name__ == '__main__':
    main()
