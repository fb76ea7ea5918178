"""Do confidences mean what they say: their calibration error, and the temperature that mends it.

Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.decoding import Logs, log_softmax

BINS = 15
COLDEST, HOTTEST = 0.05, 20.0
HALVINGS = 50


@dataclass(frozen=True)
class ClosedAnswer:
    """The log-probabilities of what could be answered, and the index of what is true."""

    logs: Logs
    truth: int


def expected_calibration_error(
    confidences: Sequence[float], right: Sequence[bool], bins: int = BINS
) -> float:
    """Return the mean gap between confidence and accuracy over equally wide bins of confidence.

    Bins weigh as much as they hold; NaN where there is no answer.
    """
    if not confidences:
        return math.nan
    confidence, is_right = np.asarray(confidences), np.asarray(right, np.float64)
    chosen = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(chosen, weights=confidence - is_right, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def fit_temperature(answers: Sequence[ClosedAnswer]) -> float:
    """Return the temperature at which the truth is likeliest.

    The negative log-likelihood is convex in the inverse temperature, so its slope is bisected.

    Raises:
        ConfigError: no temperature within bounds is best, as where every answer is right.
    """
    low, high = 1 / HOTTEST, 1 / COLDEST
    if not (answers and _slope(answers, low) < 0 < _slope(answers, high)):
        raise ConfigError(
            f'expected answers for which a temperature of {COLDEST} to {HOTTEST} is best, found '
            f'{len(answers)} for which none is; take more worlds, or train the model longer'
        )
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _slope(answers, middle) < 0 else (low, middle)
    return 2 / (low + high)


def negative_log_likelihood(answers: Sequence[ClosedAnswer], temperature: float) -> float:
    """Return the mean over answers, in nats."""
    losses = [-log_softmax(item.logs / temperature)[item.truth] for item in answers]
    return float(np.mean(losses))


def calibration_error(answers: Sequence[ClosedAnswer], temperature: float) -> float:
    """Return the expected calibration error that the likeliest answers have at a temperature."""
    best = [int(item.logs.argmax()) for item in answers]
    pairs = list(zip(answers, best, strict=True))
    return expected_calibration_error(
        [math.exp(log_softmax(item.logs / temperature)[choice]) for item, choice in pairs],
        [choice == item.truth for item, choice in pairs],
    )


def _slope(answers: Sequence[ClosedAnswer], inverse: float) -> float:
    """Return the derivative of the negative log-likelihood by the inverse temperature."""
    slopes = [
        float(np.exp(log_softmax(item.logs * inverse)) @ item.logs - item.logs[item.truth])
        for item in answers
    ]
    return sum(slopes) / len(slopes)
