"""Answers drawn into the image that they speak of."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.geometry import Array, front_from_azimuth, project, unit
from spatialllm_ros.node.annotation_words import Answered, answer_words, object_phrase, range_m
from spatialllm_ros.node.messages import LEVEL_UP
from spatialllm_ros.schema import Answer, CameraModel, Frame

Rgb = NDArray[np.uint8]

LEAST_WIDTH_PX, GREATEST_SIDE_PX = 480, 1280
"""Smaller images are enlarged, for the words to be legible; larger ones are reduced."""

FONT, FONT_SCALE, LINE_PX, MARGIN_PX = cv2.FONT_HERSHEY_SIMPLEX, 0.55, 22, 8
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
COLOURS = ((255, 210, 60), (90, 220, 255), (150, 255, 120), (255, 140, 200))
"""One for each answer in turn; light, so that they can be read on the dark band."""

BAND_BRIGHTNESS, BAND_SHARE = 0.3, 0.5
"""How bright the image remains behind the words, and how much of its height they take at most."""
LINES_EACH = 3
"""Of a question, and of an answer; longer ones end in dots."""

RING_SHARE, RING_POINTS = 0.12, 32
"""Radius of the ring around an object, as a share of its distance."""
NEAREST_M = 0.05
FARTHEST_PX = 30_000
"""OpenCV draws fine lines only between pixels of 16 bits."""


def draw_answers(frame: Frame, answers: Sequence[Answered]) -> Rgb:
    """Return the image with located objects, questions and answers, the newest one lowest.

    A ring lies level around each located object, with an arrow where it has a heading.
    """
    image, camera = _fitted(frame)
    captions = []
    for index, answered in enumerate(answers):
        colour = COLOURS[index % len(COLOURS)]
        if answered.answer.pose is not None:
            _draw_object(image, camera, answered, colour)
        captions.append(_caption(answered, colour, image.shape[1] - 2 * MARGIN_PX))
    _draw_captions(image, captions)
    return image


def jpeg_file(rgb: Rgb, quality: int) -> bytes:
    """Return an image (H, W, 3) as a JPEG file."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, file = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, 'OpenCV writes every 8-bit image as JPEG'
    return file.tobytes()


