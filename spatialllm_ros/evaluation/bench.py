"""Every engine and precision that runs here, side by side: speed, memory, share of the limits.

Contestants take turns on the same worlds, so that a busy machine slows all of them.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

import numpy as np
from tqdm import tqdm

from spatialllm_ros.errors import ConfigError, SpatialLLMError
from spatialllm_ros.evaluation.asked_worlds import AskedWorld, asked_worlds, seeds_from
from spatialllm_ros.evaluation.contestants import (
    ANSWER,
    ANSWERS_8,
    BATCHES,
    ENCODE,
    PREFIX,
    QUESTION,
    Contestant,
    Generate,
    RunTime,
    Samples,
    decode,
    decoder_bytes,
)
from spatialllm_ros.evaluation.machine_limits import (
    LimitProbe,
    MachineLimits,
    best_of,
    processor_name,
)
from spatialllm_ros.evaluation.resident_memory import resident_bytes
from spatialllm_ros.runtime.bundle import Bundle
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS


@dataclass(frozen=True)
class BenchRow:
    """Of one contestant: medians in seconds; None where it has no such step.

    Attributes:
        resident_bytes: what loading it and a first turn added to this process.
        encode_s: the vision graph, once per frame.
        prefix_s: reading the image's tokens, once per frame.
        question_s: reading a question behind them.
        step_s: writing one word for each of so many questions (a number as text, as in JSON).
        answer_s, answer_p95_s: from a question to its answer, on a seen frame if the contestant
            can keep one.
        answers_8_s: eight questions on a seen frame together.
        bandwidth_share: of the time of a word for one question, what reading the decoder's weights
            once would take at the machine's limit of that moment; the median of all turns. Above 1
            where they fit into its caches.
        arithmetic_share: likewise of the time of the prefix, what its products with weights would
            take at the limit of float32.
    """

    bundle: str
    precision: str
    flavour: str
    engine: str
    resident_bytes: int
    encode_s: float | None
    prefix_s: float | None
    question_s: float | None
    step_s: dict[str, float]
    answer_s: float
    answer_p95_s: float
    answers_8_s: float | None
    bandwidth_share: float | None
    arithmetic_share: float | None

    @property
    def tokens_per_s(self) -> dict[int, float]:
        """Words per second of all questions of a batch, by its size."""
        return {int(batch): int(batch) / step_s for batch, step_s in self.step_s.items()}

    @property
    def eight_on_seen(self) -> float | None:
        """Time of eight questions on a frame that was read, beside that of one."""
        return self.answers_8_s / self.answer_s if self.answers_8_s else None

    @property
    def eight_on_new(self) -> float | None:
        """The same with reading the frame in both."""
        if self.answers_8_s is None or self.encode_s is None or self.prefix_s is None:
            return None
        read_s = self.encode_s + self.prefix_s
        return (read_s + self.answers_8_s) / (read_s + self.answer_s)


@dataclass(frozen=True)
class BenchResult:
    """What was measured, on what, and what could not be.

    Attributes:
        load_before: processes that wanted to run, in the mean of the last minute.
        off: in words, what does not run here, and why.
    """

    processor: str
    cores: int
    load_before: float
    rounds: int
    limits: MachineLimits
    rows: list[BenchRow]
    off: list[str]


@dataclass(frozen=True)
class Turn:
    """What one contestant's turn took, and what the machine could do just then."""

    samples: Samples
    limits: MachineLimits


@dataclass(frozen=True)
class _Loaded:
    contestant: Contestant
    resident_bytes: int
    turns: list[Turn]


def run_bench(
    bundles: Sequence[Bundle], engines: Sequence[str], rounds: int, threads: int
) -> BenchResult:
    """Time bundles of one model in engines.

    Args:
        bundles: the first one's weights are those of ``generate``.
        engines: names of ``engines.ENGINES``; what cannot be loaded here is left out.
        rounds: how often each contestant has its turn; one more comes before each, uncounted.
        threads: of each computation on the CPU.

    Raises:
        ConfigError: no round.
        SpatialLLMError: nothing at all runs here, or there is no OpenGL to draw with.
    """
    if rounds < 1 or threads < 1:
        raise ConfigError(
            f'expected at least one round and one thread, found {rounds} and {threads}'
        )
    load_before = os.getloadavg()[0]
    # What eight questions take depends on the longest of their answers, so on the world.
    worlds = bench_worlds(bundles[0], rounds)
    off: list[str] = []
    loaded = list(_load_all(bundles, engines, threads, worlds[0], off))
    if not loaded:
        raise ConfigError('expected an engine that runs here, found none: ' + '; '.join(off))
    probe = LimitProbe(threads)
    for world in tqdm(islice(cycle(worlds), rounds), total=rounds, unit='round'):
        for item in loaded:
            # Uncounted: the one before has filled the caches, and its threads may spin on.
            item.contestant.turn(world)
            samples = item.contestant.turn(world)
            item.turns.append(Turn(samples, probe.sample()))  # which empties the caches, so last
    contestants = [item.contestant for item in loaded]
    generate = next((one for one in contestants if isinstance(one, Generate)), None)
    return BenchResult(
        processor=processor_name(),
        cores=os.cpu_count() or 1,
        load_before=load_before,
        rounds=rounds,
        limits=best_of([turn.limits for item in loaded for turn in item.turns]),
        rows=[_row(item, generate) for item in loaded],
        off=off,
    )


