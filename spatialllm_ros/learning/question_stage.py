"""Stages 1 and 2: teach the decoder to answer questions, several per image on one image prefix.

Stage 1 asks about single objects only and trains the projector and the decoder; stage 2 asks
everything. The vision backbones learn along where a recipe says so.

Notation: B views, K questions, L packed positions behind the prefix, P prefix positions, T image
tokens, D decoder size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedConfig

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning import grounding
from spatialllm_ros.learning.attention import PLAIN_ATTENTION
from spatialllm_ros.learning.encoder_stage import teach_backbones, token_positions
from spatialllm_ros.learning.grounding import GroundingHeads, Mentions
from spatialllm_ros.learning.loading import Batch
from spatialllm_ros.learning.packing import IGNORED, visible
from spatialllm_ros.learning.probing import (
    DenseProbe,
    dense_truth,
    patch_features,
    probing_loss,
)
from spatialllm_ros.learning.question_arrays import ABSENT, NO_MENTION
from spatialllm_ros.learning.recipe import StageConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration

POINTER_WEIGHT, PROBING_WEIGHT = 0.3, 0.3
"""Weights of the pointing loss, and of stage 0's loss where the backbones go on learning."""
MASKED = -1e4
"""What is added to a score that must not count; bfloat16 holds it."""


