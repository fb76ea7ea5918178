"""The training loop that every stage shares: steps, schedule, curves, checkpoints, exact resume.

A batch is a function of the seed, the step and the process alone, so nothing but weights,
optimiser moments and the step number needs saving. Runs on a CPU, on one GPU and over several
processes started by ``torchrun``, in bfloat16 where the machine multiplies it.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from safetensors.torch import load_file, save_file
from torch import nn

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.curves import plot_curves
from spatialllm_ros.learning.optimisers import (
    OPTIMISERS,
    load_moments,
    make_optimisers,
    moments_by_name,
)

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast a stage trains.

    Attributes:
        steps: optimiser steps in all.
        batch: images per step and process.
        optimiser: ``adamw``, or ``muon`` for the matrices inside layers.
        decay_share: part of the steps, at the end, over which the rate falls to zero.
        minutes: stop after this long, keeping the checkpoint; a later run goes on from there.
    """

    steps: int
    batch: int
    learning_rate: float = 1.5e-3
    optimiser: str = 'adamw'
    weight_decay: float = 0.05
    warmup_steps: int = 200
    decay_share: float = 0.3
    clip_norm: float = 1.0
    log_every: int = 50
    evaluate_every: int = 500
    checkpoint_every: int = 250
    seed: int = 0
    minutes: float = math.inf

    def __post_init__(self) -> None:
        """Refuse values that cannot train.

        Raises:
            ConfigError: a count below one, a share outside 0..1 or an unknown optimiser.
        """
        if self.optimiser not in OPTIMISERS:
            raise ConfigError(f'expected an optimiser of {OPTIMISERS}, found {self.optimiser!r}')
        if self.steps < 1 or self.batch < 1 or not 0 <= self.decay_share <= 1:
            raise ConfigError(
                'expected steps and batch of at least 1 and decay_share within 0..1, found '
                f'{self.steps}, {self.batch}, {self.decay_share}'
            )

    def rate(self, step: int) -> float:
        """Return the learning rate of a step: warm-up, plateau, linear decay to zero."""
        rise = min(1.0, (step + 1) / max(1, self.warmup_steps))
        fall = (self.steps - step) / max(1.0, self.decay_share * self.steps)
        return self.learning_rate * min(rise, fall, 1.0)


@dataclass(frozen=True)
class Stage:
    """What a stage trains: a module whose forward takes a batch and returns named losses.

    Attributes:
        module: its ``total`` loss is minimised; parameters that need no gradient stay frozen.
        make_batch: from a random generator to a batch on the CPU.
        evaluate: from the module to named scores on validation worlds.
    """

    name: str
    module: nn.Module
    make_batch: Callable[[np.random.Generator], Batch]
    evaluate: Callable[[nn.Module], dict[str, float]]


