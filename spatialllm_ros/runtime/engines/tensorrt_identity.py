"""What an engine was built from and for, in a JSON file beside it, and the check before its use.

An engine file says none of this itself; run elsewhere it fails late, wrongly or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.bundle import Bundle, sha256_of
from spatialllm_ros.runtime.engines.tensorrt_library import Gpu, TensorRT, load_tensorrt

FOLDER = 'engines'
"""Where in a bundle its engines lie."""

FORMAT = 'spatialllm-engine'
SCHEMA_VERSION = 2
"""Engines of version 1 may round what float32 products multiply to 10 bits (TF32)."""

Shapes = Mapping[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]
"""Of each input of dynamic shape: the least, the usual and the greatest."""


@dataclass(frozen=True)
class EngineIdentity:
    """One engine.

    Attributes:
        graph: role in the bundle of the ONNX file that it was built from.
        graph_sha256: see ``graph_sha256``.
        engine_sha256: of the engine's file.
        flavour, version: of the TensorRT that built it; no other may run it.
        gpu: name of the GPU that it was built on; None if it was built without.
        compute_capabilities: of the GPUs that it was built for, each like ``8.6``.
        precision: of the graph's weights.
        cache_updates: how many cache tensors it writes in place; input and output are then one.
        workspace_bytes: the limit on scratch memory.
        profiles: the shapes that it takes, by profile, in the engine's order.
    """

    graph: str
    graph_sha256: str
    engine_sha256: str
    flavour: str
    version: str
    gpu: str | None
    compute_capabilities: tuple[str, ...]
    precision: str
    cache_updates: int
    workspace_bytes: int
    profiles: Mapping[str, Shapes]

    def to_json(self) -> str:
        """Return the text of the file beside the engine."""
        head = {'format': FORMAT, 'schema_version': SCHEMA_VERSION}
        return json.dumps(head | asdict(self), indent=2) + '\n'


def read_identity(engine: Path) -> EngineIdentity:
    """Read the identity beside an engine file.

    Raises:
        EngineError: there is none, or it is of another format or version.
    """
    path = engine.with_suffix('.json')
    try:
        plain = json.loads(path.read_text(encoding='utf-8'))
        head = (plain.pop('format'), plain.pop('schema_version'))
        if head != (FORMAT, SCHEMA_VERSION):
            raise EngineError(
                f'{path}: expected a {FORMAT} of version {SCHEMA_VERSION}, found {head}; '
                f'{_remedy(engine)}'
            )
        plain['compute_capabilities'] = tuple(plain['compute_capabilities'])
        return EngineIdentity(**plain)
    except FileNotFoundError:
        raise EngineError(f'expected {path}, found no such file; {_remedy(engine)}') from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(
            f'{path}: expected the identity of an engine, found {error!r}; {_remedy(engine)}'
        ) from error


def check_engine(
    engine: Path, bundle: Bundle, tensorrt: TensorRT, gpu: Gpu | None
) -> EngineIdentity:
    """Refuse an engine that is not whole, not of this bundle, or not for this machine.

    Raises:
        EngineError: names every difference, and what to do.
    """
    identity = read_identity(engine)
    if not engine.is_file():
        raise EngineError(f'expected {engine}, found no such file; {_remedy(engine)}')
    is_there = identity.graph in bundle.manifest.files
    graph = graph_sha256(bundle, identity.graph) if is_there else None
    pairs: list[tuple[str, str | None, str | None]] = [
        ('engine sha256', identity.engine_sha256, sha256_of(engine)),
        (f'{identity.graph} sha256', identity.graph_sha256, graph),
        ('TensorRT', f'{identity.flavour} {identity.version}',
         f'{tensorrt.flavour} {tensorrt.version}'),
    ]  # fmt: skip
    if tensorrt.needs_gpu:  # its engines are tuned on one GPU, not built for a list of them
        pairs.append(('GPU', identity.gpu, gpu.name if gpu else None))
    differences = [
        f'{what}: expected {wanted}, found {found}'
        for what, wanted, found in pairs
        if wanted != found
    ]
    found = gpu.compute_capability if gpu else 'no GPU'
    if found not in identity.compute_capabilities:
        wanted = ' or '.join(identity.compute_capabilities)
        differences.append(f'compute capability: expected {wanted}, found {found}')
    if differences:
        raise EngineError(f'{engine}: {"; ".join(differences)}; {_remedy(engine)}')
    return identity


def graph_sha256(bundle: Bundle, role: str) -> str:
    """Return the hashes of a graph's file and of its weights, if they lie beside it."""
    files = bundle.manifest.files
    path = files[role].path
    data = [entry.sha256 for entry in files.values() if entry.path == f'{path}.data']
    return '+'.join([files[role].sha256, *data])


def find_engine(bundle: Bundle, role: str, gpu: Gpu) -> tuple[Path, EngineIdentity, TensorRT]:
    """Return the engine of a graph for this machine, and the TensorRT that runs it.

    Raises:
        EngineError: there is none, or says of each why it cannot be used.
    """
    folder = bundle.folder / FOLDER
    refusals = []
    for path in sorted(folder.glob(f'{role}-*.engine')):
        try:
            tensorrt = load_tensorrt(read_identity(path).flavour, gpu)
            return path, check_engine(path, bundle, tensorrt, gpu), tensorrt
        except EngineError as error:
            refusals.append(str(error))
    missing = f'expected an engine of the {role} graph in {folder}, found none; '
    raise EngineError('; '.join(refusals) or missing + _remedy(folder / role))


def _remedy(engine: Path) -> str:
    return f'run `spatialllm build-engine {engine.parent.parent}` on this machine'
