"""All questions of a view behind its image in one sequence, each blind to the others.

So the image prefix is computed once for many questions and no token is padding but at the end.

Notation: B views, K questions, L packed positions behind the prefix, P prefix positions.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from spatialllm_ros.learning.loading import Batch
from spatialllm_ros.learning.question_arrays import NO_MENTION, QuestionArrays

IGNORED = -100
PREFIX, PADDING = 0, -1
"""Segments of the image prefix and of what fills a view's row up; questions count from 1."""
FILLERS = {'tokens': 0, 'segments': PADDING, 'places': 0, 'next_tokens': IGNORED}
"""What stands behind a row's last question, in all that has packed positions."""


def packed_questions(arrays: QuestionArrays, chosen: list[np.ndarray]) -> Batch:
    """Pack the chosen questions of each view.

    Returns:
        ``tokens``, ``segments``, ``places`` (position within the question) and ``next_tokens``
        (what to say next within an answer, else IGNORED), all (B, L); and for each question
        ``view``, ``segment``, ``types`` (K,), ``answer_at`` (K,) and ``mention_at`` (K, M) within
        L, ``mention_object`` (K, M), ``numbers`` (K, 4).
    """
    index = np.concatenate(chosen)
    view = np.repeat(np.arange(len(chosen)), [len(own) for own in chosen])
    segment = np.concatenate([np.arange(1, len(own) + 1) for own in chosen])
    lengths = arrays.starts[index + 1] - arrays.starts[index]
    ends = np.cumsum(lengths)
    before_view = np.concatenate([[0], np.bincount(view, lengths, len(chosen)).cumsum()[:-1]])
    first = (ends - lengths - before_view[view]).astype(np.int64)
    longest = int(np.bincount(view, lengths).max())
    rows = np.repeat(view, lengths)
    places = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    columns = np.repeat(first, lengths) + places
    tokens = arrays.tokens[np.repeat(arrays.starts[index], lengths) + places]
    following = np.append(tokens[1:], 0)
    is_answer = (places >= np.repeat(arrays.answer_at[index], lengths)) & (
        places < np.repeat(lengths - 1, lengths)
    )
    flat = {
        'tokens': tokens,
        'segments': np.repeat(segment, lengths),
        'places': places,
        'next_tokens': np.where(is_answer, following, IGNORED),
    }
    packed: dict[str, np.ndarray] = {}
    for name, values in flat.items():
        packed[name] = np.full((len(chosen), longest), FILLERS[name], np.int64)
        packed[name][rows, columns] = values
    packed |= {
        'view': view,
        'segment': segment,
        'answer_at': first + arrays.answer_at[index],
        'types': arrays.types[index].astype(np.int64),
        'mention_at': first[:, None] + arrays.mention_at[index],
        'mention_object': arrays.mention_object[index].astype(np.int64),
        'numbers': arrays.numbers[index],
    }
    packed['mention_at'][packed['mention_object'] == NO_MENTION] = 0
    return {name: torch.from_numpy(values) for name, values in packed.items()}


def joined(ours: Batch, others: Batch) -> Batch:
    """Put views that have no 3D truth behind those that have; the truth covers the first only."""
    longest = max(ours['tokens'].shape[1], others['tokens'].shape[1])
    batch = dict(ours)
    for name, value in others.items():
        parts = [ours[name], value]
        if name in FILLERS:
            parts = [F.pad(p, (0, longest - p.shape[1]), value=FILLERS[name]) for p in parts]
        elif name == 'view':
            parts[1] = value + len(ours['tokens'])
        batch[name] = torch.cat(parts)
    return batch


def visible(segments: torch.Tensor, prefix: int) -> torch.Tensor:
    """Return what each position sees (B, 1, P + L, P + L): the prefix and its own segment's past.

    Args:
        segments: (B, L) of the packed questions.
        prefix: P.
    """
    head = segments.new_full((len(segments), prefix), PREFIX)
    every = torch.cat([head, segments], dim=1)
    total = every.shape[1]
    past = torch.ones(total, total, dtype=torch.bool, device=segments.device).tril()
    same = every.unsqueeze(-1) == every.unsqueeze(-2)
    return (past & (same | (every == PREFIX).unsqueeze(-2))).unsqueeze(1)


def right_answers(best: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return (K,) whether every token of each question's answer is the best one (B, L)."""
    wrong = (best != batch['next_tokens']) & (batch['next_tokens'] != IGNORED)
    counts = torch.zeros(len(wrong), int(batch['segment'].max()) + 1, device=best.device)
    counts.scatter_add_(1, batch['segments'].clamp(min=0), wrong.float())
    return counts[batch['view'], batch['segment']] == 0
