"""Draws training batches of views and their questions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from spatialllm_ros.learning.loop import Batch
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
        """
        views = self.views if views is None else views
        indices = rng.integers(len(self.data.scenes), size=views)
        mirrored = rng.random(views) < 0.5
        batch = training_views(self.data.scenes, indices, mirrored, grid, rng)
        has_image = torch.from_numpy(rng.random(views) >= IMAGE_DROPOUT).float()
        chosen = [
            self._choose(2 * n + int(m), rng) for n, m in zip(indices, mirrored, strict=True)
        ]
        return {**batch, 'has_image': has_image, **packed_questions(self.data.questions, chosen)}

    @cached_property
    def _is_wanted(self) -> np.ndarray:
        return np.isin(self.data.questions.types, [TYPE_INDEX[name] for name in self.types])

    def _choose(self, view: int, rng: np.random.Generator) -> np.ndarray:
        own = self.data.questions.of_view(view)
        return rng.permutation(own[self._is_wanted[own]])[: self.per_view]
