"""The training loop that every stage shares: steps, schedule, curves, checkpoints, exact resume.

A batch is a function of the seed, the step and its number within the step, so nothing but weights,
optimiser moments and the step number needs saving, and it does not matter whether one process
takes all batches of a step or several share them. Runs on a CPU, on one GPU and over several
processes started by ``torchrun``, in bfloat16 where the machine multiplies it.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import nn

from spatialllm_ros.errors import ConfigError, TrainingDivergedError
from spatialllm_ros.learning.checkpoints import (
    Progress,
    has_checkpoint,
    load_moments,
    load_progress,
    named_weights,
    resume_weights,
    write_checkpoint,
)
from spatialllm_ros.learning.curves import cut_curve, plot_curves
from spatialllm_ros.learning.freed_memory import GIVE_BACK_EVERY, give_back_freed_memory
from spatialllm_ros.learning.loading import MakeBatch, Numbered, numbered_batches
from spatialllm_ros.learning.optimisers import (
    OPTIMISERS,
    make_optimisers,
    moments_by_name,
    resume_moments,
)
from spatialllm_ros.learning.sharding import (
    SHARDINGS,
    gathered,
    gradients_kept,
    placed,
    readable,
    whole,
)

PRECISIONS = ('auto', 'bf16', 'fp32')
COUNTS = ('steps', 'batch', 'accumulate', 'log_every', 'evaluate_every', 'checkpoint_every')
RANGES: tuple[tuple[tuple[str, ...], str, Callable[[float], bool]], ...] = (
    (COUNTS, 'of at least 1', lambda value: value >= 1),
    (('learning_rate', 'warmup_steps', 'seed', 'workers', 'minutes', 'weight_decay'),
     'of at least 0', lambda value: value >= 0),
    (('clip_norm',), 'above 0', lambda value: value > 0),
    (('decay_share',), 'within 0..1', lambda value: 0 <= value <= 1),
)  # fmt: skip
"""Names of numbers, and what they have to be."""


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast a stage trains.

    Attributes:
        steps: optimiser steps in all.
        batch: images of one batch.
        accumulate: batches per step and process, one after the other.
        optimiser: ``adamw``, or ``muon`` for the matrices inside layers.
        decay_share: part of the steps, at the end, over which the rate falls to zero.
        minutes: stop after this long, keeping the checkpoint; a later run goes on from there.
        precision: what products are computed in; ``auto``: bf16 where the machine multiplies it.
        sharding: whether each of several processes holds all weights, gradients and moments
            (``none``) or a part of them (``full``).
        workers: processes that make batches ahead, beside each that trains; none on a CPU, whose
            cores the steps themselves fill.
    """

    steps: int
    batch: int
    accumulate: int = 1
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
    precision: str = 'auto'
    sharding: str = 'none'
    workers: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot train.

        Raises:
            ConfigError: a number outside its range or an unknown choice.
        """
        for name, known in (
            ('optimiser', OPTIMISERS), ('precision', PRECISIONS), ('sharding', SHARDINGS),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                raise ConfigError(
                    f'expected {name} to be one of {known}, found {getattr(self, name)!r}'
                )
        for names, wanted, holds in RANGES:
            for name in names:
                if not holds(getattr(self, name)):
                    raise ConfigError(f'expected {name} {wanted}, found {getattr(self, name)}')

    def until(self, deadline_s: float) -> LoopConfig:
        """Return the same, to stop at this reading of the monotonic clock if not before."""
        left = max(0.0, deadline_s - time.monotonic()) / 60
        return replace(self, minutes=min(self.minutes, left))

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
        make_batch: from a random generator to a batch on the CPU, in a process of its own where
            the stage has workers.
        evaluate: from the module to named scores on validation worlds.
        parts: what of the module is gathered one after the other where weights are shared out.
    """

    name: str
    module: nn.Module
    make_batch: MakeBatch
    evaluate: Callable[[nn.Module], dict[str, float]]
    parts: tuple[nn.Module, ...] = ()


def run_stage(stage: Stage, config: LoopConfig, folder: Path) -> dict[str, float]:
    """Train a stage to its last step, from its checkpoint in ``folder`` if there is one.

    Returns:
        The last scores; ``finished`` is 1 when all steps are done, else 0.
    """
    return _Run(stage, config, folder).train()


def multiplies_bf16() -> bool:
    """Tell whether this CPU multiplies bfloat16 itself: several times faster than float32."""
    return bool(torch.cpu.get_capabilities().get('avx512_bf16'))


