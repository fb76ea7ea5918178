"""Steps that come again and again with the same shapes at the same places, as CUDA graphs.

Full TensorRT leaves recording to its caller, and wants an execution context that nothing else
changes for each graph. TensorRT-RTX records by itself; see ``TensorRTGraph``.
Source: TensorRT's documentation, "CUDA graphs" under advanced topics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.engines.cuda_driver import CudaDriver, DeviceMemory
from spatialllm_ros.runtime.engines.cuda_graph import CudaGraph

MOST_STEPS = 8
"""Kept, for each has an execution context with memory of its own."""
HALVED_AFTER = 500
"""Steps, after which what has been counted counts half."""


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
        """Put the step into the stream; it is recorded when it has run once, as TensorRT wants."""
        if self._has_run and self._can_record:
            try:
                self._graph = self._graph or CudaGraph(self._driver, self._execute)
                self._graph.launch()
            except EngineError:  # some engines wait or allocate while they run; memory is short
                self._graph, self._can_record = None, False
            else:
                return True
        self._has_run = True
        return self._execute()

    def _execute(self) -> bool:
        return bool(self._context.execute_async_v3(self._driver.stream))


class Steps:
    """The steps that come most often, by whatever tells them apart."""

    def __init__(self) -> None:
        """Know none."""
        self._kept: dict[Hashable, Step | None] = {}
        self._counts: Counter[Hashable] = Counter()
        self._asked = 0

    def find(self, key: Hashable, new_step: Callable[[], Step]) -> Step | None:
        """Return a step that comes more often than others; none where it does not.

        Args:
            key: shapes and addresses.
            new_step: makes it; where it cannot, the key is remembered as one without a step.
        """
        self._count(key)
        if key not in self._kept and self._deserves(key):
            try:
                self._kept[key] = new_step()
            except EngineError:  # no memory for another context
                self._kept[key] = None
        return self._kept.get(key)

    def clear(self) -> bool:
        """Give up all of them and their memory; false where there are none."""
        had_some = any(self._kept.values())
        self._kept.clear()
        return had_some

    def _count(self, key: Hashable) -> None:
        self._asked += 1
        if self._asked % HALVED_AFTER == 0:  # so that what came often long ago makes room
            self._counts = Counter({k: n // 2 for k, n in self._counts.items() if n > 1})
        self._counts[key] += 1

    def _deserves(self, key: Hashable) -> bool:
        """Make room for a key that came before, and more often than the rarest that is kept."""
        if self._counts[key] < 2:
            return False
        if len(self._kept) >= MOST_STEPS:
            rarest = min(self._kept, key=lambda kept: self._counts[kept])
            if self._counts[key] <= self._counts[rarest]:
                return False
            del self._kept[rarest]
        return True
