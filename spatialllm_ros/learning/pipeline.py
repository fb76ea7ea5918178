"""Run a recipe: stage after stage, each behind the gate of the one before.

A run folder holds one folder per stage (checkpoint, curve) and ``model/``, the newest finished
model as transformers saves it.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import PartialState
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from spatialllm_ros.errors import ConfigError, TrainingGateError
from spatialllm_ros.learning.building import new_model, recipe_tokenizer
from spatialllm_ros.learning.checkpoints import has_checkpoint, load_weights
from spatialllm_ros.learning.encoder_stage import encoder_stage
from spatialllm_ros.learning.gates import read_bound
from spatialllm_ros.learning.loop import Stage, run_stage
from spatialllm_ros.learning.lora import merged_weights, plain_name
from spatialllm_ros.learning.mixing import MixedSampler, mixed_sampler
from spatialllm_ros.learning.model_checks import check_model
from spatialllm_ros.learning.plan import planned_config
from spatialllm_ros.learning.question_data import AskedQuestions, load_question_data
from spatialllm_ros.learning.question_sampler import QuestionSampler
from spatialllm_ros.learning.question_scores import question_scores
from spatialllm_ros.learning.question_stage import QuestionStage
from spatialllm_ros.learning.recipe import STAGE_NAMES, Recipe, StageConfig, asked_types
from spatialllm_ros.learning.scene_arrays import load_scene_arrays
from spatialllm_ros.learning.shard_checks import check_shards, counted_scenes
from spatialllm_ros.learning.stage_modules import shardable_parts, stage_module
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration


def run_recipe(
    recipe: Recipe, folder: Path, only: str | None = None, minutes: float = math.inf
) -> dict[str, float]:
    """Train the stages of a recipe that are not finished yet.

    Args:
        recipe: what to train.
        folder: where checkpoints go; a run that was stopped goes on from there.
        only: run this stage alone.
        minutes: stop after this long, keeping the checkpoint; a stage's own ``minutes`` hold
            within it.

    Returns:
        The scores of the last stage that ran.

    Raises:
        TrainingGateError: a stage did not reach what the next one needs.
        ConfigError: the recipe has no stage ``only``, or its model and stages do not fit together.
    """
    deadline_s = time.monotonic() + 60 * minutes
    scores: dict[str, float] = {}
    if only is not None and only not in recipe.stages:
        raise ConfigError(f'expected a stage of {list(recipe.stages)}, found {only!r}')
    check_stages(recipe)
    for name in stages_to_run(recipe, folder) if only is None else [only]:
        scores = _run_one(recipe, name, folder, deadline_s)
        if not scores['finished']:
            break
        check_gate(name, recipe.stages[name], scores)
    return scores


def check_stages(recipe: Recipe) -> None:
    """Build what each stage trains, without values.

    Raises:
        ConfigError: model and stages do not fit together.
    """
    config = planned_config(recipe)
    check_model(config)
    with torch.device('meta'):
        for name, stage in recipe.stages.items():
            model = SpatialLLMForConditionalGeneration(config)
            stage_module(name, model, replace(stage, compile=False))  # which takes seconds


def stages_to_run(recipe: Recipe, folder: Path) -> list[str]:
    """Return the recipe's stages from the last one that has begun on.

    Those before it are finished and have passed their gates.
    """
    names = [name for name in STAGE_NAMES if name in recipe.stages]
    begun = [i for i, name in enumerate(names) if has_checkpoint(folder / name)]
    return names[begun[-1] if begun else 0 :]


def check_gate(name: str, stage: StageConfig, scores: dict[str, float]) -> None:
    """Compare a stage's scores with its bounds.

    Raises:
        TrainingGateError: a bound is missed; the message names every one.
        ConfigError: a bound cannot be read, or is one on a score that there is not.
    """
    missed = []
    for score, bound in stage.gate.items():
        if score not in scores:
            raise ConfigError(f'expected a gate on a score among {list(scores)}, found {score!r}')
        if not read_bound(bound).holds(scores[score]):
            missed.append(f'{score} {bound}, {_found(scores[score])}')
    if missed:
        raise TrainingGateError(
            f'stage {name!r} stops here, because the next would only train a blind plateau: '
            f'expected {"; ".join(missed)}. Train it longer or look at its curve.png'
        )


def _found(score: float) -> str:
    if math.isnan(score):
        return (
            'which was not measured: put scenes that tell it into data.validation, or take it out '
            'of the gate'
        )
    return f'found {score:.3f}'


def _run_one(recipe: Recipe, name: str, folder: Path, deadline_s: float) -> dict[str, float]:
    torch.manual_seed(recipe.seed)
    config = recipe.stages[name]
    tokenizer = recipe_tokenizer(recipe)
    model = new_model(recipe, tokenizer)
    processes = PartialState(cpu=not torch.cuda.is_available())
    with processes.main_process_first():  # it writes the questions, the others read them
        stage = _build_stage(recipe, name, model, tokenizer, folder / name)
    if processes.is_main_process:
        print(f'[{name}] {counted_scenes(recipe.data)}', flush=True)
    _load_start(stage.module, recipe, name, folder)
    stage = replace(stage, parts=shardable_parts(model))
    scores = run_stage(stage, config.loop.until(deadline_s), folder / name)
    if processes.is_main_process:
        _save_model(model, merged_weights(load_weights(folder / name), config.lora), folder)
        tokenizer.save(str(folder / 'model' / 'tokenizer.json'))
    return scores


def _save_model(
    model: SpatialLLMForConditionalGeneration, weights: dict[str, torch.Tensor], folder: Path
) -> None:
    """Save a stage's model from its checkpoint: at hand it may be adapted or shared out."""
    own = {k.removeprefix('model.'): v for k, v in weights.items() if k.startswith('model.')}
    model.save_pretrained(folder / 'model', state_dict=own)


