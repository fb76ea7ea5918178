"""What computes: one small protocol, one table of engines, each imported only when chosen."""

from __future__ import annotations

from collections.abc import Callable

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.bundle import Bundle
from spatialllm_ros.runtime.engines.base import DecoderContext, Engine, Span

__all__ = ['ENGINES', 'DecoderContext', 'Engine', 'Span', 'load_engine']


def _onnx(bundle: Bundle, threads: int) -> Engine:
    from spatialllm_ros.runtime.engines.onnx_engine import OnnxEngine  # noqa: PLC0415

    return OnnxEngine(bundle, threads)


ENGINES: dict[str, Callable[[Bundle, int], Engine]] = {'onnx': _onnx}
"""Every engine by name, the preferred one first."""


def load_engine(bundle: Bundle, name: str = 'auto', threads: int = 0) -> Engine:
    """Load a bundle into an engine.

    Args:
        bundle: a verified bundle.
        name: a key of ``ENGINES``, or ``auto`` for the first.
        threads: of the computation on a CPU; 0 for one per core.

    Raises:
        EngineError: an unknown name, or the engine cannot be loaded.
    """
    chosen = next(iter(ENGINES)) if name == 'auto' else name
    if chosen not in ENGINES:
        raise EngineError(f'expected an engine of {["auto", *ENGINES]}, found {name!r}')
    return ENGINES[chosen](bundle, threads)
