"""Ask a model a benchmark's questions, image by image; what cannot be asked is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

from spatialllm_ros.errors import ImageError, SpatialLLMError
from spatialllm_ros.evaluation.answerers import Answerer
from spatialllm_ros.evaluation.benchmarks.items import BenchmarkItem, Items
from spatialllm_ros.evaluation.circular import Trial
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.runtime.image_conversion import MAX_SIDE_PX, rgb_from_file
from spatialllm_ros.runtime.recordings import ASSUMED_FOV_RAD
from spatialllm_ros.scenes.import_report import Skipped
from spatialllm_ros.schema import Frame


@dataclass
class Asked:
    """What came of a benchmark: judged answers with the image and without, and skipped rows."""

    seen: list[Trial] = field(default_factory=list)
    blind: list[Trial] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def ask_items(
    items: Items, answerer: Answerer, blind: Answerer, fov_rad: float | None = None
) -> Asked:
    """Ask every question twice; neighbours with the same image share its encoding.

    Args:
        items: as a benchmark's reader yields them.
        answerer: of the questions with their images.
        blind: of the same questions without.
        fov_rad: horizontal field of view of the images; None if it is unknown, and then no
            answer is given in metres.
    """
    asked = Asked()
    for image, group in groupby(_readable(items, asked), key=lambda item: item.image):
        together = list(group)
        try:
            frame = _frame(image, fov_rad)
        except ImageError as error:
            asked.skipped += [Skipped(item.row, str(error)) for item in together]
            continue
        asked.seen += _trials(together, frame, answerer)
        asked.blind += _trials(together, frame, blind)
    return asked


def _readable(items: Items, asked: Asked) -> Iterator[BenchmarkItem]:
    for item in items:
        if isinstance(item, Skipped):
            asked.skipped.append(item)
        else:
            yield item


def _frame(image: bytes, fov_rad: float | None) -> Frame:
    rgb = rgb_from_file(image, MAX_SIDE_PX, is_turned_upright=True)
    height_px, width_px = rgb.shape[:2]
    camera = guessed_camera(width_px, height_px, fov_rad or ASSUMED_FOV_RAD)
    camera = replace(camera, calibrated=fov_rad is not None)
    return Frame(rgb, camera, stamp_ns=0, frame_id='', camera_name='')


def _trials(items: list[BenchmarkItem], frame: Frame, answerer: Answerer) -> Iterator[Trial]:
    outcomes = answerer(frame, [item.query for item in items])
    for item, outcome in zip(items, outcomes, strict=True):
        answer = None if isinstance(outcome, SpatialLLMError) else outcome
        found = item.truth.judge(answer, frame.camera)
        yield Trial(item.type, item.variant, found.is_right, found.error, answer is not None)