def _build_stage(
    recipe: Recipe, name: str, model: SpatialLLMForConditionalGeneration, tokenizer: Tokenizer,
    folder: Path,
) -> Stage:  # fmt: skip
    config = recipe.stages[name]
    grid = (model.config.image_rows, model.config.image_columns)
    data = recipe.data
    check_shards(data, (model.config.image_width, model.config.image_height))
    if name == 'encoder':
        train = load_scene_arrays(data.train, grid, data.train_scenes)
        validation = load_scene_arrays(data.validation, grid, data.validation_scenes)
        return encoder_stage(model, train, validation, config)
    types = asked_types(name, config.types)
    asked = AskedQuestions(tokenizer, data.questions_per_view, types=config.types)
    train_data = load_question_data(data.train, grid, data.train_scenes, asked)
    held = load_question_data(
        data.validation, grid, data.validation_scenes, replace(asked, split='eval')
    )
    sampler = QuestionSampler(train_data, types, config.loop.batch, config.questions_per_image)
    source: QuestionSampler | MixedSampler = sampler
    if data.mixed:
        source = mixed_sampler(sampler, data.mixed, tokenizer, model.config, folder)

    def evaluate(stage: nn.Module) -> dict[str, float]:
        assert isinstance(stage, QuestionStage)
        return question_scores(stage, held, grid, types)

    module = stage_module(name, model, config)
    return Stage(name, module, lambda rng: source.draw(rng, grid), evaluate)


def _load_start(module: nn.Module, recipe: Recipe, name: str, folder: Path) -> None:
    """Load what the stage before left, or the recipe's start, unless this stage has begun."""
    if has_checkpoint(folder / name):
        return
    earlier = [s for s in STAGE_NAMES[: STAGE_NAMES.index(name)] if s in recipe.stages]
    if recipe.start is not None and not (earlier and has_checkpoint(folder / earlier[-1])):
        weights = _start_weights(recipe.start, module)
    elif earlier:
        lora = recipe.stages[earlier[-1]].lora
        weights = merged_weights(load_weights(folder / earlier[-1]), lora)
    else:
        return
    own = {key: plain_name(key) for key in module.state_dict()}
    module.load_state_dict(
        {key: weights[plain] for key, plain in own.items() if plain in weights}, strict=False
    )


def _start_weights(folder: Path, module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights of a bundle or model folder under a stage's names.

    Raises:
        ConfigError: there are none, or they are those of a model of another shape.
    """
    path = folder / 'model.safetensors'
    if not path.exists():
        raise ConfigError(f'expected weights at {path} to start from, found none')
    weights = {f'model.{key}': value for key, value in load_file(path).items()}
    own = {plain_name(key): value for key, value in module.state_dict().items()}
    unlike = [k for k, v in weights.items() if k not in own or own[k].shape != v.shape]
    if unlike:
        raise ConfigError(
            f"expected weights in {path} that fit the recipe's model, found others at "
            f'{unlike[:3]}: start from a model of the same sizes and vocabulary, or grow one '
            'with training/grow_model.py'
        )
    return weights
