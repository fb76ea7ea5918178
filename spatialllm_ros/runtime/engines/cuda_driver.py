"""The few functions of the CUDA driver that an engine needs, and GPU memory that has an owner.

By ctypes on the driver's own library, which is wherever a GPU is. What a thread calls goes to the
context that is current in it, and an engine is loaded in one thread and used in another, so each
call makes the first GPU's primary context current; TensorRT uses the same one.
Source of names and types: cuda.h.
"""

from __future__ import annotations

import ctypes
import weakref
from ctypes import POINTER, byref, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from spatialllm_ros.errors import EngineError

LIBRARY = 'libcuda.so.1'
OUT_OF_MEMORY = 2
NON_BLOCKING = 1
"""A stream that waits for no other: while a blocking one is recorded, whoever else in this process
uses the default stream fails. Source: CUstream_flags and cuStreamIsCapturing, cuda.h."""
MIB = 1024**2

# A device's address is an integer of 64 bits, which ctypes would cut without being told.
SIGNATURES: dict[str, tuple[Any, ...]] = {
    'cuInit': (c_uint,),
    'cuDevicePrimaryCtxRetain': (POINTER(c_void_p), c_int),
    'cuCtxSetCurrent': (c_void_p,),
    'cuStreamCreate': (POINTER(c_void_p), c_uint),
    'cuStreamSynchronize': (c_void_p,),
    'cuMemGetInfo_v2': (POINTER(c_size_t), POINTER(c_size_t)),
    'cuMemAlloc_v2': (POINTER(c_uint64), c_size_t),
    'cuMemFree_v2': (c_uint64,),
    'cuMemsetD8Async': (c_uint64, c_ubyte, c_size_t, c_void_p),
    'cuMemcpyHtoDAsync_v2': (c_uint64, c_void_p, c_size_t, c_void_p),
    'cuMemcpyDtoHAsync_v2': (c_void_p, c_uint64, c_size_t, c_void_p),
    'cuMemcpyDtoDAsync_v2': (c_uint64, c_uint64, c_size_t, c_void_p),
    'cuStreamBeginCapture_v2': (c_void_p, c_int),
    'cuStreamEndCapture': (c_void_p, POINTER(c_void_p)),
    'cuGraphInstantiateWithFlags': (POINTER(c_void_p), c_void_p, c_uint64),
    'cuGraphLaunch': (c_void_p, c_void_p),
    'cuGraphDestroy': (c_void_p,),
    'cuGraphExecDestroy': (c_void_p,),
}


class CudaDriver:
    """The first GPU, and the stream in which everything on it happens in order.

    Attributes:
        stream: its handle, as TensorRT takes it.
    """

    def __init__(self, library: Any) -> None:
        """Take the loaded library of the driver.

        Raises:
            EngineError: the driver or the GPU does not answer.
        """
        self._functions = {name: getattr(library, name) for name in SIGNATURES}
        for name, types in SIGNATURES.items():
            self._functions[name].argtypes = types
        self._context, stream = c_void_p(), c_void_p()
        self._check('cuInit', self._functions['cuInit'](0))
        retain = self._functions['cuDevicePrimaryCtxRetain']
        self._check('cuDevicePrimaryCtxRetain', retain(byref(self._context), 0))
        self.call('cuStreamCreate', byref(stream), NON_BLOCKING)
        self.stream = int(stream.value or 0)

    def call(self, function: str, *arguments: Any) -> None:
        """Call a function of ``SIGNATURES``.

        Raises:
            EngineError: it failed.
        """
        self._check('cuCtxSetCurrent', self._functions['cuCtxSetCurrent'](self._context))
        self._check(function, self._functions[function](*arguments))

    def allocate(self, nbytes: int) -> int:
        """Return the address of new memory; ``DeviceMemory`` also gives it back.

        Raises:
            EngineError: there is not so much.
        """
        address, free, total = c_uint64(), c_size_t(), c_size_t()
        self.call('cuMemGetInfo_v2', byref(free), byref(total))
        code = self._functions['cuMemAlloc_v2'](byref(address), nbytes)
        if code == OUT_OF_MEMORY:
            raise EngineError(
                f'expected {nbytes / MIB:.1f} MiB of GPU memory, found {free.value / MIB:.1f} of '
                f'{total.value / MIB:.1f} MiB free; end other programs on the GPU, or take a '
                'bundle of a smaller context or precision'
            )
        self._check('cuMemAlloc_v2', code)
        return address.value

    def free(self, address: int) -> None:
        """Give memory back."""
        self.call('cuMemFree_v2', address)

    def synchronise(self) -> None:
        """Wait until the stream has done everything.

        Raises:
            EngineError: something of it failed.
        """
        self.call('cuStreamSynchronize', self.stream)

    def _check(self, function: str, code: int) -> None:
        if code:
            raise EngineError(
                f'expected the NVIDIA driver to do {function}, found error {code} (a CUresult of '
                'cuda.h); see whether nvidia-smi works, and start anew'
            )


@cache
def cuda_driver() -> CudaDriver:
    """Return the driver of this machine; one for the whole process, as its primary context is.

    Raises:
        EngineError: there is none.
    """
    try:
        return CudaDriver(ctypes.CDLL(LIBRARY))
    except OSError as error:
        raise EngineError(f"expected NVIDIA's driver, found {error}; install it") from error


class DeviceMemory:
    """Memory on the GPU, given back when this object goes; starts as zeros.

    Attributes:
        address: on the GPU.
        nbytes: its size.
    """

    def __init__(self, driver: CudaDriver, nbytes: int) -> None:
        """Allocate at least one byte, so that an empty tensor has an address, too.

        Raises:
            EngineError: there is not so much.
        """
        self._driver, self.nbytes = driver, max(1, nbytes)
        self.address = driver.allocate(self.nbytes)
        # The end of the process frees it anyway, and by then the driver may be gone.
        weakref.finalize(self, driver.free, self.address).atexit = False
        self.clear()

    def clear(self) -> None:
        """Let it be all zeros."""
        self._driver.call('cuMemsetD8Async', self.address, 0, self.nbytes, self._driver.stream)

    def write(self, values: NDArray[Any]) -> None:
        """Copy a contiguous array here; it has been read when this returns."""
        pointer = values.ctypes.data_as(c_void_p)
        arguments = (self.address, pointer, values.nbytes, self._driver.stream)
        self._driver.call('cuMemcpyHtoDAsync_v2', *arguments)

    def read(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return what is here once the stream has come so far."""
        values = np.empty(shape, dtype)
        pointer = values.ctypes.data_as(c_void_p)
        arguments = (pointer, self.address, values.nbytes, self._driver.stream)
        self._driver.call('cuMemcpyDtoHAsync_v2', *arguments)
        self._driver.synchronise()
        return values

    def copy_from(self, other: DeviceMemory, to: int, start: int, nbytes: int) -> None:
        """Copy bytes of another memory from its offset ``start`` to the offset ``to`` here."""
        addresses = (self.address + to, other.address + start)
        self._driver.call('cuMemcpyDtoDAsync_v2', *addresses, nbytes, self._driver.stream)
