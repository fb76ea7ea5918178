"""``spatialllm verify``: are these bundles the model that they were made of."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from spatialllm_ros.deploy.one_model import load_one_model
from spatialllm_ros.deploy.parity import STAGES
from spatialllm_ros.deploy.precision import check_points
from spatialllm_ros.deploy.verification import Verified, VerifySettings, missed, verify
from spatialllm_ros.output_files import output_file
from spatialllm_ros.runtime.engines import ENGINES

EXAMPLES = """\
examples:
  spatialllm verify nano                               graphs and words against torch
  spatialllm verify nano out/nano-int8 out/nano-int4   and what each precision costs in accuracy
  spatialllm verify nano out/nano-concat18 --questions 500 --worlds 0
"""


def main(arguments: Sequence[str]) -> int:
    """Print what was found of each bundle, and return 1 if one of them missed a tolerance.

    Raises:
        BundleError: a bundle is missing or altered.
        ConfigError: the bundles are of several models, or the first has no weights.
        EngineError: a bundle cannot be loaded.
        SceneError: there is no OpenGL to draw with.
    """
    parsed = _parser().parse_args(arguments)
    check_points(parsed.max_loss)
    settings = VerifySettings(parsed.engine, parsed.questions, parsed.worlds, parsed.threads)
    found = verify(load_one_model(parsed.bundles), settings)
    failures = [missed(item, found[0], parsed.max_loss) for item in found]
    print(_table(found))
    for item, words in zip(found, failures, strict=True):
        for line in words:
            print(f'{item.name}: {line}', file=sys.stderr)
    if parsed.json is not None:
        _write(parsed.json, found, failures)
    return int(any(failures))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='spatialllm verify',
        description='Hold bundles of one model against torch with the weights of the first.',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('bundles', nargs='+', metavar='BUNDLE', help='folder or name of a model')
    parser.add_argument('--engine', default=VerifySettings.engine, choices=['auto', *ENGINES])
    parser.add_argument(
        '--questions', type=int, default=VerifySettings.questions, metavar='N',
        help='about held-out worlds, whose words are compared (%(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--worlds', type=int, default=VerifySettings.worlds, metavar='N',
        help='validation worlds, for the accuracy of several bundles (%(default)s; 0: none)',
    )  # fmt: skip
    parser.add_argument(
        '--max-loss', type=float, default=1.0, metavar='POINTS',
        help='of accuracy, beside the first bundle (%(default)s)',
    )  # fmt: skip
    parser.add_argument('--threads', type=int, default=0, help='CPU threads (default: all)')
    parser.add_argument('--json', type=output_file, help='write what was found here')
    return parser


def _table(found: Sequence[Verified]) -> str:
    width = max(len('bundle'), *(len(item.name) for item in found))
    wide = max(len('precision'), *(len(item.precision) for item in found))
    stages = ''.join(f'{stage:>10s}' for stage in STAGES)
    head = f'{"bundle":{width}s}  {"precision":{wide}s}  {"flavour":9s}{stages}'
    lines = [f'{head}    allowed  same words  accuracy']
    for item in found:
        gaps = ''.join(f'{item.gaps[stage]:10.1e}' for stage in STAGES)
        allowed = 'any' if item.tolerance is None else f'{item.tolerance:.0e}'
        words = f'{item.same_words}/{item.questions}'
        accuracy = '' if item.accuracy is None else f'{item.accuracy:10.4f}'
        lines.append(
            f'{item.name:{width}s}  {item.precision:{wide}s}  {item.flavour:9s}{gaps}'
            f'{allowed:>11s}{words:>12s}{accuracy}'
        )
    return '\n'.join(lines)


def _write(path: Path, found: Sequence[Verified], failures: Sequence[Sequence[str]]) -> None:
    rows = [
        asdict(item) | {'tolerance': item.tolerance, 'missed': list(words)}
        for item, words in zip(found, failures, strict=True)
    ]
    path.write_text(json.dumps(rows, indent=2) + '\n', encoding='utf-8')
