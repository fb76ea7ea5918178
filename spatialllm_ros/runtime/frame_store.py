"""The newest frame of each camera, and an account of every frame that came.

Knows neither ROS nor the model. Every method may be called from any thread.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from spatialllm_ros.errors import (
    ConfigError,
    ImageError,
    NoFrameError,
    StaleFrameError,
    UnknownCameraError,
)
from spatialllm_ros.runtime.preprocess import check_pixels
from spatialllm_ros.schema import Frame

NANOSECONDS = 1_000_000_000

ALL_CAMERAS = 'all'
"""What stands for every camera where cameras are named."""

AHEAD_S = 1.0
"""How far a stamp may be ahead of the clock: simulated clocks tick, those of computers differ."""


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


@dataclass
class _Camera:
    """One camera's newest frame and its account; guarded by the store's lock."""

    newest: Frame | None = None
    is_used: bool = False
    received: int = 0
    used: int = 0
    superseded: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def is_waiting(self) -> bool:
        return self.newest is not None and not self.is_used

    def put(self, frame: Frame) -> None:
        self.received += 1
        self.superseded += self.is_waiting
        self.newest, self.is_used = frame, False

    def reject(self, reason: str) -> None:
        self.received += 1
        self.rejected[reason] += 1

    def use(self) -> None:
        self.used += self.is_waiting
        self.is_used = True

    def counts(self) -> FrameCounts:
        return FrameCounts(
            received=self.received,
            used=self.used,
            superseded=self.superseded,
            rejected=dict(self.rejected),
            waiting=int(self.is_waiting),
        )


class FrameStore:
    """Keeps the newest frame of each camera; the first camera named is the default one.

    Attributes:
        max_frame_age_s: oldest frame to answer from where a query names no limit.
        now_ns: the clock of the frames' stamps.
    """

    def __init__(
        self,
        camera_names: Sequence[str],
        max_frame_age_s: float = 1.0,
        now_ns: Callable[[], int] = time.time_ns,
        describe: Callable[[str], str] = repr,
    ) -> None:
        """Start without frames.

        Args:
            camera_names: at least one.
            max_frame_age_s: oldest frame to answer from where a query names no limit.
            now_ns: the clock of the frames' stamps (ROS time on a robot).
            describe: names a camera and, where it has one, its topic to a person.

        Raises:
            ConfigError: no camera, or one named twice.
        """
        if not camera_names or len(set(camera_names)) < len(camera_names):
            raise ConfigError(
                f'expected at least one camera, each named once, found {list(camera_names)}'
            )
        self.now_ns = now_ns
        self.max_frame_age_s = max_frame_age_s
        self._describe = describe
        self._cameras = {name: _Camera() for name in camera_names}
        self._lock = Lock()
        self._listeners: list[Callable[[str], None]] = []

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras, the default one first."""
        return tuple(self._cameras)

    def resolve(self, camera_name: str = '') -> str:
        """Return a camera's name, which is the default one's where none is given.

        Raises:
            UnknownCameraError: names the known ones.
        """
        name = camera_name or next(iter(self._cameras))
        self._camera(name)
        return name

    def named(self, camera_names: str) -> tuple[str, ...]:
        """Return the cameras that a text names, each once.

        Args:
            camera_names: names with commas between them, ``all``, or nothing for the default one.

        Raises:
            UnknownCameraError: names the known ones.
        """
        if camera_names.strip() == ALL_CAMERAS:
            return self.camera_names
        names = [self.resolve(name.strip()) for name in camera_names.split(',')]
        return tuple(dict.fromkeys(names))

    def put(self, frame: Frame) -> None:
        """Make a frame its camera's newest; never blocks on inference.

        Raises:
            UnknownCameraError: names the known ones.
            ImageError: the pixels are no (H, W, 3) uint8 array or not of the camera's size; the
                frame is then counted as rejected for ``layout``.
        """
        camera = self._camera(frame.camera_name)
        try:
            check_pixels(frame)
        except ImageError:
            self.reject(frame.camera_name, 'layout')
            raise
        with self._lock:
            camera.put(frame)
        for listener in self._listeners:
            listener(frame.camera_name)

    def reject(self, camera_name: str, reason: str) -> None:
        """Count an image that could not be made into a frame.

        Raises:
            UnknownCameraError: names the known ones.
        """
        camera = self._camera(camera_name)
        with self._lock:
            camera.reject(reason)

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
        name = self.resolve(camera_name)
        camera = self._camera(name)
        with self._lock:
            frame = camera.newest
            if frame is None:
                raise NoFrameError(
                    f'expected an image from camera {self._describe(name)}, found none yet that '
                    'can be used; check that somebody publishes there, and what /diagnostics says'
                )
            self.check_age(frame, max_age_s)
            camera.use()
            return frame

    def check_age(self, frame: Frame, max_age_s: float | None = None) -> None:
        """Refuse a frame that is too old, or from after a jump of the clock back in time.

        Args:
            frame: one that was taken from this store.
            max_age_s: overrides the store's own limit.

        Raises:
            StaleFrameError: names the frame's age and the limit.
        """
        limit_s = self.max_frame_age_s if max_age_s is None else max_age_s
        age_s = self.age_s(frame)
        if age_s > limit_s:
            raise StaleFrameError(
                f'expected an image from camera {frame.camera_name!r} of at most {limit_s:.2f} s, '
                f'found the newest to be {age_s:.2f} s old; check that the camera still '
                'publishes, and its clock (that of a bag or a simulator needs use_sim_time), or '
                'allow a greater age'
            )
        if age_s < -AHEAD_S:
            raise StaleFrameError(
                f'expected an image from camera {frame.camera_name!r} of now, found the newest to '
                f'be stamped {-age_s:.2f} s ahead of the clock; has time jumped back, or does the '
                "clock of the camera differ from the node's?"
            )

    def newest_age_s(self, camera_name: str = '') -> float:
        """Return how old a camera's newest frame is; infinite where none has come.

        Raises:
            UnknownCameraError: names the known ones.
        """
        camera = self._camera(self.resolve(camera_name))
        with self._lock:
            newest = camera.newest
        return math.inf if newest is None else self.age_s(newest)

    def age_s(self, frame: Frame) -> float:
        """Return how old a frame is by the clock of the stamps; negative for one from ahead."""
        return (self.now_ns() - frame.stamp_ns) / NANOSECONDS

    def counts(self, camera_name: str = '') -> FrameCounts:
        """Return what became of a camera's frames so far.

        Raises:
            UnknownCameraError: names the known ones.
        """
        camera = self._camera(self.resolve(camera_name))
        with self._lock:
            return camera.counts()

    def add_listener(self, listener: Callable[[str], None]) -> None:
        """Call ``listener(camera_name)`` after each new frame, on the thread that put it."""
        self._listeners.append(listener)

    def _camera(self, name: str) -> _Camera:
        if name not in self._cameras:
            known = ', '.join(repr(camera) for camera in self._cameras)
            raise UnknownCameraError(f'expected a camera of {known}, found {name!r}')
        return self._cameras[name]
