"""Run the roadmap study: each 3D-informed step of the paper on top of the one before.

python training/run_roadmap.py training/recipes/roadmap.yaml --out checkpoints/roadmap
A run that was stopped goes on where it was. The seeds run side by side, one core each.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.evaluation.held_out import HeldOutWorlds
from spatialllm_ros.evaluation.roadmap import Study, run_study
from spatialllm_ros.evaluation.roadmap_report import write_report
from spatialllm_ros.learning.recipe import load_recipe
from spatialllm_ros.output_files import output_folder


def main() -> None:
    """Parse the command line, run what is missing, write table and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('recipe', type=Path)
    parser.add_argument('--out', type=output_folder, required=True, help='folder for checkpoints')
    parser.add_argument('--report', type=output_folder, default=Path('docs/results'))
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1])
    parser.add_argument('--worlds', type=int, default=500, help='held out, to score each row on')
    args = parser.parse_args()
    try:
        worlds = HeldOutWorlds(count=args.worlds, threads=1)
        recipe = load_recipe(args.recipe)
        scores = run_study(Study(recipe, args.out, tuple(args.seeds), worlds))
    except SpatialLLMError as error:
        sys.exit(str(error))
    print(write_report(scores, args.report))


if __name__ == '__main__':
    main()
