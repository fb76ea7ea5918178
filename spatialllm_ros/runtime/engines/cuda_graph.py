"""Work on a GPU that is recorded once and then started by one call.

A small model's word is a hundred kernels of microseconds each: starting them one by one takes
longer than they do.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from ctypes import byref, c_void_p

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.engines.cuda_driver import CudaDriver

THIS_THREAD = 1
"""Other threads may go on using the GPU meanwhile. Source: CUstreamCaptureMode, cuda.h."""


class CudaGraph:
    """What some work put into the driver's stream, given back when this object goes."""

    def __init__(self, driver: CudaDriver, work: Callable[[], bool]) -> None:
        """Record; nothing is computed yet.

        Args:
            driver: of the stream.
            work: must neither wait nor allocate; says whether it succeeded.

        Raises:
            EngineError: the work failed, or cannot be recorded.
        """
        recorded, self._launchable = c_void_p(), c_void_p()
        self._driver = driver
        driver.call('cuStreamBeginCapture_v2', driver.stream, THIS_THREAD)
        try:
            is_done = work()
        finally:  # the stream would go on recording
            driver.call('cuStreamEndCapture', driver.stream, byref(recorded))
        try:
            if not is_done:
                raise EngineError('expected work that can be recorded, found that it failed')
            driver.call('cuGraphInstantiateWithFlags', byref(self._launchable), recorded, 0)
        finally:
            driver.call('cuGraphDestroy', recorded)
        destroy = weakref.finalize(self, driver.call, 'cuGraphExecDestroy', self._launchable)
        destroy.atexit = False  # the driver may be gone by then

    def launch(self) -> None:
        """Do the work, in its turn.

        Raises:
            EngineError: the driver refused.
        """
        self._driver.call('cuGraphLaunch', self._launchable, self._driver.stream)
