"""Everything of the GPU page, part by part: what fails is reported, and the rest goes on."""

from __future__ import annotations

import gc
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten

import numpy as np
import torch

from spatialllm_ros.deploy import tensorrt_command
from spatialllm_ros.deploy.precision import write_quantised
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.asked_worlds import AskedWorld
from spatialllm_ros.evaluation.contestants import (
    ANSWER,
    BATCHES,
    ENCODE,
    PREFIX,
    QUESTION,
    RunTime,
    Samples,
    decode,
)
from spatialllm_ros.evaluation.gpu_clock import Device, Limits, first_gpu, versions
from spatialllm_ros.evaluation.gpu_page import BUNDLE_LINES, COMPILED, GpuResult, Row, write_result
from spatialllm_ros.evaluation.gpu_subjects import subjects
from spatialllm_ros.evaluation.gpu_torch import torch_parts
from spatialllm_ros.runtime.bundle import Bundle, load_bundle
from spatialllm_ros.schema import CameraModel, Frame, QuestionRecord

ENGINE_THREADS = 4
REASON_CHARACTERS = 200


@dataclass(frozen=True)
class GpuRun:
    """How to run.

    Attributes:
        bundle: of the shipped model, with its weights.
        out: the folder of ``gpu.json`` and ``gpu.md``.
        command: what the page says it was made by.
        is_dry: on a CPU with tiny shapes, to see that it runs.
        repeats: of every timing.
        minutes: no part begins after so many.
        compiles: time what torch compiles, too.
    """

    bundle: Path
    out: Path
    command: str
    is_dry: bool = False
    repeats: int = 7
    minutes: float = 8
    compiles: bool = True


def run_gpu(run: GpuRun, tell: Callable[[str], None]) -> GpuResult:
    """Run every part; the page is written anew after each, so that a crash keeps the others.

    Raises:
        ConfigError: there is no GPU, and it is no dry run; no repeat; no page can be written.
    """
    if run.repeats < 1:
        raise ConfigError(f'expected at least one repeat, found {run.repeats}')
    deadline_s = time.monotonic() + 60 * run.minutes
    device = Device('dry run on a CPU', False, 1) if run.is_dry else first_gpu(run.repeats)
    limits = device.limits(2**22, 256) if run.is_dry else device.limits()
    date = time.strftime('%Y-%m-%d', time.gmtime())
    result = GpuResult(device.name, versions(), date, run.command, limits)
    write_result(result, run.out)  # before anything is measured that could not be kept
    with TemporaryDirectory() as scratch:
        for what, part in _parts(run, device, limits, Path(scratch)):
            tell(what)
            result = _with_part(result, what, part, deadline_s)
            write_result(result, run.out)
    return result


def _with_part(
    result: GpuResult, what: str, part: Callable[[], Row], deadline_s: float
) -> GpuResult:
    if time.monotonic() > deadline_s:
        return result.without(f'{what}: the time was over')
    try:
        return result.with_row(part())
    except Exception as error:  # each kind of failure, of whichever library, is a result
        reason = shorten(str(error), REASON_CHARACTERS, placeholder=' …')
        return result.without(f'{what}: {type(error).__name__}: {reason}')


def _parts(
    run: GpuRun, device: Device, limits: Limits, scratch: Path
) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Yield a name and a call that returns a row; what could crash comes last."""
    for name, make in subjects(run.bundle, device).items():
        try:
            subject = make()
        except Exception as error:
            yield name, partial(_raise, error)
            continue
        for engine, part in torch_parts(subject, device, limits):
            if run.compiles or engine != COMPILED:
                yield f'{name}, {engine}', part
        del subject, part
        gc.collect()
        if device.is_gpu:
            torch.cuda.empty_cache()
    for engine, precision in BUNDLE_LINES:
        yield (
            f'nano, {engine} in {precision}',
            partial(_bundle_row, run, engine, precision, scratch),
        )


def _raise(error: Exception) -> Row:
    raise error


def _bundle_row(run: GpuRun, engine: str, precision: str, scratch: Path) -> Row:
    """Time a bundle in an engine of the run time."""
    contestant = RunTime(_bundle(run.bundle, engine, precision, scratch), engine, ENGINE_THREADS)
    world = _noise_world(contestant.bundle)
    contestant.turn(world)
    samples: Samples = defaultdict(list)
    for _ in range(1 if run.is_dry else run.repeats):
        for name, seconds in contestant.turn(world).items():
            samples[name] += seconds
    medians = {name: float(np.median(seconds)) for name, seconds in samples.items()}
    return Row(
        'nano', engine, precision, vision_s=medians[ENCODE], prefix_s=medians[PREFIX],
        question_s=medians[QUESTION], answer_s=medians[ANSWER],
        step_s={str(n): medians[decode(n)] for n in BATCHES if decode(n) in medians},
    )  # fmt: skip


def _bundle(folder: Path, engine: str, precision: str, scratch: Path) -> Bundle:
    """Return the shipped bundle, or one in float16, with engines for this GPU if it needs them."""
    if precision == 'float32':
        return load_bundle(folder)
    made = scratch / precision
    if not made.is_dir():
        with TemporaryDirectory(dir=scratch) as begun:  # one that fails leaves none half written
            write_quantised(load_bundle(folder), Path(begun), 'fp16')
            shutil.copytree(begun, made)
    if engine == 'tensorrt':
        shutil.rmtree(made / 'engines', ignore_errors=True)
        tensorrt_command.main([str(made)])
    return load_bundle(made)


def _noise_world(bundle: Bundle) -> AskedWorld:
    """Return noise with a question, for nothing can be drawn where there is no OpenGL."""
    image = bundle.manifest.image
    width, height = image.width_px, image.height_px
    rgb = np.random.default_rng(0).integers(256, size=(height, width, 3), dtype=np.uint8)
    camera = CameraModel(
        width, height, width, width, (width - 1) / 2, (height - 1) / 2, (0.0, -1.0, 0.0), 1.0
    )
    question = 'how far is the red car from the blue crate?'
    record = QuestionRecord('noise', 'distance_between', question, (), '')
    return AskedWorld(Frame(rgb, camera, 0, 'camera_optical_frame', 'camera'), [record])
