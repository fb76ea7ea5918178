"""The model on ONNX Runtime, its cache bound in place.

Buffers belong to this side: the static flavour's keys and values are NumPy arrays that the graph
reads and writes through one binding made once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.bundle import DECODER, VISION, Bundle, DecoderSpec
from spatialllm_ros.runtime.engines.base import DecoderContext, Floats, Span

CPU = 'CPUExecutionProvider'

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


class OnnxEngine:
    """Vision and decoder graphs in ONNX Runtime sessions."""

    def __init__(
        self, bundle: Bundle, threads: int = 0, providers: Sequence[str] = (CPU,)
    ) -> None:
        """Load both graphs.

        Args:
            bundle: a verified bundle.
            threads: of one operator; 0 for one per core.
            providers: execution providers, the preferred one first.

        Raises:
            EngineError: a provider is not there, or a graph cannot be loaded.
        """
        missing = [name for name in providers if name not in ort.get_available_providers()]
        if missing:
            raise EngineError(
                f'expected the execution providers {list(providers)}, found only '
                f'{ort.get_available_providers()}; install another build of onnxruntime'
            )
        self._spec = bundle.manifest.decoder
        self._threads = threads or os.cpu_count() or 1
        self._providers = list(providers)
        self._vision = self._open(bundle.path(VISION))
        self._decoder = self._open(bundle.path(DECODER))

    @property
    def name(self) -> str:
        """What computes, in words."""
        device = self._providers[0].removesuffix('ExecutionProvider')
        return f'onnx on {device}, {self._threads} threads'

    def embed_image(self, pixel_values: Floats, camera_features: Floats) -> Floats:
        """See ``Engine.embed_image``."""
        inputs = {'pixel_values': pixel_values, 'camera_features': camera_features}
        with _failures_named('the vision graph'):
            batch = self._vision.run(['image_tokens'], inputs)[0]
        tokens: Floats = batch[0]
        return tokens

    def new_context(self) -> DecoderContext:
        """See ``Engine.new_context``."""
        kind = StaticContext if self._spec.flavour == 'static24' else GrowingContext
        return kind(self._decoder, self._spec)

    def _open(self, path: Path) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        # Waiting threads would otherwise spin on cores that the camera and DDS need.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        with _failures_named(str(path)):
            return ort.InferenceSession(str(path), options, providers=self._providers)


class _Context:
    """What both flavours share: the length and the check for room."""

    def __init__(self, session: ort.InferenceSession, spec: DecoderSpec) -> None:
        self._session = session
        self._spec = spec
        self._length = 0

    @property
    def length(self) -> int:
        """How many positions the cache holds."""
        return self._length

    @property
    def capacity(self) -> int:
        """How many positions it has room for."""
        return self._spec.context

    def _check_room(self, span: Span) -> None:
        needed = self._length + len(span.positions)
        if needed > self.capacity:
            raise EngineError(
                f'expected at most {self.capacity} positions in a context, found {needed}; ask '
                'fewer questions at once'
            )

    def _cache_names(self) -> Iterator[str]:
        for layer in range(self._spec.layers):
            yield from (f'k{layer}', f'v{layer}')


class StaticContext(_Context):
    """A cache of fixed capacity that the graph updates in place."""

    def __init__(self, session: ort.InferenceSession, spec: DecoderSpec) -> None:
        """Bind a zeroed cache; what the mask hides is multiplied by zero and must be finite."""
        super().__init__(session, spec)
        self._binding = session.io_binding()
        shape = (1, spec.kv_heads, spec.context, spec.head_size)
        for name in self._cache_names():
            cache = ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
            self._binding.bind_ortvalue_input(f'past_{name}', cache)
            self._binding.bind_ortvalue_output(f'present_{name}', cache)

    def append(self, span: Span) -> Floats:
        """See ``DecoderContext.append``."""
        self._check_room(span)
        count = len(span.positions)
        mask = np.zeros((1, 1, count, self.capacity), np.bool_)
        mask[0, 0, :, : self._length + count] = span.visible
        inputs = _inputs(span, mask) | {'write_indices': np.array([self._length], np.int64)}
        for name, values in inputs.items():
            self._binding.bind_cpu_input(name, values)
        # Bound anew, for their number changes; it was bound last and so stands last.
        self._binding.bind_output('logits', 'cpu')
        with _failures_named('the decoder graph'):
            self._session.run_with_iobinding(self._binding)
        self._length += count
        # The vector, for a list would wrap every layer's cache anew.
        outputs = self._binding.get_outputs_as_ortvaluevector()
        logits: Floats = outputs[len(outputs) - 1].numpy()[0]
        return logits

    def rewind(self, length: int) -> None:
        """See ``DecoderContext.rewind``."""
        self._length = min(length, self._length)


class GrowingContext(_Context):
    """A cache that the graph copies and extends, for runtimes without opset 24."""

    def __init__(self, session: ort.InferenceSession, spec: DecoderSpec) -> None:
        """Start with an empty cache."""
        super().__init__(session, spec)
        empty = np.zeros((1, spec.kv_heads, 0, spec.head_size), np.float32)
        self._cache = dict.fromkeys(self._cache_names(), empty)

    def append(self, span: Span) -> Floats:
        """See ``DecoderContext.append``."""
        self._check_room(span)
        inputs = _inputs(span, span.visible[None, None])
        past = {f'past_{name}': values for name, values in self._cache.items()}
        wanted = ['logits', *(f'present_{name}' for name in self._cache)]
        with _failures_named('the decoder graph'):
            logits, *present = self._session.run(wanted, inputs | past)
        self._cache = dict(zip(self._cache, present, strict=True))
        self._length += len(span.positions)
        scores: Floats = logits[0]
        return scores

    def rewind(self, length: int) -> None:
        """See ``DecoderContext.rewind``."""
        self._length = min(length, self._length)
        for name, values in self._cache.items():
            self._cache[name] = np.ascontiguousarray(values[:, :, : self._length])


def _inputs(span: Span, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Return the inputs that both flavours have, as one row."""
    return {
        'inputs_embeds': span.embeddings[None],
        'position_ids': span.positions[None],
        'mask': mask,
        'logit_indices': span.scored[None],
    }


@contextmanager
def _failures_named(what: str) -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise EngineError(
            f'{what} failed in onnxruntime {ort.__version__}: {error}; export the bundle again '
            'with the flavour concat18 if this onnxruntime is an old one'
        ) from error
