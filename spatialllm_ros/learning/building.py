"""A recipe's model and tokenizer: from nothing, or from pretrained parts."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.pretrained import absent, load_backbone, load_decoder
from spatialllm_ros.learning.recipe import Recipe
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.model.token_weights import token_weights
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
        raise ConfigError(absent('tokenizer', source, 'tokenizer.json', error)) from error
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


def new_model(recipe: Recipe, tokenizer: Tokenizer) -> SpatialLLMForConditionalGeneration:
    """Return the recipe's model: pretrained parts where it names them, else random weights.

    Raises:
        ConfigError: weights cannot be read, or are those of other parts than the recipe describes.
    """
    model = SpatialLLMForConditionalGeneration(model_config(recipe, tokenizer))
    read = token_weights(model.config) if recipe.pretrained.vision else ()  # type: ignore[arg-type]
    for index, source in enumerate(recipe.pretrained.vision):
        if source is not None:
            start = f'vision_towers.{index}.'
            own = [name.removeprefix(start) for name in read if name.startswith(start)]
            load_backbone(model.vision_towers[index], source, own)
    if recipe.pretrained.text is not None:
        load_decoder(model.language_model, recipe.pretrained.text)
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