class QuestionStage(nn.Module):
    """The whole model with the grounding heads."""

    def __init__(self, model: SpatialLLMForConditionalGeneration, config: StageConfig) -> None:
        """Wrap a model, which is trained in place.

        Raises:
            ConfigError: the decoder caps its scores, or has no layer whose heads could point.
        """
        super().__init__()
        _check_scores(model.config.text_config)
        _check_layers(model)
        self.model = model
        self.positions: torch.Tensor
        self.train_vision = self.probes = config.train_vision
        self.grounding, self.probing = config.grounding, config.probing
        self.heads = GroundingHeads(model.config.text_config.hidden_size)
        self.probe = DenseProbe(sum(part.hidden_size for part in model.config.vision_configs))
        positions = token_positions(model.config.image_rows, model.config.image_columns)
        self.register_buffer('positions', positions, persistent=False)
        model.requires_grad_(True)
        model.vision_towers.requires_grad_(False)
        if config.train_vision:
            teach_backbones(model)
        model.language_model.requires_grad_(config.train_decoder)
        # Several processes wait for the gradient of every parameter that has one.
        self.heads.requires_grad_(config.grounding == '3d')
        self.probe.requires_grad_(config.train_vision)
        if not torch.cuda.is_available():
            model.language_model.set_attn_implementation(PLAIN_ATTENTION)

    def teach_heads_alone(self) -> None:
        """Have only the heads learn, to read what a model that rests has learned already."""
        self.model.requires_grad_(False)
        self.train_vision, self.probes = False, True
        self.probe.requires_grad_(True)

    def compile_layers(self) -> None:
        """Have the decoder's layers compiled: a fifth faster on a CPU; needs a C++ compiler."""
        for layer in self.model.language_model.model.layers:
            layer.compile(dynamic=True)

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

    def states(self, features: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Return the decoder's states (B, P + L, D), layer by layer, the embeddings first."""
        image = self.model.project(features, batch['camera'])
        image = image * batch['has_image'].view(-1, 1, 1)
        embed = self.model.get_input_embeddings()
        start = batch['tokens'].new_full(
            (len(image), 1), self.model.config.text_config.bos_token_id
        )
        embeddings = torch.cat([embed(start), image, embed(batch['tokens'])], dim=1)
        seen = visible(batch['segments'], self.prefix)
        prefix = torch.arange(self.prefix, device=seen.device).expand(len(image), -1)
        out = self.model.language_model.model(
            inputs_embeds=embeddings,
            position_ids=torch.cat([prefix, self.prefix + batch['places']], dim=1),
            attention_mask=_added(seen, embeddings),
            use_cache=False,
            output_hidden_states=True,
        )
        states: tuple[torch.Tensor, ...] = out.hidden_states
        return states

    @property
    def prefix(self) -> int:
        """Positions before the questions: the start and the image."""
        return 1 + self.model.config.tokens_per_image

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Return the losses of a batch of views and their questions."""
        features = self.vision_features(batch)
        states = self.states(features, batch)
        losses = {'answer': self._answer_loss(states[-1], batch)}
        losses['total'] = losses['answer']
        if self.grounding != 'none':
            mentions = mentions_of(batch)
            pointed = self.pointed(states, batch, mentions)
            losses['pointer'] = grounding.pointer_loss(pointed, mentions)
            losses['total'] = losses['total'] + POINTER_WEIGHT * losses['pointer']
        if self.grounding == '3d':
            own = self._read_3d(states, batch, mentions)
            losses |= {**own, 'total': losses['total'] + own['object'] + own['number']}
        if self.probes:
            truth = dense_truth(batch['shares'], batch['labels'], batch['targets'], self.positions)
            tokens = patch_features(features[: len(batch['shares'])], len(self.positions))
            losses['probing'] = probing_loss(self.probe(tokens), truth, self.probing)
            losses['total'] = losses['total'] + PROBING_WEIGHT * losses['probing']
        return losses

    def pointed(
        self, states: tuple[torch.Tensor, ...], batch: Batch, mentions: Mentions
    ) -> torch.Tensor:
        """Return how the pointing heads look from each mention, as log-probabilities."""
        return grounding.pointer_log_probabilities(
            self.model.language_model.model,
            states[grounding.POINTER_LAYER],
            mentions,
            batch['segments'],
            self.prefix + batch['places'],
        )

    def _answer_loss(self, last: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean over answer tokens; those of long answers weigh less each.

        Otherwise the digits of a few long answers would drown the many answers of one word.
        """
        wanted = batch['next_tokens'] != IGNORED
        scores = self.model.language_model.lm_head(last[:, self.prefix :][wanted])
        losses = F.cross_entropy(scores.float(), batch['next_tokens'][wanted], reduction='none')
        answers = (batch['segments'] + batch['segments'].shape[1] * _rows(wanted))[wanted]
        _, own, lengths = answers.unique(return_inverse=True, return_counts=True)
        weights = lengths[own].float().rsqrt()
        return (losses * weights).sum() / weights.sum()

    def _read_3d(
        self, states: tuple[torch.Tensor, ...], batch: Batch, mentions: Mentions
    ) -> dict[str, torch.Tensor]:
        read = self.heads.objects(
            states[grounding.POINTER_LAYER + 1][mentions.view, self.prefix + mentions.at]
        )
        marks = states[-1][batch['view'], self.prefix + batch['answer_at']]
        numbers = self.heads.answer_numbers(marks, batch['types'])
        return {
            'object': grounding.object_loss(read.float(), mentions),
            'number': grounding.number_loss(numbers.float(), batch['numbers']),
        }


def _check_scores(text: PreTrainedConfig) -> None:
    """Refuse decoders that cap scores: what is computed outside of their forward pass does not."""
    for name in ('attn_logit_softcapping', 'final_logit_softcapping'):
        cap = getattr(text, name, None)
        if cap is not None:
            raise ConfigError(
                f'expected a decoder that does not cap its scores, found {text.model_type} with '
                f'{name} {cap}: set it to null under text_config, or name another decoder there'
            )


def _check_layers(model: SpatialLLMForConditionalGeneration) -> None:
    """Refuse decoders without a layer that can be taught where to look."""
    decoder: Any = model.language_model
    layers = getattr(getattr(decoder, 'model', None), 'layers', ())
    attention = [getattr(layer, 'self_attn', None) for layer in layers]
    if len(layers) <= grounding.POINTER_LAYER or not all(hasattr(a, 'q_proj') for a in attention):
        raise ConfigError(
            f"expected a decoder of Llama's parts with at least {grounding.POINTER_LAYER + 1} "
            f'layers, of which the last is taught where to look, found {len(layers)} of those in '
            f'a {model.config.text_config.model_type}: change text_config under model'
        )


def _rows(table: torch.Tensor) -> torch.Tensor:
    """Return each row's number (B, 1)."""
    return torch.arange(len(table), device=table.device).unsqueeze(1)


def _added(seen: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return a mask to add to scores, in the precision the run computes in."""
    device = like.device.type
    dtype = like.dtype
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    return torch.zeros(seen.shape, dtype=dtype, device=like.device).masked_fill_(~seen, MASKED)


def mentions_of(batch: Batch) -> Mentions:
    """Return the mentions in a batch's questions; views without image point nowhere."""
    objects = batch['mention_object']
    question, slot = (objects != NO_MENTION).nonzero(as_tuple=True)
    view = batch['view'][question]
    has_image = batch['has_image'][view] > 0
    question, slot, view = question[has_image], slot[has_image], view[has_image]
    named = objects[question, slot]
    present, index = named != ABSENT, named.clamp(min=0)
    return Mentions(
        view=view,
        at=batch['mention_at'][question, slot],
        shares=batch['shares'][view, index].float() * present.unsqueeze(-1),
        targets=batch['targets'][view, index],
        has_front=batch['labels'][view, index, 2] == 1,
        present=present,
    )
