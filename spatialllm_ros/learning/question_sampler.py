"""Draws training batches of views and their questions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.loading import Batch
from spatialllm_ros.learning.packing import packed_questions
from spatialllm_ros.learning.question_arrays import TYPE_INDEX
from spatialllm_ros.learning.question_data import QuestionData
from spatialllm_ros.learning.views import training_views

IMAGE_DROPOUT = 0.05
"""Share of training views without their image: they teach what can be said blindly, which is how
the blind score is measured."""


@dataclass(frozen=True)
class QuestionSampler:
    """Draws views and some of their questions.

    Attributes:
        types: the question types this stage asks.
        views: how many in a batch.
        per_view: questions per view at most.
    """

    data: QuestionData
    types: Collection[str]
    views: int
    per_view: int

    def draw(
        self, rng: np.random.Generator, grid: tuple[int, int], views: int | None = None
    ) -> Batch:
        """Return a training batch: mirrored, varied, some without image.

        Args:
            rng: decides all of it.
            grid: rows and columns of image tokens.
            views: how many, where that is not ``self.views``.

        Raises:
            ConfigError: nothing of the wanted types was asked about any view.
        """
        count = self.views if views is None else views
        drawn = self._askable[rng.integers(len(self._askable), size=count)]
        batch = training_views(self.data.scenes, drawn // 2, drawn % 2 == 1, grid, rng)
        has_image = torch.from_numpy(rng.random(count) >= IMAGE_DROPOUT).float()
        chosen = [self._choose(int(view), rng) for view in drawn]
        return {**batch, 'has_image': has_image, **packed_questions(self.data.questions, chosen)}

    @cached_property
    def _is_wanted(self) -> np.ndarray:
        return np.isin(self.data.questions.types, [TYPE_INDEX[name] for name in self.types])

    @cached_property
    def _askable(self) -> np.ndarray:
        """Views with a question of the wanted types: sparse photographs have none for some."""
        until = np.concatenate([[0], self._is_wanted.cumsum()])
        starts = self.data.questions.view_starts
        found = np.flatnonzero(until[starts[1:]] > until[starts[:-1]])
        if not len(found):
            raise ConfigError(
                f'expected questions of the types {", ".join(self.types)}, found none in the '
                'data: choose others, or render more scenes'
            )
        return found

    def _choose(self, view: int, rng: np.random.Generator) -> np.ndarray:
        own = self.data.questions.of_view(view)
        return rng.permutation(own[self._is_wanted[own]])[: self.per_view]
