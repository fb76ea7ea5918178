"""What an ONNX Runtime session reads and writes in main memory, bound anew only where it changes.

Word after word has the same shapes: then values are copied into arrays that are bound already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from spatialllm_ros.runtime.engines.base import Floats
from spatialllm_ros.runtime.engines.spans import Inputs

LOGITS = 'logits'


class HostBinding:
    """Arrays of one session on a CPU."""

    def __init__(self, session: ort.InferenceSession, vocabulary: int) -> None:
        """Bind nothing yet."""
        self._session, self._vocabulary = session, vocabulary
        self._binding = session.io_binding()
        self._arrays: dict[str, NDArray[Any]] = {}
        self._cache: Mapping[str, Floats] = {}

    def hold_cache(self, arrays: Mapping[str, Floats]) -> None:
        """Let the next run bind a cache's arrays, each as input and output."""
        self._cache = arrays

    def run(self, inputs: Inputs) -> Floats:
        """Compute behind the cache and return the logits (N, V)."""
        self._bind_cache()
        for name, values in inputs.items():
            self._array(name, values.shape, values.dtype)[...] = values
        shape = (*inputs['logit_indices'].shape, self._vocabulary)
        logits = self._array(LOGITS, shape, np.dtype(np.float32))
        self._session.run_with_iobinding(self._binding)
        found: Floats = logits[0].copy()
        return found

    def _bind_cache(self) -> None:
        for name, array in self._cache.items():
            value = ort.OrtValue.ortvalue_from_numpy(array)
            self._binding.bind_ortvalue_input(f'past_{name}', value)
            self._binding.bind_ortvalue_output(f'present_{name}', value)
        self._cache = {}

    def _array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the array that is bound, if it has the shape, or else bind a new one."""
        array = self._arrays.get(name)
        if array is None or array.shape != shape:
            array = self._arrays[name] = np.zeros(shape, dtype)
            value = ort.OrtValue.ortvalue_from_numpy(array)
            if name == LOGITS:
                self._binding.bind_ortvalue_output(name, value)
            else:
                self._binding.bind_ortvalue_input(name, value)
        return array
