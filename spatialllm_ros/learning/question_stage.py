"""Stages 1 and 2: teach the decoder to answer questions, several per image on one image prefix.

Stage 1 asks about single objects only and trains the projector and the decoder; stage 2 asks
everything. The vision backbones stay as stage 0 left them unless a recipe says otherwise.

Notation: B views, N question rows, S positions, T image tokens, D decoder size.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import DynamicCache

from spatialllm_ros.learning import grounding
from spatialllm_ros.learning.encoder_stage import (
    DROPOUT_CALIBRATION,
    jittered,
    scene_views,
    token_positions,
)
from spatialllm_ros.learning.grounding import GroundingHeads, Mentions
from spatialllm_ros.learning.loop import Batch
from spatialllm_ros.learning.probing import DenseProbe, dense_truth, probing_loss
from spatialllm_ros.learning.question_arrays import (
    ABSENT,
    NO_MENTION,
    TYPE_INDEX,
    QuestionArrays,
)
from spatialllm_ros.learning.scene_arrays import SceneArrays
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration

IGNORED = -100
IMAGE_DROPOUT = 0.05
"""Share of training views without their image: they teach what can be said blindly, which is how
the blind score is measured."""
LENGTH_GROUPS = 3
PROBING_WEIGHT = 0.3
"""Weight of stage 0's loss where the backbones go on learning beside the decoder."""


@dataclass(frozen=True)
class QuestionData:
    """Views and their questions: view ``2 n`` is scene n, view ``2 n + 1`` its mirror image."""

    scenes: SceneArrays
    questions: QuestionArrays


