"""Export a trained model folder as a bundle that runs without torch.

python export/export_onnx.py checkpoints/nano/model --out models/nano
python export/export_onnx.py models/nano --out out/wide --image 256x192 --questions 8
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spatialllm_ros.deploy.bundle_export import ExportSettings
from spatialllm_ros.deploy.checkpoint import export_checkpoint
from spatialllm_ros.deploy.needed_words import needed_words
from spatialllm_ros.deploy.size_options import add_size_options, size_settings
from spatialllm_ros.errors import SpatialLLMError


def main() -> None:
    """Parse the command line, export, print what was written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', type=Path, help='folder with config.json and safetensors')
    parser.add_argument('--out', type=Path, required=True, help='folder of the bundle')
    parser.add_argument('--name', help="the bundle's name (default: its folder's)")
    add_size_options(parser)
    parser.add_argument(
        '--vocabulary', metavar='FILE|used',
        help="keep only what the words of a text file, or the project's own questions, need",
    )  # fmt: skip
    parser.add_argument(
        '--spelled-words', action='store_true',
        help='ask questions with words that fall apart into characters, too: it learned such',
    )  # fmt: skip
    parser.add_argument(
        '--training-note', type=note, nargs='+', action='extend', default=[], metavar='KEY=VALUE',
        help='where the weights come from, for people; kept in the manifest',
    )  # fmt: skip
    args = parser.parse_args()
    try:
        settings = ExportSettings(
            name=args.name or args.out.resolve().name,
            **size_settings(args),
            words=needed_words(args.vocabulary) if args.vocabulary else None,
            spelled_words=args.spelled_words,
            training=dict(args.training_note),
        )
        bundle = export_checkpoint(args.checkpoint, args.out, settings)
    except SpatialLLMError as error:
        sys.exit(str(error))
    for entry in bundle.manifest.files.values():
        print(f'{entry.bytes:12,d}  {entry.path}')
    print(f'wrote {bundle.folder}')


def note(text: str) -> tuple[str, str]:
    """Split ``key=value``."""
    key, found, value = text.partition('=')
    if not (key and found):
        raise argparse.ArgumentTypeError(f'expected KEY=VALUE, found {text!r}')
    return key, value


if __name__ == '__main__':
    main()
