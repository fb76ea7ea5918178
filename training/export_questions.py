"""Write questions about shards for other projects' trainers and scorers.

python training/export_questions.py data/train --format llava --out out/llava --per-scene 8
python training/export_questions.py data/validation --format tsv --out out/tsv --split eval
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.output_files import output_folder
from spatialllm_ros.scenes.exchange import FORMATS, asked_images
from spatialllm_ros.scenes.shard_questions import SPLITS, Asking


def main() -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('shards', type=Path, help='folder of rendered or imported scenes')
    parser.add_argument('--format', choices=FORMATS, required=True)
    parser.add_argument('--out', type=output_folder, required=True)
    parser.add_argument('--per-scene', type=int, default=8)
    parser.add_argument('--split', choices=SPLITS, default='train', help='of wordings')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    try:
        asked = asked_images(args.shards, Asking(args.per_scene, args.split, args.seed))
        count = FORMATS[args.format](tqdm(asked, unit='image'), args.out)
    except SpatialLLMError as error:
        sys.exit(str(error))
    print(f'wrote {count} questions into {args.out}')


if __name__ == '__main__':
    main()
