"""Train a model by a recipe: all stages, or one.

python training/train.py training/recipes/nano.yaml --out checkpoints/nano
python training/train.py training/recipes/nano.yaml --out checkpoints/nano --stage encoder
python training/train.py training/recipes/8b.yaml --dry-run --processes 8
torchrun --nproc-per-node 2 training/train.py training/recipes/nano.yaml --out checkpoints/nano
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import torch

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.learning.pipeline import run_recipe
from spatialllm_ros.learning.plan import plan_recipe
from spatialllm_ros.learning.process_end import leave_the_others
from spatialllm_ros.learning.recipe import STAGE_NAMES, load_recipe
from spatialllm_ros.output_files import output_folder


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('recipe', type=Path)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--out', type=output_folder, help='folder for checkpoints')
    what.add_argument('--dry-run', action='store_true', help='only tell what it would take')
    parser.add_argument('--processes', type=int, default=1, help='what --dry-run counts with')
    parser.add_argument('--stage', choices=STAGE_NAMES, help='run this stage alone')
    parser.add_argument('--minutes', type=float, default=math.inf, help='stop after this long')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads (default: all)')
    args = parser.parse_args()
    if args.threads < 0:
        parser.error(f'expected --threads from 0 on, found {args.threads}')
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        recipe = load_recipe(args.recipe)
        if args.dry_run:
            print(plan_recipe(recipe, args.processes).table())
            return
        scores = run_recipe(recipe, args.out, args.stage, args.minutes)
    except SpatialLLMError as error:
        sys.exit(str(error))
    for name, value in scores.items():
        print(f'{name:40s} {value:.4f}')


if __name__ == '__main__':
    main()
    leave_the_others()
