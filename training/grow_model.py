"""Give a model a larger decoder or more words, to train on from there: it answers as before.

python training/grow_model.py models/nano --layers 9 --intermediate-size 768 --out out/grown
python training/grow_model.py models/nano --words --out out/words
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields, replace
from pathlib import Path

from tokenizers import Tokenizer

from spatialllm_ros.deploy.checkpoint import load_checkpoint
from spatialllm_ros.errors import ConfigError, SpatialLLMError
from spatialllm_ros.learning.growing import DecoderSize, decoder_size, grow
from spatialllm_ros.learning.new_words import with_words
from spatialllm_ros.output_files import output_folder
from spatialllm_ros.questions.vocabulary import build_tokenizer

TOKENIZER = 'tokenizer.json'
SIZES = [field.name for field in fields(DecoderSize)]


def main() -> None:
    """Parse the command line, grow, and save a model folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, help='a bundle or model folder')
    parser.add_argument('--out', type=output_folder, required=True, help='the new model folder')
    for name in SIZES:
        parser.add_argument(
            f'--{name.replace("_", "-")}', type=int, help="of the new decoder, if not the model's"
        )
    parser.add_argument(
        '--words', action='store_true', help="give it today's words of our questions and answers"
    )
    parser.add_argument('--seed', type=int, default=0, help='of the new weights')
    args = parser.parse_args()
    sizes = {name: value for name in SIZES if (value := getattr(args, name)) is not None}
    if not sizes and not args.words:
        parser.error('expected a size or --words, found nothing to change')
    if args.out.exists():
        sys.exit(f'expected a new folder for the model, found {args.out}; name another --out')
    try:
        model, tokenizer = load_checkpoint(args.model), own_tokenizer(args.model)
        if args.words:
            tokenizer, before = build_tokenizer(), tokenizer
            model = with_words(model, before, tokenizer, args.seed)
        if sizes:
            size = replace(decoder_size(model.config.text_config), **sizes)
            model = grow(model, size, args.seed)
    except SpatialLLMError as error:
        sys.exit(str(error))
    model.save_pretrained(args.out)
    tokenizer.save(str(args.out / TOKENIZER))
    count = sum(weights.numel() for weights in model.language_model.parameters())
    print(f'wrote {args.out}: a decoder of {count / 1e6:.1f} million parameters')


def own_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a bundle or model folder.

    Raises:
        ConfigError: there is none.
    """
    path = folder / TOKENIZER
    if not path.is_file():
        raise ConfigError(f'expected {path} beside the weights, found none; copy it there')
    return Tokenizer.from_file(str(path))


if __name__ == '__main__':
    main()
