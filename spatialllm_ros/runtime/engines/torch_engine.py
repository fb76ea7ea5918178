"""The model's own PyTorch code, in float32 on the CPU: what the other engines are held against.

Needs the training environment, and a bundle with its weights beside its graphs. The model's code
is opened by ``deploy``, so that the run time itself knows no transformers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from spatialllm_ros.deploy.checkpoint import load_checkpoint
from spatialllm_ros.errors import ConfigError, EngineError
from spatialllm_ros.runtime.bundle import Bundle
from spatialllm_ros.runtime.engines.base import DecoderContext, Floats, Span
from spatialllm_ros.runtime.engines.spans import check_room


class TorchEngine:
    """A bundle's weights without its graphs."""

    def __init__(self, bundle: Bundle, threads: int = 0) -> None:
        """Load the weights.

        Args:
            bundle: a verified bundle.
            threads: of all of torch in this process; 0 leaves them as they are.

        Raises:
            EngineError: the bundle has no weights, or they cannot be loaded.
        """
        if threads:
            torch.set_num_threads(threads)
        try:
            self._model: Any = load_checkpoint(bundle.folder)
        except ConfigError as error:
            raise EngineError(
                f'the torch engine needs the weights from which a bundle was exported: {error}'
            ) from error
        self._capacity = bundle.manifest.decoder.context

    @property
    def name(self) -> str:
        """What computes, in words."""
        return f'torch {torch.__version__} on CPU, {torch.get_num_threads()} threads'

    @torch.inference_mode()
    def embed_image(self, pixel_values: Floats, camera_features: Floats) -> Floats:
        """See ``Engine.embed_image``."""
        pixels, camera = torch.from_numpy(pixel_values), torch.from_numpy(camera_features)
        try:
            tokens: Floats = self._model.encode_image(pixels, camera)[0].numpy()
        except RuntimeError as error:
            raise EngineError(f'the vision part failed in torch: {error}') from error
        return tokens

    def new_context(self) -> DecoderContext:
        """See ``Engine.new_context``."""
        return TorchContext(self._model.language_model, self._capacity)


class TorchContext:
    """A cache of the decoder's own kind."""

    def __init__(self, language_model: Any, capacity: int) -> None:
        """Start empty."""
        self._model, self._capacity = language_model, capacity
        self._length = 0
        self._cache: Any = None  # the model makes it with the first span

    @property
    def length(self) -> int:
        """How many positions the cache holds."""
        return self._length

    @property
    def capacity(self) -> int:
        """How many positions it has room for."""
        return self._capacity

    @torch.inference_mode()
    def append(self, span: Span) -> Floats:
        """See ``DecoderContext.append``."""
        check_room(span, self._length, self._capacity)
        scores = np.where(span.visible, np.float32(0), np.finfo(np.float32).min)
        try:
            out = self._model(
                inputs_embeds=torch.from_numpy(span.embeddings)[None],
                position_ids=torch.from_numpy(span.positions)[None],
                attention_mask=torch.from_numpy(scores)[None, None],
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=torch.from_numpy(span.scored),
            )
        except RuntimeError as error:
            raise EngineError(f'the decoder failed in torch: {error}') from error
        self._cache = out.past_key_values
        self._length += len(span.positions)
        logits: Floats = out.logits[0].numpy()
        return logits

    def rewind(self, length: int) -> None:
        """See ``DecoderContext.rewind``."""
        surplus = max(0, self._length - length)
        self._length -= surplus
        if self._cache is not None:
            self._cache.crop(-surplus)
