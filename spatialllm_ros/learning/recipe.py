"""A training recipe: YAML in, checked dataclasses out, every mistake reported at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.conversations import MixedSource
from spatialllm_ros.learning.loop import LoopConfig
from spatialllm_ros.learning.lora import Lora
from spatialllm_ros.questions import QUESTION_TYPES

RECIPE_KEYS = {'name', 'seed', 'model', 'data', 'stages', 'start', 'pretrained'}
STAGE_NAMES = ('encoder', 'alignment', 'instruction')
PROBING = ('3d', '2d')
GROUNDING = ('3d', '2d', 'none')
MIXED_KEYS = {f.name for f in fields(MixedSource)}
MIXED_NEEDED = MIXED_KEYS - {'tokens'}
LORA_KEYS = {f.name for f in fields(Lora)}


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
    gate: dict[str, str]
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
        ConfigError: the file is missing or not YAML, or holds unknown or missing keys; all of
            them are named.
    """
    try:
        plain = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f'expected a YAML recipe at {path}, found: {error}') from error
    problems: list[str] = []
    _check_keys(plain, RECIPE_KEYS, 'recipe', problems)
    data = plain.get('data', {}) if isinstance(plain, dict) else {}
    stages = plain.get('stages', {}) if isinstance(plain, dict) else {}
    _check_keys(data, {f.name for f in fields(DataConfig)}, 'data', problems)
    for number, source in enumerate(data.get('mixed', ()) if isinstance(data, dict) else ()):
        _check_mixed(source, f'data.mixed[{number}]', problems)
    _check_keys(stages, set(STAGE_NAMES), 'stages', problems)
    pretrained = plain.get('pretrained', {}) if isinstance(plain, dict) else {}
    _check_keys(pretrained, {f.name for f in fields(Pretrained)}, 'pretrained', problems)
    loop_keys = {f.name for f in fields(LoopConfig)}
    own_keys = {f.name for f in fields(StageConfig)} - {'loop'}
    for name, stage in stages.items():
        _check_keys(stage, loop_keys | own_keys, f'stages.{name}', problems)
        _check_words(stage, name, problems)
        if isinstance(stage, dict) and 'lora' in stage:
            _check_keys(stage['lora'], LORA_KEYS, f'stages.{name}.lora', problems)
    if problems:
        raise ConfigError(f'{path}: ' + '; '.join(problems))
    seed = int(plain['seed'])
    return Recipe(
        name=plain['name'],
        seed=seed,
        model=plain['model'],
        data=_data(data),
        stages={
            name: _stage(stages[name], loop_keys, seed) for name in STAGE_NAMES if name in stages
        },
        start=Path(plain['start']) if 'start' in plain else None,
        pretrained=Pretrained(tuple(pretrained.get('vision', ())), pretrained.get('text')),
    )


def _data(plain: dict[str, Any]) -> DataConfig:
    folders = {name: Path(plain[name]) for name in ('train', 'validation')}
    mixed = tuple(
        MixedSource(**{**source, 'path': Path(source['path']), 'images': Path(source['images'])})
        for source in plain.get('mixed', ())
    )
    return DataConfig(**{**plain, **folders, 'mixed': mixed})


def _stage(plain: dict[str, Any], loop_keys: set[str], seed: int) -> StageConfig:
    loop = {key: value for key, value in plain.items() if key in loop_keys}
    own = {key: value for key, value in plain.items() if key not in loop_keys}
    own['types'] = tuple(own.get('types', ()))
    if 'lora' in own:
        lora = {**own['lora']}
        if 'targets' in lora:
            lora['targets'] = tuple(lora['targets'])
        own['lora'] = Lora(**lora)
    return StageConfig(loop=LoopConfig(**{'seed': seed, **loop}), **{'gate': {}, **own})


def _check_words(stage: Any, name: str, problems: list[str]) -> None:
    """Note question types and ways of teaching that there are not."""
    if not isinstance(stage, dict):
        return
    for found in stage.get('types', ()):
        if found not in QUESTION_TYPES:
            problems.append(f'unknown question type {found!r} under stages.{name}.types')
    for key, known in (('probing', PROBING), ('grounding', GROUNDING)):
        if stage.get(key, known[0]) not in known:
            problems.append(f'expected stages.{name}.{key} of {known}, found {stage[key]!r}')


def _check_mixed(source: Any, where: str, problems: list[str]) -> None:
    _check_keys(source, MIXED_KEYS, where, problems)
    missing = sorted(MIXED_NEEDED - set(source)) if isinstance(source, dict) else []
    if missing:
        problems.append(f'{where}: missing {", ".join(missing)}')


def _check_keys(found: Any, known: set[str], where: str, problems: list[str]) -> None:
    if not isinstance(found, dict):
        problems.append(f'expected a mapping under {where!r}, found {type(found).__name__}')
        return
    for key in sorted(set(found) - known):
        problems.append(f'unknown key {key!r} under {where!r} (known: {", ".join(sorted(known))})')
