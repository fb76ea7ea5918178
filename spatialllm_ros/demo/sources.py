"""What a demo camera can show: the recorded tour, worlds rendered live, a webcam, any bag."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from spatialllm_ros.demo.recording import TOUR, read_shots
from spatialllm_ros.demo.shots import RATE_HZ, Shot
from spatialllm_ros.errors import ConfigError, RecordingError
from spatialllm_ros.runtime.shared_files import shared_file

BETWEEN_ROUNDS_S = 1 / RATE_HZ
"""From the last image of a recording to the first one again."""

LIVE_SEEDS = range(960_000_000, 1_000_000_000)
"""Held-out worlds beyond those of the tour."""


def open_source(name: str, topic: str = '') -> Iterator[Shot]:
    """Return the images of ``tour``, ``sim``, a video device or a bag; those of a bag go round.

    Args:
        name: of the source.
        topic: of a bag's images; empty for the only one that there is.

    Raises:
        ConfigError: there is no such source, it has no topics, or what it needs is not installed.
        SceneError: it cannot be read or rendered.
    """
    if name == 'tour':
        return endless(shared_file(TOUR), topic)
    if topic and (name == 'sim' or name.startswith('/dev/')):
        raise ConfigError(f'expected a bag to have topics, found {name!r}; leave --topic out')
    if name == 'sim':
        return simulated()
    if name.startswith('/dev/'):
        return video_device(name)
    if Path(name).exists():
        return endless(Path(name), topic)
    raise ConfigError(
        f'expected a source tour, sim, a video device (/dev/video0) or a bag, found {name!r}'
    )


def endless(path: Path, topic: str = '') -> Iterator[Shot]:
    """Yield the images of a bag's topic, again and again.

    Raises:
        RecordingError: it cannot be read, or has no images.
    """
    begun_s = 0.0
    while True:
        end_s = None
        for shot in read_shots(path, topic):
            end_s = begun_s + shot.at_s
            yield replace(shot, at_s=end_s)
        if end_s is None:
            raise RecordingError(f'{path}: expected an image, found none; record the topic anew')
        begun_s = end_s + BETWEEN_ROUNDS_S


def simulated() -> Iterator[Shot]:
    """Yield images of worlds that are rendered now, other ones each time.

    Raises:
        ConfigError: MuJoCo or Pillow is not installed.
        SceneError: there is no OpenGL to draw with.
    """
    missing = [name for name in ('mujoco', 'PIL') if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f'expected MuJoCo and Pillow for rendered worlds, found no {missing}; '
            'install them with pip install -r requirements/run.txt'
        )
    # A robot without them can still show the other sources.
    from spatialllm_ros.demo.worlds import WorldFilm  # noqa: PLC0415

    return WorldFilm().shots(range(random.choice(LIVE_SEEDS), LIVE_SEEDS.stop))


def video_device(path: str) -> Iterator[Shot]:
    """Yield the images of a webcam as they come.

    Raises:
        ConfigError: it cannot be opened, or gives no images any more.
    """
    capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
    if not capture.isOpened():
        raise ConfigError(
            f'expected a camera at {path}, which cannot be opened; is it there, is it in use, '
            'and may this user read it (group video)?'
        )
    return _captured(path, capture)


def _captured(path: str, capture: cv2.VideoCapture) -> Iterator[Shot]:
    begun_s = time.monotonic()
    try:
        while True:
            is_there, bgr = capture.read()
            if not is_there:
                raise ConfigError(f'{path}: expected another image, found none; plug it in again')
            rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
            yield Shot(rgb, time.monotonic() - begun_s, info={})
    finally:
        capture.release()
