"""Scores of a question stage on validation worlds: exact answers per type, and grounding.

Answers are judged with the right answer's own words fed back, which equals greedy decoding for a
whole answer that is right, and costs one pass.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch

from spatialllm_ros.learning import grounding
from spatialllm_ros.learning.encoder_stage import scene_views
from spatialllm_ros.learning.question_arrays import TYPE_NAMES
from spatialllm_ros.learning.question_stage import (
    IGNORED,
    QuestionData,
    QuestionStage,
    answer_labels,
    mentions_of,
    question_rows,
)

SCENES_AT_ONCE = 16
GROUNDING = 'grounding/'


@torch.no_grad()
def question_scores(
    stage: QuestionStage, data: QuestionData, grid: tuple[int, int], types: tuple[str, ...]
) -> dict[str, float]:
    """Return the accuracy of each type, their mean, and how well mentions find their objects."""
    right: dict[str, list[float]] = defaultdict(list)
    grounded: dict[str, list[float]] = defaultdict(list)
    device = next(stage.parameters()).device
    for start in range(0, len(data.scenes), SCENES_AT_ONCE):
        indices = np.arange(start, min(start + SCENES_AT_ONCE, len(data.scenes)))
        chosen = [data.questions.by_view[i] for i in indices]
        if not sum(map(len, chosen)):
            continue
        batch = scene_views(data.scenes, indices, np.zeros(len(indices), bool), grid)
        batch = {
            **batch,
            'has_image': torch.ones(len(indices)),
            **question_rows(data.questions, chosen),
        }
        batch = {name: value.to(device) for name, value in batch.items()}
        _score_batch(stage, batch, right, grounded)
    scores = {name: float(np.mean(right[name])) for name in types if right[name]}
    mean = float(np.mean(list(scores.values())))
    medians = {GROUNDING + name: float(np.median(found)) for name, found in grounded.items()}
    medians[GROUNDING + 'pointer'] = float(np.mean(grounded['pointer']))
    return {**scores, 'mean': mean, **medians}


def _score_batch(
    stage: QuestionStage, batch: dict[str, torch.Tensor],
    right: dict[str, list[float]], grounded: dict[str, list[float]],
) -> None:  # fmt: skip
    cache = stage.prefix(stage.vision_features(batch), batch)
    every = torch.arange(len(batch['tokens']), device=batch['tokens'].device)
    tokens, states, keys = stage.answered(cache, batch, every)
    labels = answer_labels(tokens, batch['answer_at'])
    best = stage.model.language_model.lm_head(states[-1]).argmax(-1)
    exact = ((best == labels) | (labels == IGNORED)).all(-1)
    for kind, is_right in zip(batch['types'].tolist(), exact.tolist(), strict=True):
        right[TYPE_NAMES[kind]].append(float(is_right))
    mentions = mentions_of(batch, every)
    pointed = grounding.pointer_log_probabilities(
        stage.model.language_model.model, states[grounding.POINTER_LAYER], keys, mentions,
        cache.get_seq_length(),
    )  # fmt: skip
    read = stage.heads.objects(states[grounding.POINTER_LAYER + 1][mentions.row, mentions.at])
    errors = (read - mentions.targets)[mentions.present]
    grounded['pointer'].append(float(grounding.pointer_accuracy(pointed, mentions)))
    grounded['centre_fraction'] += (errors[:, :2] / 2).norm(dim=-1).tolist()
    grounded['distance_error'] += errors[:, 5].abs().expm1().tolist()
    fronted = mentions.present & mentions.has_front
    turn = torch.atan2(read[:, 9], read[:, 10]) - torch.atan2(
        mentions.targets[:, 9], mentions.targets[:, 10]
    )
    turn = torch.remainder(turn + torch.pi, 2 * torch.pi) - torch.pi
    grounded['heading_deg'] += torch.rad2deg(turn[fronted].abs()).tolist()
