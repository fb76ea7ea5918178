"""Four scores of questions that are asked in several ways: plain, flip, circular and both.

A question may be asked with its options rotated (CircularEval) and of the mirrored image
(FlipEval). A strict score counts a question only where all its ways are answered rightly.
Source: Ma et al., 3DSRBench, ICCV 2025; the names and groups are those of lmms-eval's task
``3dsrbench``, and ``circular`` is what the benchmark's own script computes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from spatialllm_ros.evaluation.confidence_interval import Interval, wilson


@dataclass(frozen=True)
class Variant:
    """One way in which a question is asked.

    Attributes:
        question: name of the question, the same for all ways to ask it.
        rotation: by how many places the options are rotated.
    """

    question: str
    is_mirrored: bool = False
    rotation: int = 0


@dataclass(frozen=True)
class Trial:
    """One variant of a question, answered and judged.

    Attributes:
        error: of a numeric answer, relative.
        is_answered: false where the model gave nothing that is an answer.
    """

    type: str
    variant: Variant
    is_right: bool
    error: float | None = None
    is_answered: bool = True


Grouping = Callable[[Variant], Hashable]

METRICS: dict[str, Grouping] = {
    'plain': lambda variant: variant,
    'flip': lambda variant: (variant.question, variant.rotation),
    'circular': lambda variant: (variant.question, variant.is_mirrored),
    'flip+circular': lambda variant: variant.question,
}
"""What must be right together to count once, by the score's name."""


@dataclass(frozen=True)
class VariantScores:
    """Scores by metric: of each type, of all questions together, and means over types.

    Attributes:
        types: for each type, for each metric, the share of groups that are right.
        pooled: the same over all questions, whatever their type.
        means: for each named set of types, for each metric, the mean over those that were asked;
            sets of which none was are left out.
    """

    types: dict[str, dict[str, Interval]]
    pooled: dict[str, Interval]
    means: dict[str, dict[str, float]]

    def table(self) -> str:
        """Return the scores in percent as a table to print."""
        lines = [''.join([f'{"percent":42s}', *(f'{name:>22s}' for name in METRICS)])]
        for name, row in {**self.types, 'all questions': self.pooled}.items():
            cells = (
                f'{100 * cell.share:9.1f} ({100 * cell.low:4.1f}-{100 * cell.high:5.1f})'
                for cell in row.values()
            )
            lines.append(''.join([f'{name:42s}', *(f'{cell:>22s}' for cell in cells)]))
        for name, means in self.means.items():
            cells = (f'{100 * mean:9.1f}{"":13s}' for mean in means.values())
            lines.append(''.join([f'{"mean over types: " + name:42s}', *cells]).rstrip())
        return '\n'.join(lines)


def variant_scores(trials: Iterable[Trial], sets: Mapping[str, Collection[str]]) -> VariantScores:
    """Score trials.

    Args:
        trials: of all types.
        sets: types by the name of the mean over them.
    """
    everything = list(trials)
    by_type: dict[str, list[Trial]] = defaultdict(list)
    for trial in everything:
        by_type[trial.type].append(trial)
    types = {name: _scores(own) for name, own in sorted(by_type.items())}
    asked = {name: [own for own in members if own in types] for name, members in sets.items()}
    means = {
        name: _means([types[own] for own in members]) for name, members in asked.items() if members
    }
    return VariantScores(types, _scores(everything), means)


def share_right(trials: Iterable[Trial], grouping: Grouping) -> float:
    """Return the share of groups in which every trial is right, NaN where there is none."""
    groups: dict[Hashable, bool] = {}
    for trial in trials:
        key = grouping(trial.variant)
        groups[key] = groups.get(key, True) and trial.is_right
    return sum(groups.values()) / len(groups) if groups else math.nan


def _scores(trials: Sequence[Trial]) -> dict[str, Interval]:
    """Return each metric's share; variants of one question hang together, so it counts once."""
    questions = len({trial.variant.question for trial in trials})
    return {
        name: wilson(share_right(trials, grouping), max(questions, 1))
        for name, grouping in METRICS.items()
    }


def _means(scores: Sequence[Mapping[str, Interval]]) -> dict[str, float]:
    return {name: sum(own[name].share for own in scores) / len(scores) for name in METRICS}
