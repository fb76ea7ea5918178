"""A CUDA driver whose device memory is this process's own."""
# ruff: noqa: N802  (names of the driver)

import ctypes
import threading

from spatialllm_ros.runtime.engines.cuda_driver import SIGNATURES

# Source: cuda.h
OUT_OF_MEMORY, NO_CONTEXT, ILLEGAL_ADDRESS, WHILE_RECORDING, SPOILT = 2, 201, 700, 900, 901
NOT_WHILE_RECORDING = ('cuMem', 'cuStreamSynchronize', 'cuStreamBegin', 'cuGraph')


class FakeCuda:
    """The driver's functions over this process's memory."""

    def __init__(self, memory_bytes=64 * 1024**2):
        self.memory_bytes, self.buffers = memory_bytes, {}
        self.current = threading.local()
        self.recording, self.is_spoilt = None, False
        self.graphs, self.launchable, self.launches, self.failures = {}, {}, 0, []
        for name, types in SIGNATURES.items():
            call = getattr(self, f'_{name}')
            needs_context = name not in ('cuInit', 'cuDevicePrimaryCtxRetain', 'cuCtxSetCurrent')
            if name.startswith(NOT_WHILE_RECORDING):
                call = self._unless_recording(call)
            wrapped = self._in_context(call) if needs_context else call
            setattr(self, name, ctypes.CFUNCTYPE(ctypes.c_int, *types)(wrapped))

    def _in_context(self, call):
        return lambda *values: call(*values) if hasattr(self.current, 'it') else NO_CONTEXT

    def _unless_recording(self, call):
        def checked(*values):
            if self.recording is None:
                return call(*values)
            self.is_spoilt = True
            return WHILE_RECORDING

        return checked

    @property
    def used(self):
        return sum(map(len, self.buffers.values()))

    def owns(self, address, nbytes):
        return any(
            start <= address and address + nbytes <= start + len(buffer)
            for start, buffer in self.buffers.items()
        )

    def _cuInit(self, flags):
        return 0

    def _cuDevicePrimaryCtxRetain(self, context, device):
        context[0] = 7
        return 0

    def _cuCtxSetCurrent(self, context):
        self.current.it = context
        return 0 if context == 7 else NO_CONTEXT

    def _cuStreamCreate(self, stream, flags):
        stream[0] = 9
        return 0

    def _cuStreamSynchronize(self, stream):
        return 0 if stream == 9 else ILLEGAL_ADDRESS

    def _cuMemGetInfo_v2(self, free, total):
        free[0], total[0] = self.memory_bytes - self.used, self.memory_bytes
        return 0

    def _cuMemAlloc_v2(self, address, nbytes):
        if self.used + nbytes > self.memory_bytes:
            return OUT_OF_MEMORY
        buffer = (ctypes.c_ubyte * nbytes)()
        ctypes.memset(buffer, 0xFF, nbytes)  # NaN, as far as floats go
        address[0] = ctypes.addressof(buffer)
        self.buffers[address[0]] = buffer
        return 0

    def _cuMemFree_v2(self, address):
        return 0 if self.buffers.pop(address, None) else ILLEGAL_ADDRESS

    def _cuMemsetD8Async(self, address, value, nbytes, stream):
        if not self.owns(address, nbytes):
            return ILLEGAL_ADDRESS
        ctypes.memset(address, value, nbytes)
        return 0

    def _copy(self, to, start, nbytes, *on_device):
        if not all(self.owns(address, nbytes) for address in on_device):
            return ILLEGAL_ADDRESS
        ctypes.memmove(to, start, nbytes)
        return 0

    def _cuMemcpyHtoDAsync_v2(self, to, start, nbytes, stream):
        return self._copy(to, start, nbytes, to)

    def _cuMemcpyDtoHAsync_v2(self, to, start, nbytes, stream):
        return self._copy(to, start, nbytes, start)

    def _cuMemcpyDtoDAsync_v2(self, to, start, nbytes, stream):
        return self._copy(to, start, nbytes, to, start)

    def _cuStreamBeginCapture_v2(self, stream, mode):
        self.recording, self.is_spoilt = [], False
        return 0

    def _cuStreamEndCapture(self, stream, graph):
        work, self.recording = self.recording, None
        if self.is_spoilt:
            return SPOILT
        graph[0] = self._handle()
        self.graphs[graph[0]] = work
        return 0

    def _cuGraphInstantiateWithFlags(self, launchable, graph, flags):
        launchable[0] = self._handle()
        self.launchable[launchable[0]] = self.graphs[graph]
        return 0

    def _cuGraphLaunch(self, launchable, stream):
        self.launches += 1
        try:
            for work in self.launchable[launchable]:
                work()
        except Exception as error:  # ctypes would swallow it
            self.failures.append(error)
            return ILLEGAL_ADDRESS
        return 0

    def _cuGraphDestroy(self, graph):
        return 0 if self.graphs.pop(graph, None) else ILLEGAL_ADDRESS

    def _cuGraphExecDestroy(self, launchable):
        return 0 if self.launchable.pop(launchable, None) else ILLEGAL_ADDRESS

    def _handle(self):
        self.handles = getattr(self, 'handles', 100) + 1
        return self.handles