def wrapped(text: str, width_px: int, most_lines: int) -> list[str]:
    """Return a text in lines that are at most this wide; what does not fit ends in dots."""
    characters = max(4, len(text) * width_px // max(1, _width_px(text)))
    while True:
        lines = textwrap.wrap(text, characters, max_lines=most_lines, placeholder=' ...')
        if characters == 4 or all(_width_px(line) <= width_px for line in lines):
            return lines
        characters -= 1


def _fitted(frame: Frame) -> tuple[Rgb, CameraModel]:
    """Return a copy of a frame's image, in a size fit to draw into, and its camera."""
    camera = frame.camera
    scale = max(1.0, LEAST_WIDTH_PX / camera.width_px)
    scale = min(scale, GREATEST_SIDE_PX / max(camera.width_px, camera.height_px))
    size = (max(1, round(camera.width_px * scale)), max(1, round(camera.height_px * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = cv2.resize(frame.rgb, size, interpolation=how) if scale != 1 else frame.rgb.copy()
    return np.asarray(image, np.uint8), replace(
        camera,
        width_px=size[0],
        height_px=size[1],
        fx_px=camera.fx_px * scale,
        fy_px=camera.fy_px * scale,
        cx_px=(camera.cx_px + 0.5) * scale - 0.5,
        cy_px=(camera.cy_px + 0.5) * scale - 0.5,
    )


def _draw_object(
    image: Rgb, camera: CameraModel, answered: Answered, colour: tuple[int, int, int]
) -> None:
    ring, arrow = ring_and_arrow(answered.answer, camera)
    if min(ring[:, 2].min(), arrow[:, 2].min()) < NEAREST_M:
        return  # it reaches behind the camera
    ring_px, arrow_px = (_pixels(camera, points) for points in (ring, arrow))
    for ink, thickness in ((BLACK, 5), (colour, 2)):
        cv2.polylines(image, [ring_px], True, ink, thickness, cv2.LINE_AA)
        if answered.answer.pose is not None and answered.answer.pose.heading_rad is not None:
            start, end = arrow_px.tolist()
            cv2.arrowedLine(image, start, end, ink, thickness, cv2.LINE_AA, tipLength=0.3)
    words = f'{object_phrase(answered.query.question)} {range_m(answered.answer):.1f} m'
    _draw_label(image, words, ring_px, colour)


def ring_and_arrow(answer: Answer, camera: CameraModel) -> tuple[Array, Array]:
    """Return a level ring (N, 3) around a located object and its arrow (2, 3), optical frame, m.

    Without a heading, the arrow has no length.
    """
    assert answer.pose is not None, 'only a pose can be drawn'
    centre = np.asarray(answer.pose.centre_optical_m)
    up = unit(camera.up_optical or LEVEL_UP)
    radius_m = RING_SHARE * range_m(answer)
    side = unit(np.cross(up, np.eye(3)[np.abs(up).argmin()]))
    angles = np.linspace(0, 2 * np.pi, RING_POINTS, endpoint=False)[:, None]
    ring = centre + radius_m * (np.cos(angles) * side + np.sin(angles) * np.cross(up, side))
    front: Array = np.zeros(3)
    if answer.pose.heading_rad is not None:
        front = front_from_azimuth(answer.pose.heading_rad, centre, up)
    return ring, np.stack([centre, centre + 2 * radius_m * front])


def _pixels(camera: CameraModel, points: Array) -> NDArray[np.int32]:
    return project(camera, points).round().clip(-FARTHEST_PX, FARTHEST_PX).astype(np.int32)


def _draw_label(
    image: Rgb, words: str, ring_px: NDArray[np.int32], colour: tuple[int, int, int]
) -> None:
    """Write above a ring, on black, moved to where the image has room for it."""
    height_px, width_px = image.shape[:2]
    (line,) = wrapped(words, width_px // 2, 1)
    line_px = _width_px(line)
    left = int(np.clip(ring_px[:, 0].mean() - line_px / 2, 0, max(0, width_px - line_px)))
    bottom = int(np.clip(ring_px[:, 1].min() - 6, LINE_PX, height_px - 1))
    cv2.rectangle(
        image,
        (left - 3, bottom - LINE_PX + 4),
        (left + line_px + 3, bottom + 3),
        BLACK,
        cv2.FILLED,
    )
    cv2.putText(image, line, (left, bottom - 4), FONT, FONT_SCALE, colour, 1, cv2.LINE_AA)


Caption = list[tuple[str, tuple[int, int, int]]]
"""Lines with their colours."""


def _caption(answered: Answered, colour: tuple[int, int, int], width_px: int) -> Caption:
    asked = wrapped(answered.query.question, width_px, LINES_EACH)
    told = wrapped(answer_words(answered.answer), width_px, LINES_EACH)
    return [(line, WHITE) for line in asked] + [(line, colour) for line in told]


def _draw_captions(image: Rgb, captions: Sequence[Caption]) -> None:
    """Write the last captions that there is room for on a darkened band below."""
    height_px = image.shape[0]
    room = max(2, int(height_px * BAND_SHARE - MARGIN_PX) // LINE_PX)
    lines: Caption = []
    for caption in reversed(captions):
        if lines and len(lines) + len(caption) > room:
            break
        lines = caption + lines
    top = max(0, height_px - LINE_PX * len(lines) - 2 * MARGIN_PX)
    image[top:] = (image[top:] * BAND_BRIGHTNESS).astype(np.uint8)
    for row, (line, colour) in enumerate(lines, start=1):
        at = (MARGIN_PX, top + MARGIN_PX + LINE_PX * row - 6)
        cv2.putText(image, line, at, FONT, FONT_SCALE, colour, 1, cv2.LINE_AA)


def _width_px(text: str) -> int:
    return int(cv2.getTextSize(text, FONT, FONT_SCALE, 1)[0][0])
