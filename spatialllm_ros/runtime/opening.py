"""Which session answers: a bundle in an engine here, or a model on a server."""

from __future__ import annotations

from dataclasses import dataclass

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.engines import ENGINES
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.runtime.session_base import Session

AUTO, REMOTE = 'auto', 'remote'
ENGINE_NAMES = (AUTO, *ENGINES, REMOTE)
"""What ``ModelSource.engine`` may be."""


@dataclass(frozen=True)
class ModelSource:
    """What is to answer.

    Attributes:
        bundle: a folder, or the name of a shipped bundle; not used for ``remote``.
        engine: one of ``ENGINE_NAMES``.
        threads: of the computation on a CPU; 0 for one per core.
        allow_fallback: take the next best engine where this one cannot be loaded.
        server_url: for ``remote``, the base of a server with OpenAI's chat completions.
        server_model: for ``remote``, the model's name there.
    """

    bundle: str = 'nano'
    engine: str = AUTO
    threads: int = 0
    allow_fallback: bool = False
    server_url: str = ''
    server_model: str = ''


def open_session(source: ModelSource) -> Session:
    """Open what is to answer; a server is not asked anything yet.

    Raises:
        BundleError: names the file, what is wrong with it and what to do.
        EngineError: the engine cannot be loaded, or the server is not named.
    """
    if source.engine == REMOTE:
        return _remote(source)
    return SpatialSession.load(
        source.bundle, source.engine, source.threads, allow_fallback=source.allow_fallback
    )


def _remote(source: ModelSource) -> Session:
    # Imported here, for most never ask a server.
    from spatialllm_ros.runtime.engines.remote_server import RemoteServer  # noqa: PLC0415
    from spatialllm_ros.runtime.engines.remote_session import RemoteSession  # noqa: PLC0415

    if not source.server_model:
        raise EngineError(
            'expected the name of a model on the server, found none; give it by --model on the '
            'command line, by server_model to the node'
        )
    return RemoteSession(RemoteServer(source.server_url, source.server_model))
