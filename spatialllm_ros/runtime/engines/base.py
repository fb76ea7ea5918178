"""What every engine offers: image tokens, and decoder contexts that grow and rewind.

A context holds one image prefix and, behind it, whatever is asked about that image. Several
questions stand in it side by side: each new position says which earlier ones it sees, so questions
share the prefix without copying it and are computed together without padding.

Notation: S new positions, N scored ones, T image tokens, D hidden size, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """New positions for a context.

    Attributes:
        embeddings: (S, D).
        positions: (S,) the place of each in its own text, from which its angles come.
        visible: (S, length + S) what each new position sees of the context and of the span; at
            least itself.
        scored: (N,) indices into the span whose next token is wanted.
    """

    embeddings: Floats
    positions: NDArray[np.int64]
    visible: NDArray[np.bool_]
    scored: NDArray[np.int64]


class DecoderContext(Protocol):
    """A key-value cache and the decoder that reads it."""

    @property
    def length(self) -> int:
        """How many positions the cache holds."""

    @property
    def capacity(self) -> int:
        """How many positions it has room for."""

    def append(self, span: Span) -> Floats:
        """Add positions and return the logits (N, V) of the scored ones.

        Raises:
            EngineError: there is no room, or the engine failed.
        """

    def rewind(self, length: int) -> None:
        """Forget all but the first ``length`` positions."""


class Engine(Protocol):
    """A loaded model on one device; used by one thread at a time."""

    @property
    def name(self) -> str:
        """What computes, in words (``onnx on CPU, 2 threads``)."""

    def embed_image(self, pixel_values: Floats, camera_features: Floats) -> Floats:
        """Return image tokens (T, D) of one image (1, 3, H, W) and its features (1, cells, 11).

        Raises:
            EngineError: the engine failed.
        """

    def new_context(self) -> DecoderContext:
        """Return an empty context."""
