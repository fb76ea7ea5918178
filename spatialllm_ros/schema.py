"""The records that cross the borders between the parts; nothing else does.

Knows no file format, no ROS message and no tensor library. All lengths are metres, all angles
radians. ``optical`` is the REP-103 optical frame: x right, y down, z forward. An object's own
frame is the REP-103 body frame: x out of its front, y to its left, z up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Vec3 = tuple[float, float, float]
Mat3 = tuple[Vec3, Vec3, Vec3]


@dataclass(frozen=True)
class CameraModel:
    """A pinhole camera and what is known of its pose to gravity.

    An integer pixel coordinate is a pixel's centre, so the image spans
    ``[-0.5, width_px - 0.5]``.

    Attributes:
        up_optical: unit vector against gravity, in the optical frame; None where unknown.
        height_m: height of the optical centre above the floor; None where unknown.
        calibrated: False where the intrinsics are a guess; metric answers are then refused.
    """

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    up_optical: Vec3 | None = None
    height_m: float | None = None
    calibrated: bool = True


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene, as the 3D truth has it.

    Attributes:
        phrase: words that single the object out in its scene, without an article
            (``small red car``, ``crate on the shelf``); empty where no words do.
        centre_optical_m: centre of the object's box.
        size_m: extent along the object's own x (front to back), y (side to side) and z (height).
        rotation_optical: rows of the rotation that takes object axes to the optical frame.
        has_front: whether the category has a front that a person would agree on.
        visibility: share of the object's pixels that are neither hidden nor outside the image.
        box_xyxy_px: tight box around the visible pixels (left, top, right, bottom).
        support: what it stands on (``floor``, ``shelf``, ``air`` ...).
    """

    category: str
    colour: str
    size_word: str
    phrase: str
    centre_optical_m: Vec3
    size_m: Vec3
    rotation_optical: Mat3
    has_front: bool
    visibility: float
    box_xyxy_px: tuple[float, float, float, float]
    support: str


@dataclass(frozen=True)
class Scene:
    """One image with its camera, its objects and where it comes from.

    Attributes:
        image: where the pixels are: a path, with ``#index`` where the file is an array of images.
    """

    scene_id: str
    image: str
    camera: CameraModel
    objects: tuple[SceneObject, ...]
    source: str
    licence: str


@dataclass(frozen=True)
class Mention:
    """Where a question names an object: ``question[start:end]``; index -1 is an absent one."""

    start: int
    end: int
    object_index: int


@dataclass(frozen=True)
class QuestionRecord:
    """A question about a scene, its answer, and the numbers behind the answer.

    Attributes:
        type: name of the question type, a key of ``questions.QUESTION_TYPES``.
        options: closed answers, empty for an open question; ``answer`` is one of them.
        numbers: the quantities that decided the answer, named with their units.
        mentions: the object mentions in the question, in order of appearance.
    """

    scene_id: str
    type: str
    question: str
    options: tuple[str, ...]
    answer: str
    numbers: dict[str, float] = field(default_factory=dict)
    mentions: tuple[Mention, ...] = ()


@dataclass(frozen=True)
class Frame:
    """One camera image as the runtime takes it; ``rgb`` is (H, W, 3) uint8.

    Attributes:
        to_calibrate: what a person can do about intrinsics that are a guess.
    """

    rgb: NDArray[np.uint8]
    camera: CameraModel
    stamp_ns: int
    frame_id: str
    camera_name: str
    to_calibrate: str = 'publish its CameraInfo, or give --fov-deg to spatialllm ask'


class AnswerKind(Enum):
    """What an answer's words mean; values equal the constants of ``SpatialAnswer.msg``."""

    TEXT = 0
    YES_NO = 1
    CHOICE = 2
    NUMBER = 3
    POSE = 4


@dataclass(frozen=True)
class Query:
    """A question as a caller asks it; an empty ``camera`` means the default one."""

    question: str
    options: tuple[str, ...] = ()
    camera: str = ''
    max_frame_age_s: float | None = None


@dataclass(frozen=True)
class Timing:
    """How long an answer took, in seconds, part by part."""

    image_age_s: float = 0.0
    encode_s: float = 0.0
    queue_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    total_s: float = 0.0


@dataclass(frozen=True)
class LocatedObject:
    """Where an object is: position and, if it has a front, its heading (azimuth).

    ``heading_rad`` is 0 where the object's front faces the camera and pi/2 where its left side
    does, relative to the line of sight.
    """

    centre_optical_m: Vec3
    centre_px: tuple[float, float]
    heading_rad: float | None


@dataclass(frozen=True)
class Answer:
    """Words and their typed meaning, with the header of the image they speak of.

    Attributes:
        confidence: probability of the answer; for a closed one, renormalised over its options
            and that something is not there. NaN where a server does not tell.
        camera: of the image; None until the scheduler tells.
    """

    text: str
    kind: AnswerKind
    confidence: float
    stamp_ns: int
    frame_id: str
    camera_name: str
    yes: bool | None = None
    choice: int | None = None
    number: float | None = None
    unit: str = ''
    pose: LocatedObject | None = None
    camera: CameraModel | None = None
    timing: Timing = field(default_factory=Timing)
