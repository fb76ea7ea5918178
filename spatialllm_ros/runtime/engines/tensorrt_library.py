"""Which TensorRT and which GPU this machine has.

The driver is asked first, by its own library: several TensorRT calls crash where none answers, and
a crash cannot be caught. Two flavours have one interface: full TensorRT, which builds and runs on
the GPU at hand, and TensorRT-RTX, which also builds for other GPUs, on machines without any.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from spatialllm_ros.errors import EngineError

FULL, RTX = 'tensorrt', 'tensorrt-rtx'
MODULES = {FULL: 'tensorrt', RTX: 'tensorrt_rtx'}
"""The Python module of each flavour."""

INSTALL = (
    'a Jetson gets TensorRT with its JetPack; elsewhere run '
    '`pip install -r requirements/tensorrt.txt`'
)

_DRIVER = 'libcuda.so.1'
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*; source: cuda.h


@dataclass(frozen=True)
class Gpu:
    """The first GPU that the driver names; ``compute_capability`` reads like ``8.7``."""

    name: str
    compute_capability: str
    memory_bytes: int


@dataclass(frozen=True)
class TensorRT:
    """An importable TensorRT; ``api`` is its module."""

    flavour: str
    version: str
    api: Any

    @property
    def needs_gpu(self) -> bool:
        """Whether it builds only for the GPU at hand."""
        return self.flavour == FULL


def find_gpu() -> Gpu | None:
    """Return the machine's first NVIDIA GPU; None where no driver or no GPU answers."""
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return None
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return None
    device, memory = ctypes.c_int(), ctypes.c_size_t()
    major, minor = ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    failures = (
        driver.cuDeviceGet(ctypes.byref(device), 0),
        driver.cuDeviceGetName(name, len(name), device),
        driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device),
        driver.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device),
        driver.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device),
    )
    if any(failures):
        raise EngineError(
            f'expected the NVIDIA driver to describe its first GPU, found the error codes '
            f'{failures}; see whether nvidia-smi works'
        )
    return Gpu(name.value.decode(), f'{major.value}.{minor.value}', memory.value)


def load_tensorrt(flavour: str, gpu: Gpu | None) -> TensorRT:
    """Import a flavour of TensorRT.

    Args:
        flavour: a key of ``MODULES``, or ``auto``: full TensorRT where it and a GPU are, else
            TensorRT-RTX.
        gpu: from ``find_gpu``.

    Raises:
        EngineError: it is not installed, cannot be loaded, or needs a GPU that is not there.
    """
    installed = [name for name, module in MODULES.items() if find_spec(module)]
    usable = [name for name in installed if gpu or name == RTX]
    chosen = next(iter(usable), FULL) if flavour == 'auto' else flavour
    if chosen not in installed:
        raise EngineError(
            f'expected {"TensorRT" if flavour == "auto" else chosen}, found '
            f'{" and ".join(installed) or "none"} in this Python; {INSTALL}'
        )
    if chosen not in usable:
        raise EngineError(
            f'expected an NVIDIA driver with a GPU for {chosen}, found none; build on the robot, '
            f'or choose {RTX}, which builds without a GPU'
        )
    try:
        api = import_module(MODULES[chosen])
    except (ImportError, OSError) as error:  # its shared libraries are packages of their own
        raise EngineError(f'{chosen} is installed but cannot be loaded: {error}') from error
    return TensorRT(chosen, api.__version__, api)


def new_log(api: Any) -> Any:
    """Return a TensorRT logger that prints nothing and keeps what went wrong in ``errors``."""

    class Log(api.ILogger):  # type: ignore[misc]  # it has no types
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= api.ILogger.Severity.ERROR:
                self.errors.append(message)

    return Log()
