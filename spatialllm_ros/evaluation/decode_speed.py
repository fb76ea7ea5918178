"""How fast bundles read an image's prefix and write words, side by side in one run.

What is read is noise: speed does not depend on it. Bundles take turns, so that a busy machine
slows all of them; figures are good as ratios.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from spatialllm_ros.deploy.parity import text_span
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.bundle import Bundle, load_bundle
from spatialllm_ros.runtime.engines import load_engine
from spatialllm_ros.runtime.engines.base import Floats


@dataclass(frozen=True)
class DecodeSpeed:
    """Medians over rounds of one bundle.

    Attributes:
        prefix_s: reading the start mark and an image's tokens, once per frame.
        tokens_per_s: words written after it, one at a time.
        ratio: of the words per second, to those of the first bundle.
    """

    name: str
    precision: str
    prefix_s: float
    tokens_per_s: float
    ratio: float


def compare_speeds(
    folders: Sequence[Path], rounds: int, words: int, threads: int
) -> list[DecodeSpeed]:
    """Measure bundles in turn.

    Args:
        folders: of the bundles; the first is what ratios are to.
        rounds: how often each has its turn; one more comes first and is not counted.
        words: written in each round.
        threads: of the computation.

    Raises:
        BundleError: there is no bundle, or a broken one.
        ConfigError: no bundle, no round or word, or more words than a text has room for.
        EngineError: a bundle cannot be loaded.
    """
    if not folders or rounds < 1:
        raise ConfigError(
            f'expected at least one bundle and one round, found {len(folders)} and {rounds}'
        )
    turns = [_Turn(load_bundle(folder), words, threads) for folder in folders]
    timed = [[turn.time() for turn in turns] for _ in range(rounds + 1)][1:]
    by_bundle = list(zip(*timed, strict=True))
    word_s = [median(word for _, word in own) for own in by_bundle]
    return [
        DecodeSpeed(
            name=turn.bundle.manifest.name,
            precision=turn.bundle.manifest.decoder.precision,
            prefix_s=median(prefix for prefix, _ in own),
            tokens_per_s=1 / own_word_s,
            ratio=word_s[0] / own_word_s,
        )
        for turn, own, own_word_s in zip(turns, by_bundle, word_s, strict=True)
    ]


class _Turn:
    """One bundle, loaded, and a text of noise for it."""

    def __init__(self, bundle: Bundle, words: int, threads: int) -> None:
        decoder = bundle.manifest.decoder
        self.bundle = bundle
        self.prefix = 1 + bundle.manifest.image.tokens
        room = decoder.positions - self.prefix
        if not 1 <= words <= room:
            raise ConfigError(
                f'expected 1 to {room} words behind the image of {bundle.folder}, found {words}'
            )
        self.engine = load_engine(bundle, threads=threads)
        self.context = self.engine.new_context()
        shape = (self.prefix + words, decoder.hidden_size)
        self.text: Floats = np.random.default_rng(0).standard_normal(shape).astype(np.float32)

    def time(self) -> tuple[float, float]:
        """Return the seconds of the prefix and, in the mean, of a word."""
        self.context.rewind(0)
        started = time.perf_counter()
        self.context.append(text_span(self.text, 0, self.prefix))
        read = time.perf_counter()
        for place in range(self.prefix, len(self.text)):
            self.context.append(text_span(self.text, place, place + 1))
        written = time.perf_counter()
        return read - started, (written - read) / (len(self.text) - self.prefix)
