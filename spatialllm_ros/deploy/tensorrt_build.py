"""A graph of a bundle into a TensorRT engine, with its identity beside it.

Nothing is written before the engine is whole, and then the old one is replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spatialllm_ros.deploy.tensorrt_devices import Target, member_name
from spatialllm_ros.deploy.tensorrt_graphs import ParsedGraph
from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.bundle import Bundle
from spatialllm_ros.runtime.engines.tensorrt_identity import (
    FOLDER,
    EngineIdentity,
    Shapes,
    graph_sha256,
)

Tell = Callable[[str], None]

REMEDIES = {
    'memory': 'close other programs, or lower --workspace-mib or --prefill',
    'workspace': 'raise --workspace-mib',
}
"""What to do about a failed build, by a word in what TensorRT said."""
OTHERWISE = 'see whether another flavour or precision of the bundle builds'


def build_engine(
    parsed: ParsedGraph, bundle: Bundle, target: Target, profiles: Mapping[str, Shapes], tell: Tell
) -> Path:
    """Build an engine into the bundle and return its path.

    Args:
        parsed: a graph of the bundle.
        bundle: where the engine goes, in a folder of its own.
        target: what it is built for.
        profiles: from ``profile_shapes``.
        tell: takes one line of progress.

    Raises:
        EngineError: the build failed, or its result cannot be written; nothing is left behind.
    """
    config = _config(parsed, target, profiles, tell)
    plan = parsed.builder.build_serialized_network(parsed.network, config)
    if plan is None:
        raise _failure(parsed, 'the build failed')
    engine = bytes(plan)
    graph, tensorrt = parsed.graph, parsed.tensorrt
    identity = EngineIdentity(
        graph=graph.role,
        graph_sha256=graph_sha256(bundle, graph.role),
        engine_sha256=hashlib.sha256(engine).hexdigest(),
        flavour=tensorrt.flavour,
        version=tensorrt.version,
        gpu=target.gpu,
        compute_capabilities=target.compute_capabilities,
        precision=graph.precision,
        cache_updates=parsed.cache_updates,
        workspace_bytes=target.workspace_bytes,
        profiles=profiles,
    )
    return _write(bundle.folder / FOLDER, engine, identity)


def _config(
    parsed: ParsedGraph, target: Target, profiles: Mapping[str, Shapes], tell: Tell
) -> Any:
    api, builder = parsed.tensorrt.api, parsed.builder
    config = builder.create_builder_config()
    config.set_memory_pool_limit(api.MemoryPoolType.WORKSPACE, target.workspace_bytes)
    # By itself it rounds what float32 products multiply to 10 bits, and no check would hold.
    # Source: TensorRT's documentation of BuilderFlag.TF32 ("Enabled by default").
    config.clear_flag(api.BuilderFlag.TF32)
    config.progress_monitor = _new_monitor(api, tell)
    if not parsed.tensorrt.needs_gpu:
        config.num_compute_capabilities = len(target.compute_capabilities)
        for index, capability in enumerate(target.compute_capabilities):
            member = api.ComputeCapability.__members__[member_name(capability)]
            config.set_compute_capability(member, index)
    for label, shapes in profiles.items():
        profile = builder.create_optimization_profile()
        for name, (least, usual, greatest) in shapes.items():
            profile.set_shape(name, least, usual, greatest)
        if config.add_optimization_profile(profile) < 0:
            raise _failure(parsed, f'the profile {label!r} is not accepted')
    return config


def _new_monitor(api: Any, tell: Tell) -> Any:
    """Return a progress monitor that tells each phase that has steps worth counting."""

    class Monitor(api.IProgressMonitor):
        def __init__(self) -> None:
            super().__init__()
            self.told: set[str] = set()

        def phase_start(self, phase: str, parent: str | None, _: int) -> None:
            if phase not in self.told:
                self.told.add(phase)
                tell(phase if parent is None else f'  {phase}')

        def step_complete(self, *_: object) -> bool:
            return True  # False would cancel

        def phase_finish(self, *_: object) -> None:
            pass

    return Monitor()


def _failure(parsed: ParsedGraph, what: str) -> EngineError:
    said = ' '.join(' '.join([f'{what}:', *parsed.log.errors]).split())
    remedies = [remedy for word, remedy in REMEDIES.items() if word in said.lower()]
    return EngineError(
        f'{parsed.graph.path}: expected {parsed.tensorrt.flavour} {parsed.tensorrt.version} to '
        f'build it, but {said}. What to do: {"; ".join(remedies) or OTHERWISE}'
    )


def _write(folder: Path, engine: bytes, identity: EngineIdentity) -> Path:
    members = [member_name(capability) for capability in identity.compute_capabilities]
    name = '-'.join([identity.graph, identity.flavour, *members]).lower()
    path = folder / f'{name}.engine'
    try:
        folder.mkdir(exist_ok=True)
        with TemporaryDirectory(prefix='.build-', dir=folder) as scratch:
            whole = Path(scratch) / path.name
            whole.write_bytes(engine)
            whole.with_suffix('.json').write_text(identity.to_json(), encoding='utf-8')
            # A reader between the two sees an engine that is not the one described, and says so.
            for made in (whole, whole.with_suffix('.json')):
                made.replace(folder / made.name)
    except OSError as error:
        raise EngineError(
            f'expected to write {path}, found {error}; make room there, or copy the bundle to a '
            'folder of your own'
        ) from error
    return path
