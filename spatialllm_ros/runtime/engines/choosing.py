"""``engine: auto``: which engines suit this machine and this bundle, the fastest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatialllm_ros.runtime.bundle import Bundle
from spatialllm_ros.runtime.engines.tensorrt_identity import FOLDER
from spatialllm_ros.runtime.engines.tensorrt_library import Gpu, find_gpu


@dataclass(frozen=True)
class Choice:
    """An engine by name, and in words why it, rather than a faster one, is taken."""

    name: str
    why: str


def suitable(bundle: Bundle) -> list[Choice]:
    """Return what this machine can run a bundle with; the last one every machine can.

    Raises:
        EngineError: the NVIDIA driver answers, but wrongly.
    """
    import onnxruntime as ort  # noqa: PLC0415  (what is not chosen is not imported)

    built = sorted((bundle.folder / FOLDER).glob('*.engine'))
    return choices(built, find_gpu(), ort.get_available_providers())


def choices(built: Sequence[Path], gpu: Gpu | None, providers: Collection[str]) -> list[Choice]:
    """Return what suits a machine.

    Args:
        built: the bundle's TensorRT engines, be they for this machine or for another.
        gpu: of the machine.
        providers: of its ONNX Runtime.
    """
    if gpu is None:
        return [Choice('onnx', 'no NVIDIA GPU answers')]
    found, lacking = [], []
    if built:
        found.append(Choice('tensorrt', f'the bundle has engines and there is a {gpu.name}'))
    else:
        lacking.append('the bundle has no TensorRT engines')
    if 'CUDAExecutionProvider' in providers:
        found.append(Choice('onnx-cuda', ' and '.join([*lacking, f'there is a {gpu.name}'])))
    else:
        lacking.append(f'this onnxruntime cannot use the {gpu.name}')
    return [*found, Choice('onnx', ' and '.join(lacking) or 'a CPU is always there')]