class QuestionStage(nn.Module):
    """The whole model with the grounding heads."""

    def __init__(self, model: SpatialLLMForConditionalGeneration, train_vision: bool) -> None:
        """Wrap a model, which is trained in place."""
        super().__init__()
        self.model = model
        self.positions: torch.Tensor
        self.train_vision = train_vision
        self.heads = GroundingHeads(model.config.text_config.hidden_size)
        self.probe = DenseProbe(sum(part.hidden_size for part in model.config.vision_configs))
        positions = token_positions(model.config.image_rows, model.config.image_columns)
        self.register_buffer('positions', positions, persistent=False)
        for name, parameter in model.named_parameters():
            parameter.requires_grad = train_vision or not name.startswith('vision_towers.')

    def train(self, mode: bool = True) -> QuestionStage:
        """Keep frozen towers in evaluation mode: their normalisation must not drift."""
        super().train(mode)
        if not self.train_vision:
            self.model.vision_towers.eval()
        return self

    def vision_features(self, batch: Batch) -> torch.Tensor:
        """Return the backbones' features (B, T, F), without gradient where they are frozen."""
        with torch.set_grad_enabled(self.train_vision and torch.is_grad_enabled()):
            return self.model.vision_features(batch['pixels'], batch['camera'])

    def prefix(self, features: torch.Tensor, batch: Batch) -> DynamicCache:
        """Return the keys and values of the prompt up to the last image token."""
        image = self.model.project(features, batch['camera'])
        image = image * batch['has_image'].view(-1, 1, 1)
        start = torch.full((len(image), 1), self.model.config.text_config.bos_token_id)
        start = self.model.get_input_embeddings()(start.to(image.device))
        decoder = self.model.language_model.model
        return decoder(
            inputs_embeds=torch.cat([start, image], dim=1), use_cache=True
        ).past_key_values

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Return the losses of a batch of views and their questions."""
        features = self.vision_features(batch)
        cache = self.prefix(features, batch)
        rows = len(batch['tokens'])
        losses: dict[str, torch.Tensor] = {}
        for group in torch.arange(rows).tensor_split(LENGTH_GROUPS):
            for name, loss in self._group_losses(cache, batch, group).items():
                losses[name] = losses.get(name, 0.0) + loss * (len(group) / rows)
        losses['total'] = (
            losses['answer'] + 0.3 * losses['pointer'] + losses['object'] + losses['number']
        )
        if self.train_vision:
            truth = dense_truth(batch['shares'], batch['labels'], batch['targets'], self.positions)
            losses['probing'] = probing_loss(self.probe(features), truth)
            losses['total'] = losses['total'] + PROBING_WEIGHT * losses['probing']
        return losses

    def answered(
        self, cache: DynamicCache, batch: Batch, group: torch.Tensor
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], torch.Tensor]:
        """Run the question rows of a group on their views' prefixes.

        Returns:
            Token ids (n, S), the decoder's states layer by layer (n, S, D), and the keys of the
            pointing layer.
        """
        tokens = batch['tokens'][group]
        longest = int((tokens != self.model.config.text_config.pad_token_id).sum(1).max())
        tokens = tokens[:, :longest]
        view = batch['view'][group]
        expanded = DynamicCache()
        for index, layer in enumerate(cache.layers):
            keys, values = layer.keys, layer.values  # type: ignore[union-attr]
            expanded.update(keys[view], values[view], index)  # type: ignore[index]
        out = self.model.language_model.model(
            input_ids=tokens, past_key_values=expanded, use_cache=True, output_hidden_states=True
        )
        pointing: Any = expanded.layers[grounding.POINTER_LAYER]
        return tokens, out.hidden_states, pointing.keys

    def _group_losses(
        self, cache: DynamicCache, batch: Batch, group: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        tokens, states, keys = self.answered(cache, batch, group)
        labels = answer_labels(tokens, batch['answer_at'][group])
        mentions = mentions_of(batch, group)
        decoder = self.model.language_model.model
        pointed = grounding.pointer_log_probabilities(
            decoder, states[grounding.POINTER_LAYER], keys, mentions, cache.get_seq_length()
        )
        read = self.heads.objects(states[grounding.POINTER_LAYER + 1][mentions.row, mentions.at])
        rows = torch.arange(len(group), device=tokens.device)
        marks = states[-1][rows, batch['answer_at'][group]]
        numbers = self.heads.answer_numbers(marks, batch['types'][group])
        wanted = labels != IGNORED
        scores = self.model.language_model.lm_head(states[-1][wanted])
        return {
            'answer': F.cross_entropy(scores, labels[wanted]),
            'pointer': grounding.pointer_loss(pointed, mentions),
            'object': grounding.object_loss(read, mentions),
            'number': grounding.number_loss(numbers, batch['numbers'][group]),
        }


def answer_labels(tokens: torch.Tensor, answer_at: torch.Tensor) -> torch.Tensor:
    """Return (n, S) the token that should follow each position of the answer, else IGNORED."""
    labels = torch.full_like(tokens, IGNORED)
    labels[:, :-1] = tokens[:, 1:]
    before = torch.arange(tokens.shape[1], device=tokens.device) < answer_at.unsqueeze(-1)
    return labels.masked_fill(before | (labels == 0), IGNORED)


def mentions_of(batch: Batch, group: torch.Tensor) -> Mentions:
    """Return the mentions of a group of question rows; views without image point nowhere."""
    objects = batch['mention_object'][group]
    row, slot = (objects != NO_MENTION).nonzero(as_tuple=True)
    view = batch['view'][group][row]
    has_image = batch['has_image'][view] > 0
    row, slot, view = row[has_image], slot[has_image], view[has_image]
    named = objects[row, slot]
    present, index = named != ABSENT, named.clamp(min=0)
    return Mentions(
        row=row,
        at=batch['mention_at'][group][row, slot],
        shares=batch['shares'][view, index].float() * present.unsqueeze(-1),
        targets=batch['targets'][view, index],
        has_front=batch['labels'][view, index, 2] == 1,
        present=present,
    )


@dataclass(frozen=True)
class QuestionSampler:
    """Draws views and some of their questions.

    Attributes:
        types: the question types this stage asks.
        per_view: questions per view at most.
    """

    data: QuestionData
    types: Collection[str]
    views: int
    per_view: int

    def draw(self, rng: np.random.Generator, grid: tuple[int, int]) -> Batch:
        """Return a training batch: mirrored, jittered, some without image or calibration."""
        indices = rng.integers(len(self.data.scenes), size=self.views)
        mirrored = rng.random(self.views) < 0.5
        batch = scene_views(self.data.scenes, indices, mirrored, grid)
        batch['pixels'] = jittered(batch['pixels'], rng)
        uncalibrated = torch.from_numpy(rng.random(self.views) < DROPOUT_CALIBRATION)
        batch['camera'][uncalibrated, :, 2:] = 0
        has_image = torch.from_numpy(rng.random(self.views) >= IMAGE_DROPOUT).float()
        chosen = [
            self._choose(2 * n + int(m), rng) for n, m in zip(indices, mirrored, strict=True)
        ]
        return {**batch, 'has_image': has_image, **question_rows(self.data.questions, chosen)}

    def _choose(self, view: int, rng: np.random.Generator) -> np.ndarray:
        arrays = self.data.questions
        wanted = [TYPE_INDEX[name] for name in self.types]
        own = arrays.by_view[view]
        own = own[np.isin(arrays.types[own], wanted)]
        return rng.permutation(own)[: self.per_view]


def question_rows(arrays: QuestionArrays, chosen: list[np.ndarray]) -> Batch:
    """Return the chosen questions of each view as padded rows, shortest first."""
    index = np.concatenate(chosen)
    view = np.repeat(np.arange(len(chosen)), [len(own) for own in chosen])
    lengths = arrays.starts[index + 1] - arrays.starts[index]
    order = np.argsort(lengths, kind='stable')
    index, view, lengths = index[order], view[order], lengths[order]
    tokens = np.zeros((len(index), int(lengths.max())), np.int64)
    for row, question in enumerate(index):
        own = arrays.tokens[arrays.starts[question] : arrays.starts[question + 1]]
        tokens[row, : len(own)] = own
    columns = {
        'tokens': tokens,
        'view': view,
        'answer_at': arrays.answer_at[index].astype(np.int64),
        'types': arrays.types[index].astype(np.int64),
        'mention_at': arrays.mention_at[index].astype(np.int64),
        'mention_object': arrays.mention_object[index].astype(np.int64),
        'numbers': arrays.numbers[index],
    }
    return {name: torch.from_numpy(values) for name, values in columns.items()}
