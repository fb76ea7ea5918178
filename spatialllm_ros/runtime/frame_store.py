"""The newest frame of each camera, and an account of every frame that came.

Knows neither ROS nor the model. Every method may be called from any thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from spatialllm_ros.schema import Frame

MAX_SIDE_PX = 16384


@dataclass(frozen=True)
class FrameCounts:
    """What became of the frames of one camera.

    ``received`` is the sum of all others: what is neither used, superseded nor rejected is the
    one that waits.

    Attributes:
        used: frames that at least one question or an encoding ahead of time looked at.
        superseded: frames that a newer one replaced before anybody looked.
        rejected: frames that could not be used, by reason.
        waiting: 1 while the newest frame has not been looked at.
    """

    received: int = 0
    used: int = 0
    superseded: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0


class FrameStore:
    """Keeps the newest frame of each camera; the first camera named is the default one."""

    def __init__(
        self,
        camera_names: Sequence[str],
        max_frame_age_s: float = 1.0,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Start without frames.

        Args:
            camera_names: at least one.
            max_frame_age_s: oldest frame to answer from where a query names no limit.
            now_ns: the clock of the frames' stamps (ROS time on a robot).

        Raises:
            ConfigError: no camera, or one named twice.
        """
        raise NotImplementedError

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras, the default one first."""
        raise NotImplementedError

    def put(self, frame: Frame) -> None:
        """Make a frame its camera's newest; never blocks on inference.

        Raises:
            UnknownCameraError: names the known ones.
            ImageError: the pixels are no (H, W, 3) uint8 array or not of the camera's size; the
                frame is then counted as rejected for ``layout``.
        """
        raise NotImplementedError

    def reject(self, camera_name: str, reason: str) -> None:
        """Count an image that could not be made into a frame.

        Raises:
            UnknownCameraError: names the known ones.
        """
        raise NotImplementedError

    def take(self, camera_name: str = '', max_age_s: float | None = None) -> Frame:
        """Return a camera's newest frame and count it as used (once, however often taken).

        Args:
            camera_name: empty for the default camera.
            max_age_s: overrides the store's own limit.

        Raises:
            UnknownCameraError: names the known ones.
            NoFrameError: none has come yet.
            StaleFrameError: names the frame's age and the limit.
        """
        raise NotImplementedError

    def counts(self, camera_name: str = '') -> FrameCounts:
        """Return what became of a camera's frames so far.

        Raises:
            UnknownCameraError: names the known ones.
        """
        raise NotImplementedError

    def add_listener(self, listener: Callable[[str], None]) -> None:
        """Call ``listener(camera_name)`` after each new frame, on the thread that put it."""
        raise NotImplementedError
