"""The model on ONNX Runtime, by the execution provider that the engine's name says.

The caches of its contexts are in ``onnx_contexts.py``.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import onnxruntime as ort

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.bundle import DECODER, VISION, Bundle
from spatialllm_ros.runtime.engines.base import DecoderContext, Floats
from spatialllm_ros.runtime.engines.huge_pages import huge_pages
from spatialllm_ros.runtime.engines.onnx_contexts import failures_named, new_context
from spatialllm_ros.runtime.engines.spans import CACHE

CPU, CUDA = 'CPUExecutionProvider', 'CUDAExecutionProvider'
TENSORRT = 'TensorrtExecutionProvider'
PROVIDERS = {'onnx': (CPU,), 'onnx-cuda': (CUDA, CPU), 'onnx-tensorrt': (TENSORRT, CUDA, CPU)}
"""Execution providers by the engine's name: the one that must be there, then those that take what
it cannot compute."""

EXACT: dict[str, dict[str, str]] = {CUDA: {'use_tf32': '0'}}
"""Options that keep float32 what it is: by itself, a GPU from Ampere on rounds what products
multiply to 10 bits (TF32). Source: ONNX Runtime's page "CUDA Execution Provider"."""
EXACT_SINCE = (1, 18)
"""ONNX Runtime knows them since then; source: its pull request 19357."""
OVERRIDE = 'NVIDIA_TF32_OVERRIDE'
"""Where it is 0, NVIDIA's libraries do not round; its TensorRT provider has no option for that.
Source: ONNX Runtime's issues 6427 and 26029."""

TENSORRT_ALONE = ('nvfp4', 'float16-nvfp4')
"""Precisions whose graphs have an operator of TensorRT's."""

REMEDY = (
    'the providers for GPUs are in the package onnxruntime-gpu, which replaces onnxruntime (a '
    "Jetson needs NVIDIA's build of it for its JetPack) and loads CUDA or TensorRT, which are "
    'packages of their own'
)


_log = logging.getLogger(__name__)


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
        _check_precision(bundle)
        self._providers = list(PROVIDERS[kind])
        self._check_provider(ort.get_available_providers())
        if self._device == 'cuda':
            ort.preload_dlls()  # finds the CUDA libraries that pip installs
        self._spec = bundle.manifest.decoder
        self._threads = threads or os.cpu_count() or 1
        with huge_pages():
            self._vision = self._open(bundle.path(VISION))
            self._decoder = self._open(bundle.path(DECODER))
        self._tell_what_is_rounded()

    @property
    def name(self) -> str:
        """What computes, in words."""
        provider = self._providers[0].removesuffix('ExecutionProvider')
        return f'onnx on {provider}, {self._threads} threads'

    def embed_image(self, pixel_values: Floats, camera_features: Floats) -> Floats:
        """See ``Engine.embed_image``."""
        inputs = {'pixel_values': pixel_values, 'camera_features': camera_features}
        with failures_named('the vision graph'):
            batch = self._vision.run(['image_tokens'], inputs)[0]
        tokens: Floats = batch[0]
        return tokens

    def new_context(self) -> DecoderContext:
        """See ``Engine.new_context``."""
        return new_context(self._decoder, self._spec, self._device)

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
        if self._device != 'cpu':
            # There a cache has one size, and TensorRT updates only such a one in place.
            options.add_free_dimension_override_by_name(CACHE, self._spec.context)
        with failures_named(str(path)):
            session = ort.InferenceSession(str(path), options, providers=self._present())
        self._check_provider(session.get_providers())  # one that cannot start is left out silently
        return session

    def _present(self) -> list[str | tuple[str, dict[str, str]]]:
        """Return the providers that are there, with their options."""
        version = tuple(map(int, ort.__version__.split('.')[:2]))
        exact = EXACT if version >= EXACT_SINCE else {}
        present = ort.get_available_providers()
        return [(name, exact.get(name, {})) for name in self._providers if name in present]

    def _tell_what_is_rounded(self) -> None:
        is_half = self._spec.precision.startswith('float16')
        if self._providers[0] == TENSORRT and not is_half and os.environ.get(OVERRIDE) != '0':
            _log.warning(
                'TensorRT under ONNX Runtime may round float32 to 10 bits (TF32) in products; '
                'start with %s=0 in the environment to forbid it, or take a float16 bundle',
                OVERRIDE,
            )


def _check_precision(bundle: Bundle) -> None:
    found = bundle.manifest.decoder.precision
    if found in TENSORRT_ALONE:
        raise EngineError(
            f'{bundle.folder}: expected a precision that ONNX Runtime can compute, found {found}, '
            'which TensorRT alone does, on compute capability 10.0 or newer; build its engines '
            'there by `spatialllm build-engine`, or take its parent or another precision'
        )
