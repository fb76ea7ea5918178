"""A model that knows fewer tokens: its tables of words and every id in its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from spatialllm_ros.deploy.needed_words import NeededWords
from spatialllm_ros.deploy.vocabulary_cut import CutVocabulary, cut_vocabulary

MARK = '_token_id'
"""Ends the names under which configurations keep ids."""


def cut_model(model: Any, tokenizer: bytes, words: NeededWords, marks: set[int]) -> CutVocabulary:
    """Keep the rows of the words that are needed, of the embeddings and of the scores.

    Args:
        model: a ``SpatialLLMForConditionalGeneration``, which is changed.
        tokenizer: its ``tokenizer.json``; see ``check_belongs``.
        words: what is kept.
        marks: ids that are kept besides those of the model's configuration.

    Raises:
        ConfigError: the tokenizer cannot be cut.
    """
    marks = marks | {number for config in _configs(model) for number in _marks(config)}
    cut = cut_vocabulary(tokenizer, words.texts, marks)
    _keep_rows(model, torch.tensor(cut.kept))
    for config in _configs(model):
        _renumber(config, cut)
    return cut


def _keep_rows(model: Any, rows: torch.Tensor) -> None:
    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    is_tied = head.weight is table.weight
    table.weight = _rows_of(table.weight, rows)
    head.weight = table.weight if is_tied else _rows_of(head.weight, rows)
    table.num_embeddings = head.out_features = len(rows)
    table.padding_idx = None  # matters in training alone
    if head.bias is not None:
        head.bias = _rows_of(head.bias, rows)


def _rows_of(weight: torch.Tensor, rows: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(weight.detach()[rows], requires_grad=False)


def _configs(model: Any) -> list[Any]:
    """Return every configuration that keeps ids of words, each once."""
    decoder = model.language_model
    found = [
        model.config, model.config.text_config, decoder.config, decoder.model.config,
        model.generation_config, decoder.generation_config,
    ]  # fmt: skip
    return list({id(config): config for config in found if config is not None}.values())


def _ids(config: Any) -> dict[str, list[int]]:
    named = {name: value for name, value in vars(config).items() if name.endswith(MARK)}
    return {
        name: value if isinstance(value, list) else [value]
        for name, value in named.items()
        if value is not None
    }


def _marks(config: Any) -> Iterator[int]:
    return (number for numbers in _ids(config).values() for number in numbers)


def _renumber(config: Any, cut: CutVocabulary) -> None:
    """Give a configuration the new ids; those of no token become unknown."""
    numbers = cut.numbers
    for name, old in _ids(config).items():
        new = [numbers[number] for number in old if number in numbers]
        is_list = isinstance(getattr(config, name), list)
        setattr(config, name, new if is_list else next(iter(new), None))
    if hasattr(config, 'vocab_size'):
        config.vocab_size = len(cut.kept)
