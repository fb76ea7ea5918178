"""A folder of plain images into scenes and shards: steps, measuring, and an account of both."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.image_annotation.depth import depth_step
from spatialllm_ros.image_annotation.detection import detection_step
from spatialllm_ros.image_annotation.masking import masking_step
from spatialllm_ros.image_annotation.measuring import measured_scene
from spatialllm_ros.image_annotation.orientation import orientation_step
from spatialllm_ros.image_annotation.photos import photo_paths, prepared
from spatialllm_ros.image_annotation.steps import Step, StepCache, fingerprints
from spatialllm_ros.image_annotation.weights import Weights
from spatialllm_ros.scenes.datasets import write_fitted
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.jobs import WHOLE, Part
from spatialllm_ros.scenes.licences import OWN_IMAGES, licence_expression, require_accepted
from spatialllm_ros.scenes.shards import check_size, shard_path
from spatialllm_ros.schema import Scene

NO_OBJECTS = 'images in which nothing was found'


@dataclass(frozen=True)
class Annotators:
    """The models of the steps and the licence of the images; orientation is optional."""

    detector: Weights
    masker: Weights
    depth: Weights
    orientation: Weights | None = None
    images_licence: str = OWN_IMAGES

    def licence(self) -> str:
        """Return the licence of what is made: of the images and of every model used."""
        models = (self.detector, self.masker, self.depth, self.orientation)
        names = [self.images_licence, *(model.licence for model in models if model is not None)]
        return licence_expression(dict.fromkeys(names))


@dataclass(frozen=True)
class AnnotationRequest:
    """What to annotate and how.

    Attributes:
        categories: nouns, each of a few words.
        threshold: least score of a detection.
        cache: folder for what the steps find and for the copies of turned or large images.
        hfov_rad: horizontal field of view of all images; None: as EXIF or the depth model says.
        accepted_licences: those that forbid commercial use, by name.
    """

    images: Path
    cache: Path
    annotators: Annotators
    categories: Sequence[str]
    threshold: float
    hfov_rad: float | None = None
    part: Part = WHOLE
    accepted_licences: Collection[str] = ()

    def __post_init__(self) -> None:
        """Check the field of view.

        Raises:
            ConfigError: no lens has it.
        """
        if self.hfov_rad is not None and not 0 < self.hfov_rad < math.pi:
            found_deg = math.degrees(self.hfov_rad)
            raise ConfigError(
                f'expected a field of view between 0 and 180 degrees, found {found_deg:g}'
            )

    @cached_property
    def steps(self) -> list[Step]:
        """The steps, each after those it uses.

        Raises:
            ConfigError: a category cannot be asked for.
        """
        chosen = self.annotators
        steps = [
            detection_step(chosen.detector, self.categories, self.threshold),
            masking_step(chosen.masker),
            depth_step(chosen.depth),
        ]
        return steps + ([orientation_step(chosen.orientation)] if chosen.orientation else [])


def annotated_scenes(request: AnnotationRequest, report: ImportReport) -> Iterator[Scene]:
    """Return the scenes, made one by one, of a folder's images in which something was found.

    Raises:
        ConfigError: a licence was not accepted; later, that a model cannot be loaded.
        SceneError: the folder has no images.
    """
    licence = request.annotators.licence()
    require_accepted('what these models and images make', licence, request.accepted_licences)
    paths = photo_paths(request.images, request.cache)
    own = paths[request.part.index :: request.part.count]
    return _scenes(own, request, licence, report)


def _scenes(
    paths: Sequence[Path], request: AnnotationRequest, licence: str, report: ImportReport
) -> Iterator[Scene]:
    cache = StepCache(request.cache, request.steps)

    def scene_of(path: Path) -> Scene:
        photo = prepared(path, request.images, request.cache / 'copies')
        found = cache.outcomes(photo)
        return measured_scene(photo, found, request.hfov_rad, licence, report)

    for path in paths:
        name = path.relative_to(request.images).as_posix()
        for scene in report.reading(name, scene_of, path):
            if scene.objects:
                yield scene
            else:
                report.leave_out(NO_OBJECTS)


def write_shards(
    scenes: Iterable[Scene], folder: Path, size_px: tuple[int, int], request: AnnotationRequest,
    report: ImportReport,
) -> None:  # fmt: skip
    """Write a part's scenes and letterboxed images in place of those of an earlier run.

    Shard numbers of different parts never meet, so all may write into one folder.

    Raises:
        ConfigError: images that the object map does not divide, or a folder that holds shards of
            something else.
    """
    check_size(*size_px)
    part = request.part
    _claim(folder, request)
    numbers = count(part.index, part.count)
    write_fitted(scenes, folder, size_px, report, numbers)
    for stale in (shard_path(folder, number) for number in numbers):
        if not stale.exists():
            break
        stale.unlink()


def _claim(folder: Path, request: AnnotationRequest) -> None:
    """Say in the folder what makes its shards."""
    part = request.part
    claims = [path.stem for path in folder.glob('annotation-*.json')]
    foreign = [claim for claim in claims if not claim.endswith(f'-of-{part.count}')]
    if foreign or (not claims and any(folder.glob('scenes-*.jsonl'))):
        raise ConfigError(
            f'expected a folder for the shards of {part.count} processes, found others in '
            f'{folder} ({", ".join(foreign) or "not of annotated images"}): give another --out'
        )
    folder.mkdir(parents=True, exist_ok=True)
    marks = fingerprints(request.steps)
    steps = [{'step': s.name, 'fingerprint': marks[s.name], **s.options} for s in request.steps]
    record = {'licence': request.annotators.licence(), 'steps': steps}
    text = json.dumps(record, indent=1) + '\n'
    (folder / f'annotation-{part}.json').write_text(text, encoding='utf-8')
