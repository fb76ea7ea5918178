"""The model on ONNX Runtime, by the execution provider that the engine's name says.

The cache stays where the provider computes. That of the static flavour is bound once, as input and
output, and the graph updates it in place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.bundle import DECODER, VISION, Bundle, DecoderSpec
from spatialllm_ros.runtime.engines.base import DecoderContext, Floats, Span
from spatialllm_ros.runtime.engines.spans import (
    Inputs,
    check_room,
    growing_inputs,
    static_inputs,
)

CPU, CUDA = 'CPUExecutionProvider', 'CUDAExecutionProvider'
TENSORRT = 'TensorrtExecutionProvider'
PROVIDERS = {'onnx': (CPU,), 'onnx-cuda': (CUDA, CPU), 'onnx-tensorrt': (TENSORRT, CUDA, CPU)}
"""Execution providers by the engine's name: the one that must be there, then those that take what
it cannot compute."""

REMEDY = (
    'the providers for GPUs are in the package onnxruntime-gpu, which replaces onnxruntime (a '
    "Jetson needs NVIDIA's build of it for its JetPack) and loads CUDA or TensorRT, which are "
    'packages of their own'
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


class OnnxEngine:
    """Vision and decoder graphs in ONNX Runtime sessions."""

    def __init__(self, bundle: Bundle, threads: int = 0, kind: str = 'onnx') -> None:
        """Load both graphs.

        Args:
            bundle: a verified bundle.
            threads: of one operator on a CPU; 0 for one per core.
            kind: a key of ``PROVIDERS``.

        Raises:
            EngineError: the provider is not there, or a graph cannot be loaded.
        """
        self._providers = list(PROVIDERS[kind])
        self._check_provider(ort.get_available_providers())
        if self._device == 'cuda':
            ort.preload_dlls()  # finds the CUDA libraries that pip installs
        self._spec = bundle.manifest.decoder
        self._threads = threads or os.cpu_count() or 1
        self._vision = self._open(bundle.path(VISION))
        self._decoder = self._open(bundle.path(DECODER))

    @property
    def name(self) -> str:
        """What computes, in words."""
        provider = self._providers[0].removesuffix('ExecutionProvider')
        return f'onnx on {provider}, {self._threads} threads'

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
        return kind(self._decoder, self._spec, self._device)

    @property
    def _device(self) -> str:
        return 'cpu' if self._providers[0] == CPU else 'cuda'

    def _check_provider(self, present: list[str]) -> None:
        if self._providers[0] not in present:
            raise EngineError(
                f'expected the {self._providers[0]}, found only {", ".join(present)} in '
                f'onnxruntime {ort.__version__}; {REMEDY}'
            )

    def _open(self, path: Path) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        # Between runs, spinning threads would hold cores that the camera and DDS need.
        options.add_session_config_entry('session.force_spinning_stop', '1')
        if path.with_name(f'{path.name}.data').is_file() and self._spec.precision == 'float32':
            # Weights outside the graph's file are then used where they are mapped, not copied.
            options.add_session_config_entry('session.disable_prepacking', '1')
        present = [name for name in self._providers if name in ort.get_available_providers()]
        with _failures_named(str(path)):
            session = ort.InferenceSession(str(path), options, providers=present)
        self._check_provider(session.get_providers())  # one that cannot start is left out silently
        return session


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
        with _failures_named('the decoder graph'):
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
    """A cache of fixed capacity that the graph updates in place."""

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


@contextmanager
def _failures_named(what: str) -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise EngineError(
            f'{what} failed in onnxruntime {ort.__version__}: {error}; export the bundle again '
            'with the flavour concat18 if this onnxruntime is an old one'
        ) from error
