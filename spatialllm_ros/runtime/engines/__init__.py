"""What computes: one small protocol, one table of engines, each imported only when chosen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.bundle import Bundle
from spatialllm_ros.runtime.engines.base import DecoderContext, Engine, Span
from spatialllm_ros.runtime.engines.choosing import Choice, suitable

__all__ = ['ENGINES', 'DecoderContext', 'Engine', 'Span', 'load_engine']

_log = logging.getLogger(__name__)


def _onnx(kind: str, bundle: Bundle, threads: int) -> Engine:
    from spatialllm_ros.runtime.engines.onnx_engine import OnnxEngine  # noqa: PLC0415

    return OnnxEngine(bundle, threads, kind)


def _tensorrt(bundle: Bundle, _: int) -> Engine:
    from spatialllm_ros.runtime.engines.tensorrt_engine import TensorRTEngine  # noqa: PLC0415

    return TensorRTEngine(bundle)


def _torch(bundle: Bundle, threads: int) -> Engine:
    try:
        from spatialllm_ros.runtime.engines.torch_engine import TorchEngine  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise EngineError(
            f'expected the training environment for the torch engine, found no {error.name}; run '
            '`make env-train` and use .venv-train'
        ) from error
    return TorchEngine(bundle, threads)


ENGINES: dict[str, Callable[[Bundle, int], Engine]] = {
    'onnx': partial(_onnx, 'onnx'),
    'onnx-cuda': partial(_onnx, 'onnx-cuda'),
    'onnx-tensorrt': partial(_onnx, 'onnx-tensorrt'),
    'tensorrt': _tensorrt,
    'torch': _torch,
}
"""Every engine by name: takes a verified bundle and how many threads a CPU may use."""


def load_engine(
    bundle: Bundle, name: str = 'auto', threads: int = 0, *, allow_fallback: bool = False
) -> Engine:
    """Load a bundle into an engine; the log says which one and why.

    Args:
        bundle: a verified bundle.
        name: a key of ``ENGINES``, or ``auto`` for the fastest that is there: TensorRT if the
            bundle has engines of its own, else CUDA, else the CPU.
        threads: of the computation on a CPU; 0 for one per core.
        allow_fallback: where the engine cannot be loaded, say because it was built for another
            GPU, take the next best.

    Raises:
        EngineError: an unknown name, or the engine cannot be loaded.
    """
    if name not in ('auto', *ENGINES):
        raise EngineError(f'expected an engine of {["auto", *ENGINES]}, found {name!r}')
    wanted = [] if name == 'auto' else [Choice(name, 'it was asked for')]
    if allow_fallback or not wanted:
        wanted += [choice for choice in suitable(bundle) if choice.name != name]
    if allow_fallback:
        return _first(wanted, bundle, threads)
    return _load(wanted[0], bundle, threads)


def _first(wanted: Sequence[Choice], bundle: Bundle, threads: int) -> Engine:
    failures = []
    for choice in wanted:
        try:
            return _load(choice, bundle, threads)
        except EngineError as error:
            _log.warning('engine %s is passed over: %s', choice.name, error)
            failures.append(f'{choice.name}: {error}')
    raise EngineError('; '.join(failures))


def _load(choice: Choice, bundle: Bundle, threads: int) -> Engine:
    engine = ENGINES[choice.name](bundle, threads)
    _log.info('%s, since %s', engine.name, choice.why)
    return engine
