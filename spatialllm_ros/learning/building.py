"""A recipe's model and tokenizer: from nothing, or from pretrained parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch import nn
from transformers import AutoTokenizer

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.recipe import Recipe
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import SPECIAL_TOKENS, build_tokenizer

MARKS = {
    'pad': '<pad>', 'bos': '<s>', 'eos': '</s>', 'image': '<image>', 'answer': '<answer>',
}  # fmt: skip
"""The tokens that a prompt is built with; a pretrained tokenizer gets those that it lacks."""


def recipe_tokenizer(recipe: Recipe) -> Tokenizer:
    """Return the decoder's own tokenizer with our marks, or the one made of our tables.

    Raises:
        ConfigError: the pretrained decoder's tokenizer cannot be read.
    """
    source = recipe.pretrained.text
    if source is None:
        return build_tokenizer()
    try:
        tokenizer: Tokenizer = AutoTokenizer.from_pretrained(source).backend_tokenizer
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(_absent('tokenizer', source, 'tokenizer.json', error)) from error
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


def new_model(recipe: Recipe, tokenizer: Tokenizer) -> SpatialLLMForConditionalGeneration:
    """Return the recipe's model: pretrained parts where it names them, else random weights.

    Raises:
        ConfigError: weights cannot be read or do not fit the recipe's sizes.
    """
    model = SpatialLLMForConditionalGeneration(model_config(recipe, tokenizer))
    for tower, source in zip(model.vision_towers, recipe.pretrained.vision, strict=False):
        if source is not None:
            _load_part(tower, source)
    if recipe.pretrained.text is not None:
        _load_decoder(model.language_model, recipe.pretrained.text)
    return model


def model_config(recipe: Recipe, tokenizer: Tokenizer) -> SpatialLLMConfig:
    """Return the recipe's configuration with the tokenizer's size and marks."""
    ids = {f'{name}_token_id': tokenizer.token_to_id(mark) for name, mark in MARKS.items()}
    plain: dict[str, Any] = dict(recipe.model)
    for name in ('image_token_id', 'answer_token_id'):
        plain[name] = ids.pop(name)
    plain['text_config'] = {
        **plain['text_config'], **ids, 'vocab_size': tokenizer.get_vocab_size(),
    }  # fmt: skip
    return SpatialLLMConfig(**plain)


def _load_part(part: nn.Module, source: str) -> None:
    """Put pretrained weights into a part of the model."""
    kind: Any = type(part)
    try:
        loaded = kind.from_pretrained(source, config=part.config, use_safetensors=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(_absent(kind.__name__, source, 'model.safetensors', error)) from error
    part.load_state_dict(loaded.state_dict())


def _load_decoder(decoder: nn.Module, source: str) -> None:
    """Put a pretrained decoder's weights into one that knows a few tokens more."""
    kind: Any = type(decoder)
    try:
        loaded = kind.from_pretrained(source, use_safetensors=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(_absent(kind.__name__, source, 'model.safetensors', error)) from error
    size = int(decoder.get_input_embeddings().weight.shape[0])  # type: ignore[operator]
    # New tokens start at the mean of the old ones, which a trained decoder takes without a shock.
    loaded.resize_token_embeddings(size, mean_resizing=True)
    own, found = decoder.state_dict(), loaded.state_dict()
    unlike = [n for n, v in own.items() if n not in found or found[n].shape != v.shape]
    if unlike:
        raise ConfigError(
            f'expected a decoder of the sizes under text_config, found others in {source} at '
            f'{unlike[:3]}: copy them from its config.json'
        )
    decoder.load_state_dict(found)


def _absent(what: str, source: str, file: str, error: Exception) -> str:
    reason = str(error).splitlines()[0]
    if Path(source).is_dir():
        return f'expected a {what} in the folder {source}, found: {reason}'
    return (
        f'expected a {what} at {source}, found: {reason}; without a network, put its config.json '
        f'and {file} into a folder and name that under pretrained'
    )
