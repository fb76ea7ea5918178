"""The model on TensorRT itself, from the engines that ``spatialllm build-engine`` made."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.bundle import DECODER, VISION, Bundle, DecoderSpec
from spatialllm_ros.runtime.engines.base import DecoderContext, Floats, Span
from spatialllm_ros.runtime.engines.cuda_driver import DeviceMemory, cuda_driver
from spatialllm_ros.runtime.engines.spans import check_room, growing_inputs, static_inputs
from spatialllm_ros.runtime.engines.tensorrt_graph import Resident, TensorRTGraph
from spatialllm_ros.runtime.engines.tensorrt_identity import find_engine
from spatialllm_ros.runtime.engines.tensorrt_library import find_gpu

_Cache = tuple[dict[str, DeviceMemory], dict[str, DeviceMemory]]
"""Keys and values of each layer: where they are read, and where they are written."""


class TensorRTEngine:
    """Vision and decoder engines, on the first GPU."""

    def __init__(self, bundle: Bundle) -> None:
        """Load both engines.

        Raises:
            EngineError: there is no GPU, no engine for it, or it cannot be loaded.
        """
        gpu = find_gpu()  # before TensorRT is touched: it crashes where no driver answers
        if gpu is None:
            raise EngineError(
                'expected an NVIDIA GPU for a TensorRT engine, found no driver that answers; '
                'choose the engine onnx or auto'
            )
        found = {role: find_engine(bundle, role, gpu) for role in (VISION, DECODER)}
        driver = cuda_driver()
        graphs = {role: TensorRTGraph(*of_role, driver) for role, of_role in found.items()}
        self._vision, self._decoder = graphs[VISION], graphs[DECODER]
        self._spec = bundle.manifest.decoder
        self._spare: list[_Cache] = []
        identity = found[DECODER][1]
        self._name = f'{identity.flavour} {identity.version} on {gpu.name}'

    @property
    def name(self) -> str:
        """What computes, in words."""
        return self._name

    def embed_image(self, pixel_values: Floats, camera_features: Floats) -> Floats:
        """See ``Engine.embed_image``."""
        inputs = {'pixel_values': pixel_values, 'camera_features': camera_features}
        tokens: Floats = self._vision.run(inputs, {}, 'image_tokens')[0]
        return tokens

    def new_context(self) -> DecoderContext:
        """See ``Engine.new_context``."""
        return TensorRTContext(self._decoder, self._spec, self._spare)


class TensorRTContext:
    """A cache on the GPU: one memory that is updated in place, or two that take turns."""

    def __init__(self, decoder: TensorRTGraph, spec: DecoderSpec, spare: list[_Cache]) -> None:
        """Take a cache.

        Args:
            decoder: its engine.
            spec: of the same bundle.
            spare: caches that nobody uses. One is taken, or else made, and comes back at the end:
                the next frame's words are then written where those before were.

        Raises:
            EngineError: there is no memory for it.
        """
        self._decoder, self._spec = decoder, spec
        self._is_static = spec.flavour == 'static24'
        self._length = 0
        names = spec.cache_names()
        self._row_bytes = spec.head_size * decoder.dtype(f'past_{names[0]}').itemsize
        cache = spare.pop() if spare else self._new_cache(names)
        self._past, self._present = cache
        for memory in (*self._past.values(), *self._present.values()):
            memory.clear()  # what the mask hides is multiplied by zero, and must be finite
        weakref.finalize(self, spare.append, cache).atexit = False

    @property
    def length(self) -> int:
        """How many positions the cache holds."""
        return self._length

    @property
    def capacity(self) -> int:
        """How many positions it has room for."""
        return self._spec.context

    def append(self, span: Span) -> Floats:
        """See ``DecoderContext.append``."""
        check_room(span, self._length, self.capacity)
        if self._is_static:
            inputs, held = static_inputs(span, self._length, self.capacity), self.capacity
        else:
            inputs, held = growing_inputs(span), self._length
        shape = (1, self._spec.kv_heads, held, self._spec.head_size)
        residents = {f'past_{n}': Resident(memory, shape) for n, memory in self._past.items()}
        residents |= {f'present_{n}': Resident(m, ()) for n, m in self._present.items()}
        logits: Floats = self._decoder.run(inputs, residents, 'logits')[0]
        self._past, self._present = self._present, self._past
        self._length += len(span.positions)
        return logits

    def rewind(self, length: int) -> None:
        """See ``DecoderContext.rewind``."""
        if length >= self._length:
            return
        if not self._is_static:
            self._shorten(length)
        self._length = length

    def _shorten(self, length: int) -> None:
        """Move the first rows of each head together, into the other memory."""
        old, new = self._length * self._row_bytes, length * self._row_bytes
        for name, past in self._past.items():
            for head in range(self._spec.kv_heads if new else 0):
                self._present[name].copy_from(past, head * new, head * old, new)
        self._past, self._present = self._present, self._past

    def _new_cache(self, names: Iterable[str]) -> _Cache:
        past = {name: self._new_memory() for name in names}
        present = {
            name: memory
            if self._decoder.is_in_place(f'past_{name}', f'present_{name}')
            else self._new_memory()
            for name, memory in past.items()
        }
        return past, present

    def _new_memory(self) -> DeviceMemory:
        rows = self._spec.kv_heads * self._spec.context
        return self._decoder.allocate(rows * self._row_bytes)
