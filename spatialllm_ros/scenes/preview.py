"""A contact sheet of scenes with their truth drawn in, for a person to look at."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.geometry import azimuth, project
from spatialllm_ros.scenes.simulated import SceneSimulator
from spatialllm_ros.schema import Scene, SceneObject

COLUMNS, ROWS = 4, 3
TILE_PX = (480, 360)
WHITE, BLACK, ARROW = (255, 255, 255), (0, 0, 0), (255, 0, 255)


def write_preview(path: Path, first_seed: int) -> None:
    """Render the worlds from ``first_seed`` on into one PNG.

    Raises:
        SceneError: there is no OpenGL to draw with.
    """
    simulator = SceneSimulator(*TILE_PX)
    try:
        rendered = [simulator.render(first_seed + i) for i in range(COLUMNS * ROWS)]
    finally:
        simulator.close()
    tiles = [draw_truth(item.image, item.scene) for item in rendered]
    rows = [np.concatenate(tiles[i : i + COLUMNS], axis=1) for i in range(0, len(tiles), COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))


def draw_truth(rgb: NDArray[np.uint8], scene: Scene) -> NDArray[np.uint8]:
    """Return a copy of the image with each object's box, heading arrow, distance and azimuth."""
    image = rgb.copy()
    for item in scene.objects:
        left, top, right, bottom = (round(edge) for edge in item.box_xyxy_px)
        cv2.rectangle(image, (left, top), (right, bottom), WHITE, 1)
        label = f'{item.category} {math.dist((0, 0, 0), item.centre_optical_m):.1f}m'
        if item.has_front:
            label += f' {heading_deg(item, scene):.0f}'
            _draw_front(image, item, scene)
        _draw_text(image, label, (max(left, 2), max(top - 4, 10)))
    return image


def heading_deg(item: SceneObject, scene: Scene) -> float:
    """Return an object's azimuth in degrees."""
    front = np.array(item.rotation_optical)[:, 0]
    assert scene.camera.up_optical is not None
    return math.degrees(azimuth(front, item.centre_optical_m, scene.camera.up_optical))


def _draw_front(image: NDArray[np.uint8], item: SceneObject, scene: Scene) -> None:
    centre = np.array(item.centre_optical_m)
    tip = centre + np.array(item.rotation_optical)[:, 0] * (item.size_m[0] / 2 + 0.25)
    if tip[2] > 0.1:
        start, end = project(scene.camera, np.stack([centre, tip])).round().astype(int)
        cv2.arrowedLine(image, tuple(start), tuple(end), ARROW, 2, tipLength=0.3)


def _draw_text(image: NDArray[np.uint8], text: str, at: tuple[int, int]) -> None:
    for colour, width in ((BLACK, 3), (WHITE, 1)):
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, width, cv2.LINE_AA)
