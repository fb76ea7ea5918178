"""Which frame a question is answered from, and its image prefix: computed once, kept per camera.

Belongs to the scheduler's worker thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from spatialllm_ros.errors import StaleFrameError
from spatialllm_ros.runtime.frame_store import FrameStore
from spatialllm_ros.runtime.session_base import EncodedFrame, Session
from spatialllm_ros.schema import Frame, Query


@dataclass(frozen=True)
class _Held:
    """An encoded frame.

    Attributes:
        taken_s: when it was the newest.
        number: how many had been encoded by then, this one included.
    """

    encoded: EncodedFrame
    taken_s: float
    number: int


class Prefixes:
    """The newest encoded frame of each camera."""

    def __init__(
        self, session: Session, frames: FrameStore, reuse_s: Callable[[str], float]
    ) -> None:
        """Start with nothing encoded.

        Args:
            session: encodes.
            frames: where frames are taken from.
            reuse_s: for how long a camera's frame is answered from though newer ones have come;
                0 for not at all.
        """
        self._session, self._frames, self._reuse_s = session, frames, reuse_s
        self._held: dict[str, _Held] = {}
        self._count = 0

    def frame_for(self, query: Query) -> Frame:
        """Return the frame to answer from.

        Raises:
            NoFrameError, StaleFrameError: see ``FrameStore.take``.
        """
        if self.age_s(query.camera) < self._reuse_s(query.camera):
            frame = self._held[query.camera].encoded.frame
            with suppress(StaleFrameError):  # then it has to be a newer one
                self._frames.check_age(frame, query.max_frame_age_s)
                return frame
        return self._frames.take(query.camera, query.max_frame_age_s)

    def encoded(self, camera: str) -> EncodedFrame:
        """Return the newest encoded frame of a camera that has one."""
        return self._held[camera].encoded

    def number(self, camera: str) -> int:
        """Return how many frames had been encoded with what is held of a camera; 0 for nothing."""
        held = self._held.get(camera)
        return held.number if held else 0

    def age_s(self, camera: str) -> float:
        """Return how long ago what is held of a camera was taken; infinite without any."""
        held = self._held.get(camera)
        return math.inf if held is None else time.monotonic() - held.taken_s

    def encode(self, frame: Frame) -> tuple[EncodedFrame, float]:
        """Return a frame's prefix and what it cost now: nothing where it is held already.

        Raises:
            EngineError: the engine failed.
        """
        camera = frame.camera_name
        if camera in self._held and self._held[camera].encoded.frame is frame:
            return self._held[camera].encoded, 0.0
        taken_s = time.monotonic()
        # The old prefix goes first, so that two never need memory at once.
        self._held.pop(camera, None)
        encoded = self._session.encode(frame)
        self._count += 1
        self._held[camera] = _Held(encoded, taken_s, self._count)
        return encoded, encoded.encode_s

    def clear(self) -> None:
        """Forget all of them; numbers go on."""
        self._held.clear()