def bench_worlds(bundle: Bundle, count: int) -> list[AskedWorld]:
    """Return the first held-out worlds that there is something to ask about.

    Raises:
        ConfigError: there is none.
    """
    image = bundle.manifest.image
    seeds = seeds_from(HELD_OUT_SEEDS.start, 10 * count, HELD_OUT_SEEDS)
    worlds = asked_worlds(seeds, (image.width_px, image.height_px))
    found = list(islice((world for world in worlds if world.records), count))
    if not found:
        raise ConfigError('expected questions about held-out worlds, found none in such images')
    return found


def _load_all(
    bundles: Sequence[Bundle],
    engines: Sequence[str],
    threads: int,
    world: AskedWorld,
    off: list[str],
) -> Iterator[_Loaded]:
    """Yield what runs here; say of the rest why it does not."""
    makers: dict[str, Callable[[], Contestant]] = {
        f'{bundle.manifest.name} in {engine}': partial(RunTime, bundle, engine, threads)
        for bundle in bundles
        for engine in engines
    }
    makers[f'generate with the weights of {bundles[0].manifest.name}'] = partial(
        Generate, bundles[0], threads
    )
    for what, make in makers.items():
        before = resident_bytes()
        try:
            contestant = make()
            contestant.turn(world)
        except SpatialLLMError as error:
            off.append(f'{what}: {error}')
        else:
            yield _Loaded(contestant, resident_bytes() - before, [])


def _prefix_products(item: _Loaded, generate: Generate | None) -> int:
    """Return how many operations a prefix's products take; 0 where the model is not known."""
    if generate is None:
        return 0
    positions = 1 + item.contestant.bundle.manifest.image.tokens
    is_torch = item.contestant.name.startswith('torch')  # graphs pick what is scored, it does not
    return 2 * generate.prefix_products(positions, picks_scored=not is_torch)


def _row(item: _Loaded, generate: Generate | None) -> BenchRow:
    bundle, samples = item.contestant.bundle, _together(item.turns)
    medians = {name: float(np.median(seconds)) for name, seconds in samples.items()}
    return BenchRow(
        bundle=bundle.manifest.name,
        precision=bundle.manifest.decoder.precision,
        flavour=bundle.manifest.decoder.flavour,
        engine=item.contestant.name,
        resident_bytes=item.resident_bytes,
        encode_s=medians.get(ENCODE),
        prefix_s=medians.get(PREFIX),
        question_s=medians.get(QUESTION),
        step_s={str(n): medians[decode(n)] for n in BATCHES if decode(n) in medians},
        answer_s=medians[ANSWER],
        answer_p95_s=float(np.percentile(samples[ANSWER], 95)),
        answers_8_s=medians.get(ANSWERS_8),
        bandwidth_share=bandwidth_share(decoder_bytes(bundle), item.turns),
        arithmetic_share=arithmetic_share(_prefix_products(item, generate), item.turns),
    )


def _together(turns: Sequence[Turn]) -> Samples:
    samples: Samples = defaultdict(list)
    for turn in turns:
        for name, seconds in turn.samples.items():
            samples[name] += seconds
    return samples


def bandwidth_share(read_bytes: int, turns: Sequence[Turn]) -> float | None:
    """Return which part of a word's time reading so much takes; None where no word was timed."""
    limits_s = [read_bytes / turn.limits.bandwidth_bytes_per_s for turn in turns]
    return _median_share(decode(1), limits_s, turns)


def arithmetic_share(products: int, turns: Sequence[Turn]) -> float | None:
    """Return which part of a prefix's time so many operations take; None where one is unknown."""
    limits = [turn.limits.arithmetic_per_s for turn in turns]
    limits_s = [products / limit for limit in limits if products and limit]
    return _median_share(PREFIX, limits_s, turns) if limits_s else None


def _median_share(name: str, limits_s: Sequence[float], turns: Sequence[Turn]) -> float | None:
    """Return the median of shares of turns: a shared machine's limit changes from turn to turn."""
    if name not in turns[0].samples:
        return None
    taken_s = [np.median(turn.samples[name]) for turn in turns]
    return float(
        np.median([limit / taken for limit, taken in zip(limits_s, taken_s, strict=True)])
    )
