r"""Give a model a larger decoder that answers as its own did, to train on from there.

python training/grow_model.py models/nano --hidden-size 768 --intermediate-size 2048 \
    --layers 9 --heads 12 --out out/grown
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from spatialllm_ros.deploy.checkpoint import load_checkpoint
from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.learning.growing import DecoderSize, grow


def main() -> None:
    """Parse the command line, grow, and save a model folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, help='a bundle or model folder')
    parser.add_argument('--out', type=Path, required=True, help='the new model folder')
    for name in ('hidden-size', 'intermediate-size', 'layers', 'heads'):
        parser.add_argument(f'--{name}', type=int, required=True, help='of the new decoder')
    parser.add_argument('--seed', type=int, default=0, help='of the new weights')
    args = parser.parse_args()
    size = DecoderSize(args.hidden_size, args.intermediate_size, args.layers, args.heads)
    try:
        grown = grow(load_checkpoint(args.model), size, args.seed)
    except SpatialLLMError as error:
        sys.exit(str(error))
    grown.save_pretrained(args.out)
    shutil.copyfile(args.model / 'tokenizer.json', args.out / 'tokenizer.json')
    count = sum(weights.numel() for weights in grown.language_model.parameters())
    print(f'wrote {args.out}: a decoder of {count / 1e6:.1f} million parameters')


if __name__ == '__main__':
    main()
