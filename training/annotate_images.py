"""Annotate a folder of plain images with pretrained models, or draw what they found.

python training/annotate_images.py photos --find chair table --out data/photos --hfov-deg 70
python training/annotate_images.py photos --find chair table --overlays out/photos
"""

from __future__ import annotations

import argparse
import math
import sys
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.image_annotation.annotating import (
    AnnotationRequest,
    Annotators,
    annotated_scenes,
    write_shards,
)
from spatialllm_ros.image_annotation.weights import DEPTH_ANYTHING, stated_licence, weights
from spatialllm_ros.output_files import output_folder
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.jobs import Part
from spatialllm_ros.scenes.licences import LICENCES, OWN_IMAGES
from spatialllm_ros.scenes.overlay import write_overlays


def main() -> None:
    """Parse the command line, annotate, and say what was kept and what was not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add, names = parser.add_argument, sorted(LICENCES)
    add('images', type=Path, help='folder, read with all below it')
    add('--find', nargs='+', required=True, metavar='NOUN', help="such as chair 'potted plant'")
    made = parser.add_mutually_exclusive_group(required=True)
    made.add_argument('--out', type=output_folder, help='folder for shards')
    made.add_argument('--overlays', type=output_folder, help='or for PNGs of what was found')
    add('--cache', type=output_folder, help='what each step found (default: IMAGES-cache)')
    add('--detector', default='IDEA-Research/grounding-dino-tiny')
    add('--masker', default='facebook/sam-vit-base', help='a SamModel')
    add('--depth', default=f'{DEPTH_ANYTHING}-Indoor-Small-hf', help='a metric depth model')
    add('--orientation', help='image classifier of azimuths; without one nothing has a front')
    add('--threshold', type=float, default=0.3, help='least score of a detection')
    add('--hfov-deg', type=float, help='field of view across the width of every image')
    add('--shard', default='0/1', metavar='I/N', help='image k is of k mod N')
    add('--size', type=int, nargs=2, default=(192, 144), metavar='PX', help='width and height')
    add('--images-licence', default=OWN_IMAGES, choices=names)
    add('--licence-of', action='append', default=[], metavar='MODEL=NAME', type=stated_licence)
    add('--accept-licence', action='append', default=[], metavar='NAME', choices=names)
    add('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    args = parser.parse_args()
    hfov_rad = args.hfov_deg and math.radians(args.hfov_deg)
    read = partial(weights, stated=dict(args.licence_of), device=args.device)
    try:
        annotators = Annotators(
            read(args.detector), read(args.masker), read(args.depth),
            read(args.orientation) if args.orientation else None, args.images_licence,
        )  # fmt: skip
        request = AnnotationRequest(
            args.images, args.cache or Path(f'{args.images.resolve()}-cache'), annotators,
            args.find, args.threshold, hfov_rad, Part.parse(args.shard), args.accept_licence,
        )  # fmt: skip
        report = ImportReport()
        scenes = tqdm(annotated_scenes(request, report), unit='image')
        if args.out is None:
            write_overlays(scenes, args.overlays, report)
        else:
            write_shards(scenes, args.out, tuple(args.size), request, report)
    except SpatialLLMError as error:
        sys.exit(str(error))
    report.write((args.out or args.overlays) / f'report-{request.part}.json')
    print(report.summary())


if __name__ == '__main__':
    main()
