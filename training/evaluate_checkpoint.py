"""Score a bundle, or a model folder as transformers saves it, on worlds no training sees.

python training/evaluate_checkpoint.py models/nano --worlds 2000 --json out/nano.json
python training/evaluate_checkpoint.py models/nano --worlds 500 --style lenses
python training/evaluate_checkpoint.py checkpoints/nano/model --worlds 500 --split validation
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spatialllm_ros.deploy.checkpoint import as_bundle
from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.evaluation.held_out import (
    SPLITS,
    HeldOutWorlds,
    ask_held_out,
    ask_held_out_variants,
)
from spatialllm_ros.evaluation.pictures import write_pictures
from spatialllm_ros.evaluation.report import make_report
from spatialllm_ros.output_files import output_file
from spatialllm_ros.runtime.bundle import load_bundle
from spatialllm_ros.scenes.world_styles import STYLES


def main() -> None:
    """Parse the command line, ask, print and write the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, help='a bundle, or a folder with config.json')
    parser.add_argument('--worlds', type=int, default=HeldOutWorlds.count)
    parser.add_argument(
        '--split', choices=list(SPLITS), default=HeldOutWorlds.split,
        help='held-out worlds, or those for choosing between models (default %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--seed', type=int, help='the first world (default: the first of the split)'
    )
    parser.add_argument(
        '--style', choices=list(STYLES), default=HeldOutWorlds.style,
        help='worlds like those of training, or beyond them in one way',
    )  # fmt: skip
    parser.add_argument('--json', type=output_file, help='write the scores here')
    parser.add_argument(
        '--pictures', type=output_file, help='draw right and wrong answers into this PNG'
    )
    parser.add_argument(
        '--circular', action='store_true', help='ask of mirrored images and rotated options, too'
    )
    parser.add_argument('--processes', type=int, default=1)
    parser.add_argument(
        '--threads', type=int, default=0, help='of each process (default: its share of the cores)'
    )
    args = parser.parse_args()
    if args.pictures is not None and args.pictures.suffix != '.png':
        parser.error(f'expected --pictures to be a PNG, found {args.pictures}')
    try:
        seed = SPLITS[args.split].start if args.seed is None else args.seed
        worlds = HeldOutWorlds(
            seed, args.worlds, args.style, args.processes, args.threads, args.split
        )
        with as_bundle(args.model) as bundle:
            seen, unseen = ask_held_out(bundle, worlds)
            trials = ask_held_out_variants(bundle, worlds) if args.circular else []
            image = load_bundle(bundle).manifest.image
        report = make_report(str(args.model), worlds, seen, unseen, trials)
        print(report.table())
        if args.json is not None:
            report.write(args.json)
        if args.pictures is not None:
            size_px = (image.width_px, image.height_px)
            write_pictures(args.pictures, seen, size_px, STYLES[args.style])
    except SpatialLLMError as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
