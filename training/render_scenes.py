"""Render simulated worlds into scene shards.

python training/render_scenes.py --out data/train --split train --count 40000 --processes 2
python training/render_scenes.py --out data/train-336 --size 336 336
python training/render_scenes.py --out /shared/train --count 100000 --shard 0/8
python training/render_scenes.py --preview out/preview.png --seed 0
python training/render_scenes.py --preview out/lenses.png --style lenses
"""

from __future__ import annotations

import argparse
import sys

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.output_files import output_file, output_folder
from spatialllm_ros.scenes.jobs import Part, Workers
from spatialllm_ros.scenes.rendering import SIZE_PX, SPLIT_SEEDS, RenderRequest, render_scenes
from spatialllm_ros.scenes.world_styles import STYLES


def main() -> None:
    """Parse the command line and render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=output_folder, help='folder for the shards')
    parser.add_argument('--split', choices=list(SPLIT_SEEDS), default='train')
    parser.add_argument('--count', type=int, default=1000)
    parser.add_argument('--seed', type=int, help='first seed (default: the first of the split)')
    parser.add_argument(
        '--size', type=int, nargs=2, default=SIZE_PX, metavar=('WIDTH', 'HEIGHT'),
        help='of the images in pixels (default: %(default)s)',
    )  # fmt: skip
    parser.add_argument('--processes', type=int, default=1)
    parser.add_argument(
        '--shard',
        default='0/1',
        metavar='I/N',
        help='make every N-th file from number I on (I: 0 to N - 1); the rest is made elsewhere',
    )
    parser.add_argument('--ray', action='store_true', help='on the Ray cluster of RAY_ADDRESS')
    parser.add_argument(
        '--preview', type=output_file, help='write a contact sheet with the truth drawn'
    )
    parser.add_argument(
        '--style',
        choices=list(STYLES),
        default='trained',
        help='of the worlds in the contact sheet',
    )
    args = parser.parse_args()
    if args.out is None and args.preview is None:
        parser.error('expected --out or --preview, found neither')
    try:
        _render(args)
    except SpatialLLMError as error:
        sys.exit(str(error))


def _render(args: argparse.Namespace) -> None:
    seed = SPLIT_SEEDS[args.split].start if args.seed is None else args.seed
    if args.preview is not None:
        from spatialllm_ros.scenes.preview import write_preview  # noqa: PLC0415

        write_preview(args.preview, seed, STYLES[args.style])
        print(f'wrote {args.preview}')
    if args.out is not None:
        workers = Workers(args.processes, args.ray, Part.parse(args.shard))
        request = RenderRequest(args.out, args.split, seed, args.count, *args.size)
        print(f'{args.out}: {render_scenes(request, workers).summary()}')


if __name__ == '__main__':
    main()
