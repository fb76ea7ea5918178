"""A training recipe: YAML in, checked dataclasses out, every mistake reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.conversations import MixedSource
from spatialllm_ros.learning.gates import read_bound, score_names
from spatialllm_ros.learning.loop import LoopConfig
from spatialllm_ros.learning.lora import Lora
from spatialllm_ros.learning.model_checks import model_problems
from spatialllm_ros.learning.recipe_checks import below_one, unknown_keys, unlike_fields
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.questions import QUESTION_TYPES

STAGE_NAMES = ('encoder', 'heads', 'alignment', 'instruction')
DECODER_RESTS = ('encoder', 'heads')
ALIGNMENT_TYPES = ('locate', 'describe', 'heading', 'distance_to_camera', 'exist')
"""The alignment stage asks of single objects only."""
PROBING = ('3d', '2d')
GROUNDING = ('3d', '2d', 'none')
LOOP_KEYS = {each.name for each in fields(LoopConfig)}


@dataclass(frozen=True)
class DataConfig:
    """Where the worlds are and how much is asked about each.

    Attributes:
        train, validation: folders written by ``training/render_scenes.py``.
        questions_per_view: questions made for each scene and for its mirror image.
        mixed: conversations about other images that the question stages see as well.
    """

    train: Path
    validation: Path
    train_scenes: int = 40_000
    validation_scenes: int = 400
    questions_per_view: int = 14
    mixed: tuple[MixedSource, ...] = ()


@dataclass(frozen=True)
class StageConfig:
    """One stage: its loop, what it asks, and the gate to the next.

    Attributes:
        gate: bounds on validation scores, ``name: '>= 0.9'``; a stage that misses one stops the
            run.
        questions_per_image: questions that share one image prefix in a step.
        train_vision: let the vision backbones learn along.
        train_decoder: let the decoder learn, and not the projector alone.
        recompute: keep no activations of the decoder's layers, but compute them again.
        compile: compile the decoder's layers, which needs a C++ compiler.
        lora: low-rank adapters that learn in place of the decoder's own weights.
        types: question types that are asked; none for those of the stage.
        grounding: what mentions are taught: ``2d`` where they point, ``3d`` also the 3D state of
            what they name and the numbers behind answers; ``none``: answers alone teach.
        probing: what the backbones are taught token by token: ``3d``, or ``2d`` for what a flat
            image tells (what is where in it, and its colour).
    """

    loop: LoopConfig
    gate: dict[str, str] = field(default_factory=dict)
    questions_per_image: int = 10
    train_vision: bool = False
    train_decoder: bool = True
    recompute: bool = False
    compile: bool = False
    lora: Lora | None = None
    types: tuple[str, ...] = ()
    grounding: str = '3d'
    probing: str = '3d'


@dataclass(frozen=True)
class Pretrained:
    """Where pretrained parts come from: local folders or names on the hub.

    Attributes:
        vision: one for each backbone, null for random weights.
        text: the decoder's, and its tokenizer's.
    """

    vision: tuple[str | None, ...] = ()
    text: str | None = None


@dataclass(frozen=True)
class Recipe:
    """Everything a run needs; ``model`` goes to ``SpatialLLMConfig`` as it is.

    Attributes:
        start: a bundle or model folder with the weights that the first stage starts from.
    """

    name: str
    seed: int
    model: dict[str, Any]
    data: DataConfig
    stages: dict[str, StageConfig]
    start: Path | None = None
    pretrained: Pretrained = Pretrained()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: the file is missing or not YAML, or keys are unknown or missing, or values
            of another kind than they should be; all of them are named. Or its model's parts do
            not fit together.
    """
    try:
        plain = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f'expected a YAML recipe at {path}, found: {error}') from error
    problems = list(_problems(plain))
    if problems:
        raise ConfigError(f'{path}: ' + '; '.join(problems))
    SpatialLLMConfig(**plain['model'])  # whose own checks are made now
    start, pretrained = plain.get('start'), plain.get('pretrained', {})
    stages, seed = plain['stages'], plain['seed']
    return Recipe(
        name=plain['name'],
        seed=seed,
        model=plain['model'],
        data=_data(plain['data']),
        stages={name: _stage(stages[name], seed) for name in STAGE_NAMES if name in stages},
        start=None if start is None else Path(start),
        pretrained=Pretrained(tuple(pretrained.get('vision', ())), pretrained.get('text')),
    )


