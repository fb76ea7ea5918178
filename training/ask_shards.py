"""Write questions about scene shards, one a line, into questions-*.jsonl beside them.

python training/ask_shards.py data/train --per-scene 14 --processes 2
python training/ask_shards.py /shared/train --shard 0/8
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.scenes.jobs import Part, Workers
from spatialllm_ros.scenes.shard_questions import SPLITS, Asking, write_questions


def main() -> None:
    """Parse the command line and ask."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('shards', type=Path, help='folder of rendered or imported scenes')
    parser.add_argument('--per-scene', type=int, default=14)
    parser.add_argument('--split', choices=SPLITS, default='train', help='of wordings')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--processes', type=int, default=1)
    parser.add_argument(
        '--shard',
        default='0/1',
        metavar='I/N',
        help='ask about every N-th file from number I on (I: 0 to N - 1)',
    )
    parser.add_argument('--ray', action='store_true', help='on the Ray cluster of RAY_ADDRESS')
    args = parser.parse_args()
    try:
        workers = Workers(args.processes, args.ray, Part.parse(args.shard))
        asking = Asking(args.per_scene, args.split, args.seed)
        print(f'{args.shards}: {write_questions(args.shards, asking, workers).summary()}')
    except SpatialLLMError as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
