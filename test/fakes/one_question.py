"""A batch of one view of random numbers, and one question about its object."""

import torch

from spatialllm_ros.learning.packing import packed_questions
from spatialllm_ros.learning.question_arrays import tokenise_questions
from spatialllm_ros.schema import Mention, QuestionRecord


def one_question(tokenizer, shares):
    """Return the batch; ``shares`` (1, 8, 108) are the samples of each patch by object."""
    torch.manual_seed(1)
    named = (Mention(9, 16, 0),)
    question = QuestionRecord('s', 'heading', 'where is the car?', (), 'left', {}, named)
    arrays = tokenise_questions([[question]], tokenizer)
    return {
        'pixels': torch.randn(1, 3, 144, 192),
        'camera': torch.randn(1, 108, 11),
        'has_image': torch.ones(1),
        'shares': shares,
        'targets': torch.randn(1, 8, 13),
        'labels': torch.ones(1, 8, 3, dtype=torch.long),
        **packed_questions(arrays, [arrays.of_view(0)]),
    }
