"""Which frame a question is answered from, and its image prefix: computed once, kept per camera.

Belongs to the scheduler's worker thread.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from spatialllm_ros.errors import StaleFrameError
from spatialllm_ros.runtime.frame_store import FrameStore
from spatialllm_ros.runtime.session import EncodedFrame, SpatialSession
from spatialllm_ros.schema import Frame, Query


@dataclass(frozen=True)
class _Held:
    encoded: EncodedFrame
    taken_s: float


class Prefixes:
    """The newest encoded frame of each camera."""

    def __init__(self, session: SpatialSession, frames: FrameStore, period_s: float) -> None:
        """Start with nothing encoded.

        Args:
            session: encodes.
            frames: where frames are taken from.
            period_s: how long a frame is answered from though newer ones have come; 0 for not
                at all.
        """
        self._session, self._frames, self._period_s = session, frames, period_s
        self._held: dict[str, _Held] = {}

    def frame_for(self, query: Query) -> Frame:
        """Return the frame to answer from.

        Raises:
            NoFrameError, StaleFrameError: see ``FrameStore.take``.
        """
        if self.seconds_until_due(query.camera) > 0:
            frame = self._held[query.camera].encoded.frame
            with suppress(StaleFrameError):  # then it has to be a newer one
                self._frames.check_age(frame, query.max_frame_age_s)
                return frame
        return self._frames.take(query.camera, query.max_frame_age_s)

    def seconds_until_due(self, camera: str) -> float:
        """Return for how long what is held of a camera remains good enough; 0 if it is not."""
        held = self._held.get(camera)
        if held is None:
            return 0.0
        return max(0.0, held.taken_s + self._period_s - time.monotonic())

    def encode(self, frame: Frame) -> tuple[EncodedFrame, float]:
        """Return a frame's prefix and what it cost now: nothing where it is held already.

        Raises:
            EngineError: the engine failed.
        """
        held = self._held.get(frame.camera_name)
        if held is not None and held.encoded.frame is frame:
            return held.encoded, 0.0
        taken_s = time.monotonic()
        # The old prefix goes first, so that two never need memory at once.
        self._held.pop(frame.camera_name, None)
        encoded = self._session.encode(frame)
        self._held[frame.camera_name] = _Held(encoded, taken_s)
        return encoded, encoded.encode_s
