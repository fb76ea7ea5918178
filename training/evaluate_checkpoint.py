"""Score a bundle, or a checkpoint as transformers saves it, on held-out worlds.

python training/evaluate_checkpoint.py models/nano --worlds 2000 --json out/nano.json
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from spatialllm_ros.deploy.export import export_bundle
from spatialllm_ros.evaluation.held_out import evaluate_held_out, write_report
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS


def main() -> None:
    """Parse the command line, ask, print and write the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, help='a bundle, or a folder with config.json')
    parser.add_argument('--worlds', type=int, default=2000)
    parser.add_argument('--seed', type=int, default=HELD_OUT_SEEDS.start, help='the first world')
    parser.add_argument('--json', type=Path, help='write the scores here')
    parser.add_argument('--threads', type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bundle = args.model
        if not (bundle / 'manifest.json').exists():
            bundle = export_bundle(args.model, Path(scratch) / 'bundle')
        session = SpatialSession.load(bundle, threads=args.threads)
        report = evaluate_held_out(session, str(args.model), args.seed, args.worlds)
    print(report.table())
    if args.json is not None:
        write_report(report, args.json)


if __name__ == '__main__':
    main()