def run_stage(stage: Stage, config: LoopConfig, folder: Path) -> dict[str, float]:
    """Train a stage to its last step, from its checkpoint in ``folder`` if there is one.

    Returns:
        The last scores; ``finished`` is 1 when all steps are done, else 0.
    """
    return _Run(stage, config, folder).train()


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a stage's newest checkpoint.

    Raises:
        ConfigError: there is none.
    """
    path = folder / 'state.json'
    if not path.exists():
        raise ConfigError(f'expected a checkpoint in {folder}, found none: run that stage first')
    return load_file(folder / f'weights-{json.loads(path.read_text())["slot"]}.safetensors')


def multiplies_bf16() -> bool:
    """Tell whether this CPU multiplies bfloat16 itself: several times faster than float32."""
    return bool(torch.cpu.get_capabilities().get('avx512_bf16'))


class _Run:
    def __init__(self, stage: Stage, config: LoopConfig, folder: Path) -> None:
        self.stage, self.config, self.folder = stage, config, folder
        folder.mkdir(parents=True, exist_ok=True)
        on_gpu = torch.cuda.is_available()
        precision = 'bf16' if on_gpu or multiplies_bf16() else 'no'
        self.accelerator = Accelerator(mixed_precision=precision, cpu=not on_gpu)
        self.optimisers = make_optimisers(stage.module, config.optimiser, config.weight_decay)
        self.module = self.accelerator.prepare(stage.module)
        self.step = 0
        self._load()

    def train(self) -> dict[str, float]:
        config, started = self.config, time.monotonic()
        scores: dict[str, float] = {}
        losses: dict[str, float] = {}
        first = self.step
        self.module.train()
        while self.step < config.steps:
            _blend(losses, self._take_step())
            self.step += 1
            elapsed = time.monotonic() - started
            out_of_time = elapsed > 60 * config.minutes
            last = self.step == config.steps or out_of_time
            if self.step % config.log_every == 0 or last:
                speed = (self.step - first) * config.batch / elapsed
                self._log('train', {**losses, 'images_per_s': speed})
            if self.step % config.evaluate_every == 0 or last:
                scores = self._evaluate()
            if self.step % config.checkpoint_every == 0 or last:
                self._save()
            if out_of_time:
                break
        if not scores:  # all steps were done before
            scores = self._evaluate()
        self.accelerator.wait_for_everyone()  # the main process may still be writing
        return {**scores, 'finished': float(self.step >= config.steps)}

    def _take_step(self) -> dict[str, float]:
        rank = self.accelerator.process_index
        rng = np.random.Generator(np.random.PCG64([self.config.seed, self.step, rank]))
        torch.manual_seed(int(rng.integers(2**31)))
        batch = self.stage.make_batch(rng)
        moved = {key: value.to(self.accelerator.device) for key, value in batch.items()}
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group['lr'] = self.config.rate(self.step)
        with self.accelerator.autocast():
            losses = self.module(moved)
        self.accelerator.backward(losses['total'])
        self.accelerator.clip_grad_norm_(self.module.parameters(), self.config.clip_norm)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _evaluate(self) -> dict[str, float]:
        """Return the scores that the main process finds, on every process."""
        scores = [self._evaluate_here() if self.accelerator.is_main_process else {}]
        broadcast_object_list(scores)
        return scores[0]

    def _evaluate_here(self) -> dict[str, float]:
        self.module.eval()
        scores = self.stage.evaluate(self.accelerator.unwrap_model(self.module))
        self.module.train()
        self._log('validation', scores)
        plot_curves(self.folder / 'curve.csv', self.folder / 'curve.png')
        return scores

    def _log(self, part: str, values: dict[str, float]) -> None:
        if not self.accelerator.is_main_process:
            return
        line = ' '.join(f'{name} {value:.4g}' for name, value in values.items())
        print(
            f'[{self.stage.name}] step {self.step}/{self.config.steps} {part}: {line}', flush=True
        )
        path = self.folder / 'curve.csv'
        with path.open('a', newline='') as file:
            writer = csv.writer(file)
            for name, value in values.items():
                writer.writerow([self.step, part, name, f'{value:.6g}'])

    def _save(self) -> None:
        if not self.accelerator.is_main_process:
            return
        module = self.accelerator.unwrap_model(self.module)
        moments = moments_by_name(module, self.optimisers)
        weights = {name: value.contiguous() for name, value in module.state_dict().items()}
        for name, tensors in (('weights', _unshared(weights)), ('moments', moments)):
            partial = self.folder / f'{name}.partial'
            save_file(tensors, partial)
            partial.rename(self.folder / f'{name}-{self.step % 2}.safetensors')
        state = {'step': self.step, 'slot': self.step % 2}
        partial = self.folder / 'state.partial'
        partial.write_text(json.dumps(state))
        partial.rename(self.folder / 'state.json')

    def _load(self) -> None:
        path = self.folder / 'state.json'
        if not path.exists():
            return
        state = json.loads(path.read_text())
        slot = state['slot']
        module = self.accelerator.unwrap_model(self.module)
        weights = load_weights(self.folder)
        missing, unexpected = module.load_state_dict(weights, strict=False)
        shared = set(module.state_dict()) - set(_unshared(module.state_dict()))
        if unexpected or set(missing) - shared:
            raise ConfigError(
                f'expected the weights in {self.folder} to fit this stage, found missing '
                f'{missing[:3]} and unexpected {unexpected[:3]}: use another folder'
            )
        moments = load_file(self.folder / f'moments-{slot}.safetensors')
        load_moments(module, self.optimisers, moments)
        self.step = int(state['step'])


def _unshared(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Keep one name for each tensor that has several (tied weights)."""
    kept: dict[int, str] = {}
    for name, value in weights.items():
        kept.setdefault(value.data_ptr() if value.numel() else id(value), name)
    return {name: weights[name] for name in kept.values()}


def _blend(averages: dict[str, float], values: dict[str, float], share: float = 0.03) -> None:
    """Move running averages towards new values, in place."""
    for name, value in values.items():
        averages[name] = (
            value if name not in averages else averages[name] * (1 - share) + share * value
        )
