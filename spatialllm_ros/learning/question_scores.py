"""Scores of a question stage on validation worlds: exact answers per type, and grounding.

Answers are judged with the right answer's own words fed back, which equals greedy decoding for a
whole answer that is right, and costs one pass.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from spatialllm_ros.learning import grounding
from spatialllm_ros.learning.gates import GROUNDING, READ_SCORES
from spatialllm_ros.learning.grounding import Mentions
from spatialllm_ros.learning.packing import packed_questions, right_answers
from spatialllm_ros.learning.question_arrays import TYPE_NAMES
from spatialllm_ros.learning.question_data import QuestionData
from spatialllm_ros.learning.question_stage import QuestionStage, mentions_of
from spatialllm_ros.learning.score_values import summarised
from spatialllm_ros.learning.views import scene_views

SCENES_AT_ONCE = 16


@torch.no_grad()
def question_scores(
    stage: QuestionStage, data: QuestionData, grid: tuple[int, int], types: tuple[str, ...]
) -> dict[str, float]:
    """Return the accuracy of each type, their mean, and how well mentions find their objects.

    What mentions tell of 3D states is scored where the stage teaches that.
    """
    measured = []
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
        measured.append(_measured(stage, batch))
    scores = summarised(measured)
    answers = {name: scores[name] for name in types if name in scores}
    read = READ_SCORES if stage.grounding == '3d' else ()
    names = [GROUNDING + name for name in ('pointer', *read)]
    grounded = {name: scores.get(name, math.nan) for name in names}
    return {**answers, 'mean': float(np.mean(list(answers.values()))), **grounded}


def _measured(stage: QuestionStage, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return of each question whether it is answered right, and of mentions what they tell."""
    states = stage.states(stage.vision_features(batch), batch)
    best = stage.model.language_model.lm_head(states[-1][:, stage.prefix :]).argmax(-1)
    is_right = right_answers(best, batch).float()
    answers = {
        TYPE_NAMES[kind]: is_right[batch['types'] == kind] for kind in batch['types'].unique()
    }
    mentions = mentions_of(batch)
    at = stage.prefix + mentions.at
    read = stage.heads.objects(states[grounding.POINTER_LAYER + 1][mentions.view, at])
    pointer = grounding.pointed_right(stage.pointed(states, batch, mentions), mentions)
    told = {'pointer': pointer, **_read_errors(read, mentions)}
    return {**answers, **{GROUNDING + name: values for name, values in told.items()}}


def _read_errors(read: torch.Tensor, mentions: Mentions) -> dict[str, torch.Tensor]:
    """Return the errors of the 3D states that are read at mentions (M, 13) of what is there."""
    errors = (read - mentions.targets)[mentions.present]
    fronted = mentions.present & mentions.has_front
    turn = torch.atan2(read[:, 9], read[:, 10]) - torch.atan2(
        mentions.targets[:, 9], mentions.targets[:, 10]
    )
    turn = torch.remainder(turn + torch.pi, 2 * torch.pi) - torch.pi
    return {
        'centre_fraction': (errors[:, :2] / 2).norm(dim=-1),
        'distance_error': errors[:, 5].abs().expm1(),
        'heading_deg': torch.rad2deg(turn[fronted].abs()),
    }
