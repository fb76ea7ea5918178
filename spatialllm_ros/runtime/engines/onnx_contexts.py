"""Decoder contexts in ONNX Runtime: where the cache lies, and what becomes of it with each span.

The cache stays where the provider computes. That of the static flavour is bound as input and
output, and the graph updates it in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.bundle import DecoderSpec
from spatialllm_ros.runtime.engines.base import DecoderContext, Floats, Span
from spatialllm_ros.runtime.engines.host_binding import HostBinding
from spatialllm_ros.runtime.engines.host_cache import HostCache, cache_size
from spatialllm_ros.runtime.engines.spans import (
    CACHE,
    Inputs,
    check_room,
    growing_inputs,
    static_inputs,
)

_FAILURES = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    RuntimeError,  # from runs with a binding
)
"""What ONNX Runtime raises; its classes have no base of their own."""


def new_context(session: ort.InferenceSession, spec: DecoderSpec, device: str) -> DecoderContext:
    """Return an empty context.

    Args:
        session: of a decoder's graph.
        spec: of the same bundle.
        device: ``cpu`` or ``cuda``.
    """
    if spec.flavour != 'static24':
        return GrowingContext(session, spec, device)
    return HostContext(session, spec) if device == 'cpu' else StaticContext(session, spec, device)


@contextmanager
def failures_named(what: str) -> Iterator[None]:
    """Make an ``EngineError`` of whatever ONNX Runtime raises; ``what`` failed then."""
    try:
        yield
    except _FAILURES as error:
        raise EngineError(
            f'{what} failed in onnxruntime {ort.__version__}: {error}; export the bundle again '
            'with the flavour concat18 if this onnxruntime is an old one'
        ) from error


class _Context:
    """What both flavours share."""

    def __init__(self, session: ort.InferenceSession, spec: DecoderSpec, device: str) -> None:
        self._session, self._spec, self._device = session, spec, device
        self._length = 0

    @property
    def length(self) -> int:
        """How many positions the cache holds."""
        return self._length

    @property
    def capacity(self) -> int:
        """How many positions it has room for."""
        return self._spec.context

    def _run(self, binding: ort.IOBinding, inputs: Inputs) -> Floats:
        """Compute behind what is bound already, and return the logits."""
        for name, values in inputs.items():
            binding.bind_cpu_input(name, values)
        # Bound anew, for their number changes; bound last, they stand last.
        binding.bind_output('logits', 'cpu')
        with failures_named('the decoder graph'):
            self._session.run_with_iobinding(binding)
        # The vector, for a list would wrap every layer's cache anew.
        outputs = binding.get_outputs_as_ortvaluevector()
        logits: Floats = outputs[len(outputs) - 1].numpy()[0]
        return logits

    def _new_cache(self, positions: int) -> dict[str, ort.OrtValue]:
        """Return a cache of zeros, for what the mask hides is multiplied by zero."""
        empty = np.zeros((1, self._spec.kv_heads, positions, self._spec.head_size), np.float32)
        return {
            name: ort.OrtValue.ortvalue_from_numpy(empty.copy(), self._device, 0)
            for name in self._spec.cache_names()
        }


class StaticContext(_Context):
    """A cache on a GPU that the graph updates in place; it spans the whole context."""

    def __init__(self, session: ort.InferenceSession, spec: DecoderSpec, device: str) -> None:
        """Bind a cache, once, as input and output."""
        super().__init__(session, spec, device)
        self._binding = session.io_binding()
        for name, cache in self._new_cache(spec.context).items():
            self._binding.bind_ortvalue_input(f'past_{name}', cache)
            self._binding.bind_ortvalue_output(f'present_{name}', cache)

    def append(self, span: Span) -> Floats:
        """See ``DecoderContext.append``."""
        check_room(span, self._length, self.capacity)
        logits = self._run(self._binding, static_inputs(span, self._length, self.capacity))
        self._length += len(span.positions)
        return logits

    def rewind(self, length: int) -> None:
        """See ``DecoderContext.rewind``."""
        self._length = min(length, self._length)


class HostContext(_Context):
    """A cache in main memory that the graph updates in place; it spans what is needed.

    Older bundles have graphs for caches of one size, which is the whole context.
    """

    def __init__(self, session: ort.InferenceSession, spec: DecoderSpec) -> None:
        """Take the memory of the whole context."""
        super().__init__(session, spec, 'cpu')
        self._cache = HostCache(spec)
        self._is_free = any(CACHE in item.shape for item in session.get_inputs())
        self._is_sized = False  # after a rewind: what comes then may need another size
        self._text, self._word = (HostBinding(session, spec.vocabulary) for _ in range(2))

    @property
    def size(self) -> int:
        """How many positions the cache spans now; attention reads them all."""
        return self._cache.size

    def append(self, span: Span) -> Floats:
        """See ``DecoderContext.append``."""
        count = len(span.positions)
        check_room(span, self._length, self.capacity)
        self._fit(count)
        binding = self._word if count == 1 else self._text
        with failures_named('the decoder graph'):
            logits = binding.run(static_inputs(span, self._length, self.size))
        self._length += count
        return logits

    def rewind(self, length: int) -> None:
        """See ``DecoderContext.rewind``."""
        self._length = min(length, self._length)
        self._is_sized = False

    def _fit(self, count: int) -> None:
        """Let the cache span what it holds and ``count`` positions more."""
        if self._is_sized and self._length + count <= self.size:
            return
        wanted = cache_size(self._length, count, self.capacity)
        size = wanted if self._is_free else self.capacity
        if size != self.size:
            arrays = self._cache.resize(size, self._length)
            for binding in (self._text, self._word):
                binding.hold_cache(arrays)
        self._is_sized = True


class GrowingContext(_Context):
    """A cache that the graph copies and extends, for runtimes without opset 24."""

    def __init__(self, session: ort.InferenceSession, spec: DecoderSpec, device: str) -> None:
        """Start with an empty cache."""
        super().__init__(session, spec, device)
        self._cache = self._new_cache(0)

    def append(self, span: Span) -> Floats:
        """See ``DecoderContext.append``."""
        check_room(span, self._length, self.capacity)
        binding = self._session.io_binding()
        for name, cache in self._cache.items():
            binding.bind_ortvalue_input(f'past_{name}', cache)
            binding.bind_output(f'present_{name}', self._device)
        logits = self._run(binding, growing_inputs(span))
        present = binding.get_outputs()[:-1]
        self._cache = dict(zip(self._cache, present, strict=True))
        self._length += len(span.positions)
        return logits

    def rewind(self, length: int) -> None:
        """See ``DecoderContext.rewind``."""
        if length >= self._length:
            return
        self._length = length
        for name, cache in self._cache.items():  # by way of the CPU: slices are NumPy's business
            kept = np.ascontiguousarray(cache.numpy()[:, :, :length])
            self._cache[name] = ort.OrtValue.ortvalue_from_numpy(kept, self._device, 0)