class _Run:
    def __init__(self, stage: Stage, config: LoopConfig, folder: Path) -> None:
        self.stage, self.config, self.folder = stage, config, folder
        folder.mkdir(parents=True, exist_ok=True)
        on_gpu = torch.cuda.is_available()
        self.in_bf16 = config.precision == 'bf16' or (
            config.precision == 'auto' and (on_gpu or multiplies_bf16())
        )
        self.accelerator = Accelerator(mixed_precision='no', cpu=not on_gpu)
        resumed = has_checkpoint(folder)
        if resumed:
            resume_weights(stage.module, folder)
        self.module = placed(stage.module, stage.parts, config.sharding, self.accelerator)
        self.optimisers = make_optimisers(stage.module, config.optimiser, config.weight_decay)
        progress = load_progress(folder) if resumed else Progress()
        self.step, self.losses = progress.step, dict(progress.averages)
        self._cut_curve()  # of a run that had no checkpoint yet, too
        if resumed:
            resume_moments(stage.module, self.optimisers, load_moments(folder))
            self._tell(
                f'goes on behind step {self.step} of {config.steps}'
                if self.step < config.steps
                else f'was finished at step {self.step} before and is only scored: train another '
                'recipe in another folder'
            )

    def train(self) -> dict[str, float]:
        config, started = self.config, time.monotonic()
        scores: dict[str, float] = {}
        first = self.step
        self.module.train()
        batches = self._batches()
        while self.step < config.steps:
            _blend(self.losses, self._take_step(batches))
            self.step += 1
            if self.step % GIVE_BACK_EVERY == 0:
                give_back_freed_memory()
            elapsed = time.monotonic() - started
            out_of_time = self._agreed(elapsed > 60 * config.minutes)
            last = self.step == config.steps or out_of_time
            if self.step % config.log_every == 0 or last:
                speed = (self.step - first) * config.batch * config.accumulate / elapsed
                self._log('train', {**self._averages(), 'images_per_s': speed})
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

    def _batches(self) -> Iterator[Numbered]:
        """Return this process's batches of all steps that are left."""
        count = self.config.accumulate
        first = self.accelerator.process_index * count
        steps = range(self.step, self.config.steps)
        numbers = ((step, first + part) for step in steps for part in range(count))
        make, config = self.stage.make_batch, self.config
        return numbered_batches(make, config.seed, numbers, config.workers)

    def _take_step(self, batches: Iterator[Numbered]) -> dict[str, float]:
        count = self.config.accumulate
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group['lr'] = self.config.rate(self.step)
        losses: dict[str, float] = {}
        for part in range(count):
            with gradients_kept(self.module, part + 1 < count):
                own = self._take_batch(next(batches))
            for name, value in own.items():
                losses[name] = losses.get(name, 0.0) + value / count
        norm = self.accelerator.clip_grad_norm_(self.module.parameters(), self.config.clip_norm)
        self._check_finite({**losses, 'gradient norm': float(whole(norm))})
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        return losses

    def _take_batch(self, numbered: Numbered) -> dict[str, float]:
        """Add the gradients of one of the step's batches, and return its losses."""
        torch.manual_seed(numbered.seed)
        device = self.accelerator.device
        batch = numbered.batch
        moved = {key: value.to(device, non_blocking=True) for key, value in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=self.in_bf16):
            losses = self.module(moved)
        self.accelerator.backward(losses['total'] / self.config.accumulate)
        names = list(losses)
        values = torch.stack([losses[name].detach().float() for name in names])
        return dict(zip(names, values.tolist(), strict=True))

    def _check_finite(self, values: dict[str, float]) -> None:
        """Stop before weights are spoilt, and with them the checkpoint."""
        lost = [f'{name} {value}' for name, value in values.items() if not math.isfinite(value)]
        if lost:
            kept = (
                f'the checkpoint of step {load_progress(self.folder).step} is whole'
                if has_checkpoint(self.folder)
                else 'there is no checkpoint yet'
            )
            raise TrainingDivergedError(
                f'stage {self.stage.name!r}: expected finite losses and gradients, found '
                f'{", ".join(lost)} in step {self.step + 1} of {self.config.steps}; {kept}: go '
                'on with a lower learning_rate, more warmup_steps or precision: fp32'
            )

    def _agreed(self, out_of_time: bool) -> bool:
        """Return what the main process says: a process that stopped alone would end all."""
        if math.isinf(self.config.minutes):
            return out_of_time
        return bool(broadcast_object_list([out_of_time])[0])

    def _averages(self) -> dict[str, float]:
        """Return the losses' running averages, and of those the mean over all processes."""
        values = torch.tensor(list(self.losses.values()), dtype=torch.float64)
        if self.accelerator.num_processes > 1:
            values = self.accelerator.reduce(values.to(self.accelerator.device), 'mean')
        return dict(zip(self.losses, values.tolist(), strict=True))

    def _evaluate(self) -> dict[str, float]:
        """Return the scores that the main process finds, on every process.

        Where weights are shared out all of them compute, as each needs the others' parts.
        """
        is_main = self.accelerator.is_main_process
        scores = [self._evaluate_here() if is_main or self.config.sharding == 'full' else {}]
        if is_main:
            self._log('validation', scores[0])
            plot_curves(self.folder / 'curve.csv', self.folder / 'curve.png')
        broadcast_object_list(scores)
        return scores[0]

    def _evaluate_here(self) -> dict[str, float]:
        self.module.eval()
        with readable(self.stage.module):
            scores = self.stage.evaluate(self.stage.module)
        self.module.train()
        return scores

    def _tell(self, line: str) -> None:
        if self.accelerator.is_main_process:
            print(f'[{self.stage.name}] {line}', flush=True)

    def _log(self, part: str, values: dict[str, float]) -> None:
        if not self.accelerator.is_main_process:
            return
        line = ' '.join(f'{name} {value:.4g}' for name, value in values.items())
        self._tell(f'step {self.step}/{self.config.steps} {part}: {line}')
        path = self.folder / 'curve.csv'
        with path.open('a', newline='') as file:
            writer = csv.writer(file)
            for name, value in values.items():
                writer.writerow([self.step, part, name, f'{value:.6g}'])

    def _save(self) -> None:
        is_main = self.accelerator.is_main_process
        progress = Progress(self.step, self._averages())
        weights = gathered(named_weights(self.stage.module), is_main)
        moments = gathered(moments_by_name(self.stage.module, self.optimisers), is_main)
        if is_main:
            write_checkpoint(self.folder, weights, moments, progress)

    def _cut_curve(self) -> None:
        if self.accelerator.is_main_process:
            cut_curve(self.folder / 'curve.csv', self.step)


def _blend(averages: dict[str, float], values: dict[str, float], share: float = 0.03) -> None:
    """Move running averages towards new values, in place."""
    for name, value in values.items():
        averages[name] = (
            value if name not in averages else averages[name] * (1 - share) + share * value
        )
