"""Steps that come again and again with the same shapes at the same places, as CUDA graphs.

Full TensorRT leaves recording to its caller, and wants an execution context that nothing else
changes for each graph. TensorRT-RTX records by itself; see ``TensorRTGraph``.
Source: TensorRT's documentation, "CUDA graphs" under advanced topics.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.engines.cuda_driver import CudaDriver, DeviceMemory
from spatialllm_ros.runtime.engines.cuda_graph import CudaGraph

MOST_STEPS = 8
"""Kept, the latest used ones; each has an execution context with memory of its own."""


class Step:
    """An execution context with its shapes and addresses, as long as nothing changes them.

    Attributes:
        shape: of the output that is wanted.
        output: where it will lie.
    """

    def __init__(
        self, driver: CudaDriver, context: Any, shape: tuple[int, ...], output: DeviceMemory
    ) -> None:
        """Take a context that is ready to run."""
        self.shape, self.output = shape, output
        self._driver, self._context = driver, context
        self._graph: CudaGraph | None = None
        self._has_run, self._can_record = False, True

    def run(self) -> bool:
        """Put the step into the stream; it is recorded when it has run once, as TensorRT wants.

        Raises:
            EngineError: the driver refused.
        """
        if self._graph is None and self._has_run and self._can_record:
            try:
                self._graph = CudaGraph(self._driver, self._execute)
            except EngineError:  # some engines wait or allocate while they run
                self._can_record = False
        self._has_run = True
        if self._graph is None:
            return self._execute()
        self._graph.launch()
        return True

    def _execute(self) -> bool:
        return bool(self._context.execute_async_v3(self._driver.stream))


class Steps:
    """The latest steps, by whatever tells them apart."""

    def __init__(self) -> None:
        """Know none."""
        self._known: OrderedDict[Hashable, Step | None] = OrderedDict()

    def find(self, key: Hashable, new_step: Callable[[], Step]) -> Step | None:
        """Return a step that comes for the second time or later; none where it cannot be made.

        Args:
            key: shapes and addresses.
            new_step: makes it.
        """
        if key not in self._known:
            self._known[key] = None
            if len(self._known) > MOST_STEPS:
                self._known.popitem(last=False)
            return None
        self._known.move_to_end(key)
        if self._known[key] is None:
            try:
                self._known[key] = new_step()
            except EngineError:  # no memory for a context more: it runs without
                del self._known[key]
        return self._known.get(key)