def asked_types(stage: str, types: Iterable[str]) -> tuple[str, ...]:
    """Return the question types of a stage, whose recipe may choose them."""
    return tuple(types) or (ALIGNMENT_TYPES if stage == 'alignment' else tuple(QUESTION_TYPES))


def _data(plain: dict[str, Any]) -> DataConfig:
    folders = {name: Path(plain[name]) for name in ('train', 'validation')}
    mixed = tuple(
        MixedSource(**{**source, 'path': Path(source['path']), 'images': Path(source['images'])})
        for source in plain.get('mixed', ())
    )
    return DataConfig(**{**plain, **folders, 'mixed': mixed})


def _stage(plain: dict[str, Any], seed: int) -> StageConfig:
    loop = {key: value for key, value in plain.items() if key in LOOP_KEYS}
    own = {key: value for key, value in plain.items() if key not in LOOP_KEYS}
    own['types'] = tuple(own.get('types', ()))
    if own.get('lora') is not None:
        lora = {**own['lora']}
        if 'targets' in lora:
            lora['targets'] = tuple(lora['targets'])
        own['lora'] = Lora(**lora)
    return StageConfig(loop=LoopConfig(**{'seed': seed, **loop}), **own)


def _problems(plain: Any) -> Iterator[str]:
    """Yield all that keeps plain values from being a recipe."""
    yield from unlike_fields(plain, fields(Recipe), 'recipe')
    parts = plain if isinstance(plain, dict) else {}
    if isinstance(data := parts.get('data'), dict):
        yield from _data_problems(data)
    if isinstance(stages := parts.get('stages'), dict):
        yield from _stages_problems(stages)
    pretrained = parts.get('pretrained')
    if isinstance(pretrained, dict):
        yield from unlike_fields(pretrained, fields(Pretrained), 'pretrained')
    if isinstance(model := parts.get('model'), dict):
        sources = pretrained.get('vision') if isinstance(pretrained, dict) else None
        yield from model_problems(model, sources)


def _data_problems(data: dict[str, Any]) -> Iterator[str]:
    yield from unlike_fields(data, fields(DataConfig), 'data')
    yield from below_one(data, ('train_scenes', 'validation_scenes', 'questions_per_view'), 'data')
    mixed = data.get('mixed')
    for number, source in enumerate(mixed if isinstance(mixed, list) else ()):
        yield from unlike_fields(source, fields(MixedSource), f'data.mixed[{number}]')


def _stages_problems(stages: dict[str, Any]) -> Iterator[str]:
    if not stages:
        yield f"expected at least one stage of {STAGE_NAMES} under 'stages', found none"
    yield from unknown_keys(stages, STAGE_NAMES, 'stages')
    own = [each for each in fields(StageConfig) if each.name != 'loop']
    for name, stage in stages.items():
        where = f'stages.{name}'
        yield from unlike_fields(stage, (*fields(LoopConfig), *own), where)
        if isinstance(stage, dict):
            yield from below_one(stage, ('questions_per_image',), where)
            yield from _word_problems(stage, where)
            yield from _gate_problems(name, stage)
            yield from _lora_problems(name, stage.get('lora'))


def _lora_problems(name: str, found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        yield from unlike_fields(found, fields(Lora), f'stages.{name}.lora')
    if found is not None and name in DECODER_RESTS:
        yield f'expected no lora under stages.{name}, in which the decoder rests; leave it out'


def _word_problems(stage: dict[str, Any], where: str) -> Iterator[str]:
    """Yield question types and ways of teaching that there are not."""
    types = stage.get('types')
    for found in types if isinstance(types, list) else ():
        if found not in tuple(QUESTION_TYPES):
            yield f'unknown question type {found!r} under {where}.types'
    for key, known in (('probing', PROBING), ('grounding', GROUNDING)):
        if stage.get(key, known[0]) not in known:
            yield f'expected {where}.{key} of {known}, found {stage[key]!r}'


def _gate_problems(name: str, stage: dict[str, Any]) -> Iterator[str]:
    """Yield bounds that cannot be read, and those on scores that the stage will not have."""
    gate, types = stage.get('gate'), stage.get('types')
    asked = asked_types(name, types if isinstance(types, list) else ())
    known = score_names(name, asked, stage.get('grounding', GROUNDING[0]))
    for score, bound in gate.items() if isinstance(gate, dict) else ():
        where = f'stages.{name}.gate.{score}'
        if score not in known:
            yield f'{where}: expected a score among {", ".join(known)}'
        try:
            read_bound(bound)
        except ConfigError as error:
            yield f'{where}: {error}'
