"""A page of answers with the images they speak of: of each type one right and one wrong."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use('Agg')
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from spatialllm_ros.evaluation.scoring import Judged
from spatialllm_ros.scenes.simulated import SceneSimulator
from spatialllm_ros.scenes.world_styles import TRAINED, WorldStyle
from spatialllm_ros.scenes.worlds import seed_of

COLUMNS = 6
RIGHT, WRONG = '#1a7f37', '#cf222e'
LINE_CHARACTERS = 46


def write_pictures(
    path: Path, judged: Sequence[Judged], size_px: tuple[int, int], style: WorldStyle = TRAINED
) -> None:
    """Draw answers about simulated worlds into a PNG.

    Args:
        path: the PNG.
        judged: the answers.
        size_px: width and height of the images that were asked about; a seed's world may be
            another in another size.
        style: what the worlds were drawn from.

    Raises:
        SceneError: there is no OpenGL to draw with.
    """
    chosen = one_of_each(judged)
    rows = -(-len(chosen) // COLUMNS)
    figure, grid = plt.subplots(rows, COLUMNS, figsize=(4 * COLUMNS, 4.1 * rows), squeeze=False)
    for axes in grid.flat:
        axes.axis('off')
    simulator = SceneSimulator(*size_px)
    try:
        for axes, item in zip(grid.flat, chosen, strict=False):
            _draw(axes, item, simulator, style)
    finally:
        simulator.close()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=60)
    plt.close(figure)


def one_of_each(judged: Sequence[Judged]) -> list[Judged]:
    """Return a right and a wrong answer of each type, type by type, of worlds drawn at random."""
    first: dict[tuple[str, bool], Judged] = {}
    for item in random.Random(0).sample(judged, len(judged)):
        first.setdefault((item.record.type, not item.is_right), item)
    return [first[key] for key in sorted(first)]


def _draw(axes: Axes, item: Judged, simulator: SceneSimulator, style: WorldStyle) -> None:
    seed = seed_of(item.record.scene_id)
    assert seed is not None, 'only answers about simulated worlds are drawn'
    axes.imshow(simulator.render(seed, style).image)
    said = f'says {textwrap.shorten(item.text, 3 * LINE_CHARACTERS)} ({item.confidence:.0%})'
    truth = '' if item.is_right else f', is {item.record.answer}'
    lines = [item.record.type, item.record.question, said + truth]
    words = '\n'.join(textwrap.fill(line, LINE_CHARACTERS) for line in lines)
    axes.set_title(words, fontsize=9, loc='left', color=RIGHT if item.is_right else WRONG)
