"""A model with the words of another vocabulary, to train on from there.

Words that both have keep their weights, so questions of old words are answered as before, as far
as no new word is the answer. New words' weights are drawn like those of the others.
"""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer, models
from torch import nn

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration

TABLES = ('embed_tokens.weight', 'lm_head.weight')
"""Endings of the names of what has a row for each word."""


def with_words(
    model: SpatialLLMForConditionalGeneration,
    before: Tokenizer,
    after: Tokenizer,
    seed: int = 0,
) -> SpatialLLMForConditionalGeneration:
    """Return a model that reads and writes by another tokenizer.

    Args:
        model: of any backbones.
        before: its own tokenizer.
        after: the new one; words that only ``before`` has are dropped.
        seed: of the new words' weights.

    Raises:
        ConfigError: its own tokenizer is none of whole words, as ours is: a pretrained one, say.
    """
    if not isinstance(before.model, models.WordPiece):
        raise ConfigError(
            'expected a model whose tokenizer is made of our tables, found one of the kind '
            f'{type(before.model).__name__}: it reads new words already'
        )
    config = _config(model.config, before, after)  # type: ignore[arg-type]
    grown = SpatialLLMForConditionalGeneration(config)
    nn.Module.to(grown, dtype=model.dtype)
    rng = torch.Generator().manual_seed(seed)
    weights = {
        name: _rows(values, before, after, rng) if name.endswith(TABLES) else values
        for name, values in model.state_dict().items()
    }
    grown.load_state_dict(weights)
    return grown.eval()


def _config(config: SpatialLLMConfig, before: Tokenizer, after: Tokenizer) -> SpatialLLMConfig:
    """Return the configuration with the new number of words and the new ids of its marks."""

    def moved(settings: dict[str, Any]) -> dict[str, Any]:
        marks = {
            name: before.id_to_token(value)
            for name, value in settings.items()
            if name.endswith('_token_id') and isinstance(value, int)
        }
        return settings | {name: after.token_to_id(mark) for name, mark in marks.items() if mark}

    text = {**moved(config.text_config.to_dict()), 'vocab_size': after.get_vocab_size()}
    return SpatialLLMConfig(**{**moved(config.to_dict()), 'text_config': text})


def _rows(
    values: torch.Tensor, before: Tokenizer, after: Tokenizer, rng: torch.Generator
) -> torch.Tensor:
    """Return a table (words, width) of the new words from one of the old."""
    count, width = after.get_vocab_size(), values.shape[1]
    fresh = torch.randn((count, width), generator=rng) * values.std(0) + values.mean(0)
    rows = fresh.to(values.dtype)
    for word, row in after.get_vocab().items():
        own = before.token_to_id(word)
        if own is not None:
            rows[row] = values[own]
    return rows
