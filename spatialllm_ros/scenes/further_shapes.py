"""A third and a fourth build of every category, so that training shows each in many forms.

Same frame, symmetry and toy scale as the catalogue. The builds kept for tests are in
``unseen_shapes``, and none of these repeats one.
"""

from __future__ import annotations

from dataclasses import replace

from spatialllm_ros.scenes.catalogue import CATEGORIES, Category
from spatialllm_ros.scenes.further_figures import FIGURES
from spatialllm_ros.scenes.further_things import THINGS
from spatialllm_ros.scenes.further_vehicles import VEHICLES

_PARTS = {**VEHICLES, **FIGURES, **THINGS}

FURTHER_SHAPES: tuple[dict[str, Category], ...] = tuple(
    {
        name: replace(category, parts=tuple(_PARTS[name][index]))
        for name, category in CATEGORIES.items()
    }
    for index in range(2)
)
"""Each holds one further build of every category, by the category's name."""
