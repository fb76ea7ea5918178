"""Scores of a question stage on validation worlds: exact answers per type, and grounding.

Answers are judged with the right answer's own words fed back, which equals greedy decoding for a
whole answer that is right, and costs one pass.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch

from spatialllm_ros.learning import grounding
from spatialllm_ros.learning.gates import GROUNDING, READ_SCORES
from spatialllm_ros.learning.packing import packed_questions, right_answers
from spatialllm_ros.learning.question_arrays import TYPE_NAMES
from spatialllm_ros.learning.question_data import QuestionData
from spatialllm_ros.learning.question_stage import QuestionStage, mentions_of
from spatialllm_ros.learning.views import scene_views

SCENES_AT_ONCE = 16


@torch.no_grad()
def question_scores(
    stage: QuestionStage, data: QuestionData, grid: tuple[int, int], types: tuple[str, ...]
) -> dict[str, float]:
    """Return the accuracy of each type, their mean, and how well mentions find their objects.

    What mentions tell of 3D states is scored where the stage teaches that.
    """
    right: dict[str, list[float]] = defaultdict(list)
    grounded: dict[str, list[float]] = defaultdict(list)
    device = next(stage.parameters()).device
    for start in range(0, len(data.scenes), SCENES_AT_ONCE):
        indices = np.arange(start, min(start + SCENES_AT_ONCE, len(data.scenes)))
        chosen = [data.questions.of_view(2 * int(i)) for i in indices]
        if not sum(map(len, chosen)):
            continue
        batch = scene_views(data.scenes, indices, np.zeros(len(indices), bool), grid)
        batch = {
            **batch,
            'has_image': torch.ones(len(indices)),
            **packed_questions(data.questions, chosen),
        }
        batch = {name: value.to(device) for name, value in batch.items()}
        _score_batch(stage, batch, right, grounded)
    scores = {name: float(np.mean(right[name])) for name in types if right[name]}
    mean = float(np.mean(list(scores.values())))
    read = READ_SCORES if stage.grounding == '3d' else ()
    medians = {GROUNDING + name: float(np.median(grounded[name])) for name in read}
    pointer = {GROUNDING + 'pointer': float(np.mean(grounded['pointer']))}
    return {**scores, 'mean': mean, **pointer, **medians}


def _score_batch(
    stage: QuestionStage, batch: dict[str, torch.Tensor],
    right: dict[str, list[float]], grounded: dict[str, list[float]],
) -> None:  # fmt: skip
    states = stage.states(stage.vision_features(batch), batch)
    best = stage.model.language_model.lm_head(states[-1][:, stage.prefix :]).argmax(-1)
    is_right = right_answers(best, batch).tolist()
    for kind, right_one in zip(batch['types'].tolist(), is_right, strict=True):
        right[TYPE_NAMES[kind]].append(float(right_one))
    mentions = mentions_of(batch)
    pointed = stage.pointed(states, batch, mentions)
    at = stage.prefix + mentions.at
    read = stage.heads.objects(states[grounding.POINTER_LAYER + 1][mentions.view, at])
    errors = (read - mentions.targets)[mentions.present]
    grounded['pointer'].append(float(grounding.pointer_accuracy(pointed, mentions)))
    grounded['centre_fraction'] += (errors[:, :2] / 2).norm(dim=-1).tolist()
    distance_error = errors[:, 5].abs().expm1()
    grounded['distance_error'] += distance_error[~distance_error.isnan()].tolist()
    fronted = mentions.present & mentions.has_front
    turn = torch.atan2(read[:, 9], read[:, 10]) - torch.atan2(
        mentions.targets[:, 9], mentions.targets[:, 10]
    )
    turn = torch.remainder(turn + torch.pi, 2 * torch.pi) - torch.pi
    grounded['heading_deg'] += torch.rad2deg(turn[fronted].abs()).tolist()
