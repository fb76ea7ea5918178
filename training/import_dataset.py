"""Import an annotated dataset into scene shards, or draw its truth over its images.

python training/import_dataset.py kitti KITTI/training --out data/kitti --accept-licence NAME
python training/import_dataset.py kitti KITTI/training --overlays out/kitti --accept-licence NAME
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.output_files import output_folder
from spatialllm_ros.scenes.datasets import (
    READERS,
    ImportRequest,
    annotated_scenes,
    import_shards,
    part_of,
)
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.licences import LICENCES
from spatialllm_ros.scenes.overlay import write_overlays


def main() -> None:
    """Parse the command line, import, and say what was kept and what was not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('dataset', choices=sorted(READERS))
    parser.add_argument('path', type=Path, help='folder or file (see docs/guide/datasets.md)')
    parser.add_argument('--out', type=output_folder, help='folder for the shards')
    parser.add_argument('--overlays', type=output_folder, help='for PNGs with the truth drawn in')
    parser.add_argument(
        '--accept-licence', action='append', default=[], metavar='NAME', choices=sorted(LICENCES),
        help='of data that is not for commercial use',
    )  # fmt: skip
    parser.add_argument('--skip', type=int, default=0, help='leave the first scenes out')
    parser.add_argument('--limit', type=int, help='import no more than so many scenes')
    parser.add_argument('--width', type=int, default=ImportRequest.width_px)
    parser.add_argument('--height', type=int, default=ImportRequest.height_px)
    args = parser.parse_args()
    target = args.out or args.overlays
    if target is None:
        parser.error('give --out, --overlays or both')
    if args.out and args.overlays and args.out.resolve() == args.overlays.resolve():
        parser.error('expected two folders at --out and --overlays, found one: give another')
    for folder in filter(None, (args.out, args.overlays)):
        report = ImportReport()
        try:
            found = annotated_scenes(args.dataset, args.path, args.accept_licence, report)
            scenes = part_of(found, args.skip, args.limit)
            if folder is args.overlays:
                write_overlays(scenes, folder, report)
            else:
                size = {'width_px': args.width, 'height_px': args.height}
                request = ImportRequest(folder, **size)
                import_shards(scenes, request, report)
        except SpatialLLMError as error:
            sys.exit(str(error))
        report.write(folder / 'report.json')
        print(f'{folder}: {report.summary()}')


if __name__ == '__main__':
    main()
