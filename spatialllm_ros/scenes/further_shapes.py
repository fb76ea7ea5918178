"""A third to a sixth build of every category, so that training shows each in many forms.

Same frame, symmetry and toy scale as the catalogue. The builds kept for tests are in
``unseen_shapes``, and none of these repeats one.
"""

from __future__ import annotations

from dataclasses import replace

from spatialllm_ros.scenes.catalogue import CATEGORIES, Category
from spatialllm_ros.scenes.further_figures import FIGURES
from spatialllm_ros.scenes.further_things import THINGS
from spatialllm_ros.scenes.further_vehicles import VEHICLES
from spatialllm_ros.scenes.more_figures import MORE_FIGURES
from spatialllm_ros.scenes.more_things import MORE_THINGS
from spatialllm_ros.scenes.more_vehicles import MORE_VEHICLES

_PARTS = (
    {**VEHICLES, **FIGURES, **THINGS},
    {**MORE_VEHICLES, **MORE_FIGURES, **MORE_THINGS},
)

FURTHER_SHAPES: tuple[dict[str, Category], ...] = tuple(
    {
        name: replace(category, parts=tuple(parts[name][index]))
        for name, category in CATEGORIES.items()
    }
    for parts in _PARTS
    for index in range(2)
)
"""Each holds one further build of every category, by the category's name."""
