"""Batches of our own views with conversations about other images among them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from tokenizers import Tokenizer
from transformers import PreTrainedConfig

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.learning.augmentation import jittered
from spatialllm_ros.learning.conversations import (
    Conversations,
    MixedSource,
    load_conversations,
)
from spatialllm_ros.learning.loading import Batch
from spatialllm_ros.learning.packing import joined, packed_questions
from spatialllm_ros.learning.question_sampler import IMAGE_DROPOUT, QuestionSampler
from spatialllm_ros.runtime.bundle import ImageSpec
from spatialllm_ros.runtime.preprocess import vision_inputs
from spatialllm_ros.scenes.import_report import MALFORMED
from spatialllm_ros.schema import Frame

FOV_RAD = 1.0
"""Any angle: nothing is told of a guessed camera but where each token is in the image."""


@dataclass(frozen=True)
class MixedIn:
    """Conversations and how they are drawn.

    Attributes:
        weight: their share of the views.
        tokens: most tokens of the questions about one image.
    """

    conversations: Conversations
    weight: float
    tokens: int


def mixed_sampler(
    own: QuestionSampler, sources: Sequence[MixedSource], tokenizer: Tokenizer,
    config: PreTrainedConfig, folder: Path,
) -> MixedSampler:  # fmt: skip
    """Return the sampler of our own views and a recipe's other sources.

    What could not be used of each source is written into ``folder``.

    Raises:
        ConfigError: a source cannot be read, or the weights leave no room for our own views.
    """
    read = []
    for number, source in enumerate(sources):
        found, report = load_conversations(source, tokenizer, room_behind_image(config))
        report.write(folder / f'mixed-{number}.json')
        print(f'{source.path}: {len(found.questions)} questions, {report.summary()}', flush=True)
        read.append(MixedIn(found, source.weight, source.tokens))
    spec = ImageSpec(
        config.image_width, config.image_height, config.image_rows, config.image_columns,
        config.tokens_per_image, config.image_mean, config.image_std,
    )  # fmt: skip
    return MixedSampler(own, read, spec)


def room_behind_image(config: PreTrainedConfig) -> int:
    """Return how many positions the decoder has left for a question and its answer."""
    return int(config.text_config.max_position_embeddings) - 1 - config.tokens_per_image


class MixedSampler:
    """Draws what a sampler of our own views draws, some views given to other sources."""

    def __init__(self, own: QuestionSampler, sources: Sequence[MixedIn], spec: ImageSpec) -> None:
        """Mix sources into the views of ``own``, prepared for the model as at run time.

        Raises:
            ConfigError: the weights leave less than one of our own views in a batch.
        """
        self.own, self.sources, self.spec = own, sources, spec
        # One view is always ours; the others make up for it.
        shares = [source.weight * own.views / max(1, own.views - 1) for source in sources]
        if min(shares) < 0 or sum(shares) > 1 or own.views < 2:
            raise ConfigError(
                'expected weights of mixed data that leave a view of our own in a batch of '
                f'{own.views}, found {[source.weight for source in sources]}: take smaller ones'
            )
        self.shares = [*shares, max(0.0, 1 - sum(shares))]

    def draw(self, rng: np.random.Generator, grid: tuple[int, int]) -> Batch:
        """Return a training batch: our own views first."""
        counts = rng.multinomial(self.own.views - 1, self.shares)
        batch = self.own.draw(rng, grid, 1 + int(counts[-1]))
        for source, count in zip(self.sources, counts, strict=False):
            if count:
                batch = joined(batch, self._draw_from(source, int(count), rng))
        return batch

    def _draw_from(self, source: MixedIn, count: int, rng: np.random.Generator) -> Batch:
        views = rng.integers(len(source.conversations.images), size=count)
        seen = [self._seen(source, int(view)) for view in views]
        has_image = rng.random(count) >= IMAGE_DROPOUT
        has_image &= [known for _, _, known in seen]
        return {
            'pixels': jittered(torch.from_numpy(np.concatenate([p for p, _, _ in seen])), rng),
            'camera': torch.from_numpy(np.concatenate([c for _, c, _ in seen])),
            'has_image': torch.from_numpy(has_image).float(),
            **packed_questions(
                source.conversations.questions,
                [self._choose(source, int(view), rng) for view in views],
            ),
        }

    def _seen(self, source: MixedIn, view: int) -> tuple[np.ndarray, np.ndarray, bool]:
        """Return an image as the model takes it; blank, and noted, if it is damaged."""
        path = source.conversations.images[view]
        try:
            with Image.open(path) as image:
                rgb = np.asarray(ImageOps.exif_transpose(image).convert('RGB'), np.uint8)
            known = True
        except MALFORMED as error:
            logging.getLogger(__name__).warning(
                'trained on without its image: %s: %s', path, error
            )
            rgb, known = np.zeros((self.spec.height_px, self.spec.width_px, 3), np.uint8), False
        camera = guessed_camera(rgb.shape[1], rgb.shape[0], FOV_RAD)
        return *vision_inputs(Frame(rgb, camera, 0, '', path.name), self.spec), known

    def _choose(self, source: MixedIn, view: int, rng: np.random.Generator) -> np.ndarray:
        """Return some of an image's questions, in any order, for which there is room."""
        questions = source.conversations.questions
        own = rng.permutation(questions.of_view(view))[: self.own.per_view]
        ends = np.cumsum(questions.starts[own + 1] - questions.starts[own])
        return own[ends <= source.tokens]
