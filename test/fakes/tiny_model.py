"""A model of the project's own parts that is small enough to be made anew by each test."""

from __future__ import annotations

from typing import Any

import torch

from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration

BACKBONE = {
    'model_type': 'spatialllm_vision', 'widths': [8, 8, 12], 'num_hidden_layers': 1,
    'num_attention_heads': 2,
}  # fmt: skip


def tiny_model(
    words: int, *, tied: bool = False, **more: Any
) -> SpatialLLMForConditionalGeneration:
    """Return a model of so many words with the same random weights each time.

    Args:
        words: of the vocabulary.
        tied: whether words are scored by their embeddings.
        more: keys of its configuration; one backbone unless ``vision_configs`` says otherwise.
    """
    torch.manual_seed(0)
    text = {
        'model_type': 'llama', 'vocab_size': words, 'hidden_size': 32, 'intermediate_size': 48,
        'num_hidden_layers': 3, 'num_attention_heads': 4, 'num_key_value_heads': 4,
        'bos_token_id': 2, 'eos_token_id': 3, 'pad_token_id': 0,
        'tie_word_embeddings': tied,
    }  # fmt: skip
    parts = {'vision_configs': [BACKBONE], **more}
    return SpatialLLMForConditionalGeneration(SpatialLLMConfig(text_config=text, **parts))
