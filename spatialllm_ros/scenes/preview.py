"""A contact sheet of scenes with their truth drawn in, for a person to look at."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import azimuth, project
from spatialllm_ros.scenes.simulated import SceneSimulator
from spatialllm_ros.scenes.world_styles import TRAINED, WorldStyle
from spatialllm_ros.schema import Scene, SceneObject

COLUMNS, ROWS = 4, 3
TILE_PX = (480, 360)
WHITE, BLACK, ARROW = (255, 255, 255), (0, 0, 0), (255, 0, 255)
FONT, FONT_SCALE, MARGIN_PX = cv2.FONT_HERSHEY_SIMPLEX, 0.42, 2

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""


def write_preview(path: Path, first_seed: int, style: WorldStyle = TRAINED) -> None:
    """Render the worlds of a style from ``first_seed`` on into one image.

    Raises:
        ConfigError: the name does not end as that of an image file.
        SceneError: there is no OpenGL to draw with.
    """
    if not cv2.haveImageWriter(str(path)):
        raise ConfigError(f'expected an image file, such as preview.png, found {path}')
    simulator = SceneSimulator(*TILE_PX)
    try:
        rendered = [simulator.render(first_seed + i, style) for i in range(COLUMNS * ROWS)]
    finally:
        simulator.close()
    tiles = [draw_truth(item.image, item.scene) for item in rendered]
    rows = [np.concatenate(tiles[i : i + COLUMNS], axis=1) for i in range(0, len(tiles), COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))


def draw_truth(rgb: Image, scene: Scene) -> Image:
    """Return a copy of the image with each object's box, heading arrow, distance and azimuth."""
    image = rgb.copy()
    for item in scene.objects:
        left, top, right, bottom = (round(edge) for edge in item.box_xyxy_px)
        cv2.rectangle(image, (left, top), (right, bottom), WHITE, 1)
        if item.has_front:
            _draw_front(image, item, scene)
    labels: list[Box] = []
    for item in scene.objects:
        labels.append(_draw_label(image, _label(item, scene), item, labels))
    return image


def _label(item: SceneObject, scene: Scene) -> str:
    words = f'{item.category} {math.dist((0, 0, 0), item.centre_optical_m):.1f} m'
    return f'{words} {round(heading_deg(item, scene)) % 360} deg' if item.has_front else words


def heading_deg(item: SceneObject, scene: Scene) -> float:
    """Return an object's azimuth in degrees."""
    front = np.array(item.rotation_optical)[:, 0]
    assert scene.camera.up_optical is not None
    return math.degrees(azimuth(front, item.centre_optical_m, scene.camera.up_optical))


def _draw_front(image: Image, item: SceneObject, scene: Scene) -> None:
    centre = np.array(item.centre_optical_m)
    tip = centre + np.array(item.rotation_optical)[:, 0] * (item.size_m[0] / 2 + 0.25)
    if tip[2] > 0.1:
        start, end = project(scene.camera, np.stack([centre, tip])).round().astype(int)
        cv2.arrowedLine(image, tuple(start), tuple(end), ARROW, 2, tipLength=0.3)


def _draw_label(image: Image, text: str, item: SceneObject, others: list[Box]) -> Box:
    """Write on a black field at the object's upper edge, or below that where others are."""
    (text_width, ascent), descent = cv2.getTextSize(text, FONT, FONT_SCALE, 1)
    width, height = text_width + 2 * MARGIN_PX, ascent + descent + 2 * MARGIN_PX
    lowest = image.shape[0] - height
    left = min(max(round(item.box_xyxy_px[0]), 0), image.shape[1] - width)
    highest = min(max(round(item.box_xyxy_px[1]) - height, 0), lowest)
    boxes = [(left, top, left + width - 1, top + height - 1) for top in range(highest, lowest + 1)]
    box = next((own for own in boxes if not any(_touch(own, other) for other in others)), boxes[0])
    cv2.rectangle(image, box[:2], box[2:], BLACK, cv2.FILLED)
    at = (left + MARGIN_PX, box[1] + MARGIN_PX + ascent)
    cv2.putText(image, text, at, FONT, FONT_SCALE, WHITE, 1, cv2.LINE_AA)
    return box


def _touch(a: Box, b: Box) -> bool:
    return a[0] - 1 <= b[2] and b[0] - 1 <= a[2] and a[1] - 1 <= b[3] and b[1] - 1 <= a[3]
