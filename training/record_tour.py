"""Record the demo's tour: a camera that turns slowly in held-out worlds, with what is true there.

python training/record_tour.py
python training/record_tour.py --types height_higher location_closer_to_camera exist
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spatialllm_ros.demo.recording import TOUR, write_recording
from spatialllm_ros.demo.worlds import ABSENT_OBJECT, TYPES, WorldFilm
from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.evaluation.asked_worlds import seeds_from
from spatialllm_ros.output_files import output_file
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS

FIRST_SEED = HELD_OUT_SEEDS.start + 50_000_000
SHOWN = tuple(name for name in TYPES if name not in (ABSENT_OBJECT, 'distance_between'))
"""Types that the shipped model answers in at least four of five held-out worlds."""


def main() -> None:
    """Parse the command line and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=output_file, default=Path(TOUR))
    parser.add_argument('--worlds', type=int, default=12)
    parser.add_argument('--seed', type=int, default=FIRST_SEED, help='the first world')
    parser.add_argument(
        '--types', nargs='+', choices=TYPES, default=SHOWN, metavar='TYPE', help=', '.join(TYPES)
    )
    args = parser.parse_args()
    try:
        seeds_from(args.seed, args.worlds, HELD_OUT_SEEDS)  # refuses worlds of training
        film = WorldFilm(args.types)
        seeds = range(args.seed, HELD_OUT_SEEDS.stop)
        count = write_recording(args.out, film.shots(seeds, args.worlds))
    except SpatialLLMError as error:
        sys.exit(str(error))
    film.close()
    print(f'wrote {count} images, {args.out.stat().st_size / 1e6:.1f} MB, into {args.out}')


if __name__ == '__main__':
    main()
