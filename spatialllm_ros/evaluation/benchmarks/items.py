"""What every benchmark's file is read into: questions about images, and how to judge answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import cv2
import numpy as np

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.circular import Variant
from spatialllm_ros.runtime.answers import METRES
from spatialllm_ros.scenes.import_report import Skipped
from spatialllm_ros.schema import Answer, CameraModel, Query

FACTOR = 2.0
"""A number is right if it is less than so many times the true one, and vice versa."""

YES_NO = ('yes', 'no')


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and of a number the relative error."""

    is_right: bool
    error: float | None = None


class Truth(Protocol):
    """The true answer of one kind."""

    def judge(self, answer: Answer | None, camera: CameraModel) -> Verdict:
        """Compare an answer about an image of this camera; None where the model gave none."""
        ...


@dataclass(frozen=True)
class TrueOption:
    """The index of the option that is right."""

    index: int

    def judge(self, answer: Answer | None, camera: CameraModel) -> Verdict:  # noqa: ARG002
        """Compare the chosen option."""
        return Verdict(answer is not None and answer.choice == self.index)


@dataclass(frozen=True)
class TrueLength:
    """A length that any number within a factor of two answers.

    Source: Liao et al., Reasoning Paths with Reference Objects, EMNLP 2024 (Q-Spatial Bench).
    """

    length_m: float

    def judge(self, answer: Answer | None, camera: CameraModel) -> Verdict:  # noqa: ARG002
        """Compare the number, which must be in metres."""
        if answer is None or answer.number is None or answer.unit != METRES:
            return Verdict(is_right=False, error=math.inf)
        error = abs(answer.number - self.length_m) / self.length_m
        ratio = answer.number / self.length_m
        return Verdict(1 / FACTOR < ratio < FACTOR, error)


@dataclass(frozen=True)
class TrueRegion:
    """A polygon that the answered place must lie in; (x, y) as parts of width and height."""

    corners: tuple[tuple[float, float], ...]

    def judge(self, answer: Answer | None, camera: CameraModel) -> Verdict:
        """Look whether the located object's pixel lies inside; the border does."""
        if answer is None or answer.pose is None:
            return Verdict(is_right=False)
        u, v = answer.pose.centre_px
        point = ((u + 0.5) / camera.width_px, (v + 0.5) / camera.height_px)
        polygon = np.array(self.corners, np.float32)
        return Verdict(cv2.pointPolygonTest(polygon, point, measureDist=False) >= 0)


@dataclass(frozen=True)
class BenchmarkItem:
    """One row of a benchmark.

    Attributes:
        image: the bytes of a JPEG or PNG file.
        row: words for where it stands in the file.
    """

    type: str
    variant: Variant
    query: Query
    image: bytes
    truth: Truth
    row: str = ''


Items = Iterator[BenchmarkItem | Skipped]
Row = TypeVar('Row')


def read_rows(rows: Iterable[tuple[str, Row]], parse: Callable[[Row], BenchmarkItem]) -> Items:
    """Parse rows, each with words for where it stands; those that cannot be are named."""
    seen: set[Variant] = set()
    for where, row in rows:
        try:
            item = parse(row)
        except (ConfigError, OSError) as error:
            yield Skipped(where, str(error))
            continue
        if item.variant in seen:
            yield Skipped(where, 'expected each way to ask a question once, found it again')
            continue
        seen.add(item.variant)
        yield replace(item, row=where)


def readable(text: str, what: str) -> str:
    """Return a text without white space around it.

    Raises:
        ConfigError: it is empty, or was not UTF-8.
    """
    stripped = text.strip()
    if not stripped or '\ufffd' in stripped:
        raise ConfigError(f'expected {what} in UTF-8, found {text[:40]!r}')
    return stripped
