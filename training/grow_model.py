"""Give a model a larger decoder that answers as its own did, to train on from there.

python training/grow_model.py models/nano --layers 9 --intermediate-size 768 --out out/grown
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import fields, replace
from pathlib import Path

from spatialllm_ros.deploy.checkpoint import load_checkpoint
from spatialllm_ros.errors import ConfigError, SpatialLLMError
from spatialllm_ros.learning.growing import DecoderSize, decoder_size, grow

SIZES = [field.name for field in fields(DecoderSize)]


def main() -> None:
    """Parse the command line, grow, and save a model folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, help='a bundle or model folder')
    parser.add_argument('--out', type=Path, required=True, help='the new model folder')
    for name in SIZES:
        parser.add_argument(
            f'--{name.replace("_", "-")}', type=int, help="of the new decoder, if not the model's"
        )
    parser.add_argument('--seed', type=int, default=0, help='of the new weights')
    args = parser.parse_args()
    given = {name: value for name in SIZES if (value := getattr(args, name)) is not None}
    tokenizer = args.model / 'tokenizer.json'
    if args.out.exists():
        sys.exit(f'expected a new folder for the model, found {args.out}; name another --out')
    try:
        model = load_checkpoint(args.model)
        if not tokenizer.is_file():
            raise ConfigError(
                f'expected {tokenizer} beside the weights, found none; copy it there'
            )
        grown = grow(model, replace(decoder_size(model.config.text_config), **given), args.seed)
    except SpatialLLMError as error:
        sys.exit(str(error))
    grown.save_pretrained(args.out)
    shutil.copyfile(tokenizer, args.out / tokenizer.name)
    count = sum(weights.numel() for weights in grown.language_model.parameters())
    print(f'wrote {args.out}: a decoder of {count / 1e6:.1f} million parameters')


if __name__ == '__main__':
    main()
