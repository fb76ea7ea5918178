"""``spatialllm build-engine``: a bundle's graphs into TensorRT engines, on the target itself."""

from __future__ import annotations

import argparse
import re
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spatialllm_ros.deploy.tensorrt_build import build_engine
from spatialllm_ros.deploy.tensorrt_devices import (
    DEVICES,
    Target,
    check_precision,
    resolve_target,
)
from spatialllm_ros.deploy.tensorrt_graphs import Graph, ParsedGraph, read_graphs
from spatialllm_ros.deploy.tensorrt_profiles import SpanLimits, profile_shapes
from spatialllm_ros.runtime.bundle import find_bundle, load_bundle
from spatialllm_ros.runtime.engines.tensorrt_library import MODULES, find_gpu, load_tensorrt

MIB = 1024**2

EXAMPLES = """\
examples:
  spatialllm build-engine nano                              for the GPU of this machine
  spatialllm build-engine nano --check-only                 are all operators supported?
  spatialllm build-engine nano --compute-capability 8.6 12.0    for others, by TensorRT-RTX
"""


def main(arguments: Sequence[str]) -> int:
    """Parse every graph, build an engine of each, and print what it took.

    Raises:
        BundleError: the bundle is missing or altered.
        ConfigError: what is asked for cannot be built here.
        EngineError: TensorRT is missing, cannot read a graph, or failed.
    """
    parsed = _parser().parse_args(arguments)
    bundle = load_bundle(find_bundle(parsed.bundle))
    gpu = find_gpu()
    tensorrt = load_tensorrt(parsed.tensorrt, gpu)
    print(f'{tensorrt.flavour} {tensorrt.version}, {gpu.name if gpu else "no GPU"}')
    graphs = read_graphs(bundle, parsed.graph)
    questions = parsed.questions or bundle.manifest.limits.questions or SpanLimits.questions
    limits = SpanLimits(parsed.prefill, questions)
    plans = {graph.role: profile_shapes(graph, bundle.manifest, limits) for graph in graphs}
    if parsed.check_only:
        for graph in graphs:
            _print_support(graph, ParsedGraph(graph, tensorrt))
        return 0
    target = resolve_target(parsed.device, parsed.compute_capability, tensorrt, gpu)
    if parsed.workspace_mib:
        target = replace(target, workspace_bytes=parsed.workspace_mib * MIB)
    for graph in graphs:
        check_precision(graph.precision, target)
    _print_target(target)
    for graph in graphs:
        started = time.perf_counter()
        network = ParsedGraph(graph, tensorrt)
        _print_support(graph, network)
        path = build_engine(network, bundle, target, plans[graph.role], _tell)
        _print_built(path, time.perf_counter() - started)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='spatialllm build-engine',
        description='Build TensorRT engines of a bundle into its folder engines/.',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('bundle', help='folder or name of a model')
    parser.add_argument('--check-only', action='store_true', help='parse the graphs, build none')
    parser.add_argument(
        '--device', default='auto', choices=['auto', *DEVICES],
        help='what to build for; auto is the GPU of this machine',
    )  # fmt: skip
    parser.add_argument(
        '--compute-capability', nargs='+', type=_capability, default=[], metavar='X.Y',
        help="build for these instead of the device's (%(metavar)s like 8.6)",
    )  # fmt: skip
    parser.add_argument(
        '--tensorrt', default='auto', choices=['auto', *MODULES], help='which of the installed'
    )
    parser.add_argument(
        '--graph', nargs='+', default=[], metavar='ROLE', help='only these (default: all)'
    )
    parser.add_argument(
        '--prefill', type=_count, default=0, metavar='N',
        help='longest prefix, or questions read together (default: what the context holds)',
    )  # fmt: skip
    parser.add_argument(
        '--questions', type=_count, default=0, metavar='N',
        help='most questions answered together (default: the number of the export, or '
        f'{SpanLimits.questions})',
    )  # fmt: skip
    parser.add_argument(
        '--workspace-mib', type=_count, default=0, metavar='N',
        help="limit on scratch memory (default: a sixteenth of the device's memory)",
    )  # fmt: skip
    return parser


def _capability(text: str) -> str:
    if not re.fullmatch(r'\d+\.\d', text):
        raise argparse.ArgumentTypeError(f'expected a compute capability like 8.6, found {text}')
    return text


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError(f'expected 1 or more, found {text}')
    return count


def _tell(line: str) -> None:
    print(f'    {line}', file=sys.stderr, flush=True)


def _print_target(target: Target) -> None:
    print(
        f'for compute capability {", ".join(target.compute_capabilities)}, workspace up to '
        f'{target.workspace_bytes // MIB} MiB'
    )


def _print_support(graph: Graph, network: ParsedGraph) -> None:
    operators = graph.operators
    print(
        f'{graph.role}: {graph.path.name}, opset {graph.opset}, {graph.precision}, '
        f'{operators.total()} nodes, all {len(operators)} operators supported, '
        f'{network.cache_updates} cache tensors updated in place'
    )
    print('  ' + ', '.join(f'{name} {count}' for name, count in sorted(operators.items())))


def _print_built(path: Path, elapsed_s: float) -> None:
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # source: getrusage(2), Linux
    print(
        f'  {path}: {path.stat().st_size / 1e6:.1f} MB in {elapsed_s:.0f} s; this process took '
        f'at most {peak_kib / 1024:.0f} MiB of memory'
    )
