"""The options of image size and context, which exporting and planning an export share."""

from __future__ import annotations

import argparse
from typing import Any

from spatialllm_ros.deploy.bundle_export import ExportSettings
from spatialllm_ros.deploy.decoder_flavours import FLAVOURS
from spatialllm_ros.deploy.image_size import parse_image_size


def add_size_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--flavour``, ``--context``, ``--questions`` and ``--image``."""
    parser.add_argument('--flavour', choices=list(FLAVOURS), default=ExportSettings.flavour)
    room = parser.add_mutually_exclusive_group()
    room.add_argument(
        '--context', type=int, default=ExportSettings.context,
        help='room for the image and the questions asked at once, in tokens (default %(default)s)',
    )  # fmt: skip
    room.add_argument(
        '--questions', type=int, metavar='N',
        help='make the context as long as the image and N questions on it need',
    )  # fmt: skip
    parser.add_argument('--image', metavar='WxH', help="size in pixels, if not the model's own")


def size_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the options say, as arguments of ``ExportSettings``.

    Raises:
        ConfigError: the image size is none.
    """
    return {
        'flavour': args.flavour,
        'context': args.context,
        'questions': args.questions,
        'image_size': parse_image_size(args.image) if args.image else None,
    }
