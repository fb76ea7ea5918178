"""An annotated image with its truth drawn in and questions below, for a person to look at."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from spatialllm_ros.geometry import box_corners, project
from spatialllm_ros.questions.candidates import MIN_VISIBILITY, AskableScene, Candidate
from spatialllm_ros.questions.generator import fill
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.questions.question_types import QUESTION_TYPES
from spatialllm_ros.relations import Relation, scene_geometry
from spatialllm_ros.scenes.annotation import NEAREST_M
from spatialllm_ros.scenes.dataset_questions import FARTHEST, askable_types, with_floor
from spatialllm_ros.scenes.datasets import fitted_image
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.preview import FONT, WHITE, Image, draw_truth
from spatialllm_ros.schema import Scene

QUESTIONS = 3
WIDTH_PX = 2000
"""Overlays are about this wide, so that far objects can be made out."""
SIDES, FRONT = (0, 200, 255), (0, 255, 0)
TEXT_SCALE, LINE_PX = 0.9, 36
FRONT_CORNER = 4
"""Corners from this on are on an object's front; see ``box_corners``."""


def write_overlays(scenes: Iterable[Scene], folder: Path, report: ImportReport) -> None:
    """Draw each scene into a PNG named after it; the report counts them."""
    folder.mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        for image in report.reading(scene.scene_id, overlay, scene):
            path = folder / f'{scene.scene_id}.png'
            cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            report.scenes += 1
            report.objects += len(scene.objects)


def overlay(scene: Scene) -> Image:
    """Return an enlarged image with boxes, headings and three questions with their answers."""
    camera = scene.camera
    scale = max(1, round(WIDTH_PX / camera.width_px))
    size_px = (camera.width_px * scale, camera.height_px * scale)
    fitted = fitted_image(scene, size_px)
    image = fitted.image
    _draw_cuboids(image, fitted.scene)
    return np.concatenate([draw_truth(image, fitted.scene), _caption(size_px[0], scene)])


def _draw_cuboids(image: Image, scene: Scene) -> None:
    """Draw each object's box in 3D, the front in its own colour."""
    for item in scene.objects:
        corners = box_corners(item.centre_optical_m, item.size_m, item.rotation_optical)
        if corners[:, 2].min() < NEAREST_M:
            continue
        pixels = project(scene.camera, corners).round().astype(int)
        for a in range(8):
            for b in (a | bit for bit in (1, 2, 4) if not a & bit):
                is_front = item.has_front and a >= FRONT_CORNER
                start, end = tuple(pixels[a].tolist()), tuple(pixels[b].tolist())
                cv2.line(image, start, end, FRONT if is_front else SIDES, 1)


def _caption(width_px: int, scene: Scene) -> Image:
    lines = [f'{question}   {answer}' for question, answer in example_questions(scene)]
    strip = np.zeros((LINE_PX * QUESTIONS + LINE_PX // 2, width_px, 3), np.uint8)
    for row, line in enumerate(lines, start=1):
        cv2.putText(strip, line, (12, LINE_PX * row), FONT, TEXT_SCALE, WHITE, 1, cv2.LINE_AA)
    return strip


def example_questions(scene: Scene, count: int = QUESTIONS) -> list[tuple[str, str]]:
    """Return questions and answers of different types, also about objects that look small."""
    if not askable_types(scene):
        return []
    seen = _all_named(with_floor(scene))
    found: list[tuple[str, Candidate]] = []
    for name in askable_types(scene):
        exact = (c for c in QUESTION_TYPES[name].candidates(seen) if _is_exact(c))
        found += [(name, candidate) for candidate in islice(exact, 1)]
    # What is annotated is there: true, if easy, where little else can be asked.
    there = [('exist', Candidate((index,), Relation('yes'))) for index in seen.named]
    found += there[: max(0, count - len(found))]
    found.sort(key=lambda pair: -len(pair[1].roles))
    spread = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    return [_worded(name, candidate, seen) for name, candidate in (found[i] for i in spread)]


def _is_exact(candidate: Candidate) -> bool:
    return FARTHEST not in candidate.relation.label


def _all_named(scene: Scene) -> AskableScene:
    named = tuple(
        index
        for index, item in enumerate(scene.objects)
        if item.phrase and item.visibility >= MIN_VISIBILITY
    )
    fronted = tuple(index for index in named if scene.objects[index].has_front)
    return AskableScene(scene, scene_geometry(scene), named, named, fronted)


def _worded(name: str, candidate: Candidate, seen: AskableScene) -> tuple[str, str]:
    phrases = [seen.scene.objects[index].phrase for index in candidate.roles]
    wordings = PHRASINGS[name]
    wording, answer = wordings.train[0], candidate.relation.label
    named = dict(zip('abc', zip(phrases, candidate.roles, strict=True), strict=False))
    if QUESTION_TYPES[name].names_objects:
        answer = phrases[(answer == 'b') != wordings.is_reversed(wording)]
    return fill(wording, named)[0], answer
