"""How long a context has to be: for an image and the questions that are asked at once."""

from __future__ import annotations

from typing import Any

from spatialllm_ros.errors import ConfigError

QUESTION_TOKENS, OPTION_TOKENS = 37, 13
"""Room for the longest question of the project's tables with its mark, and for its options."""
SHORTEST_QUESTION = 2
"""A word, and the mark behind it."""
MOST_QUESTIONS = 64
"""Asked at once; the node's ``max_batch`` ends there, too."""


def context_for(config: Any, questions: int, answer_tokens: int) -> int:
    """Return the context of an image and so many questions with their options and answers."""
    each = QUESTION_TOKENS + OPTION_TOKENS + answer_tokens
    return 1 + int(config.tokens_per_image) + questions * each


def check_context(config: Any, context: int, answer_tokens: int) -> None:
    """Refuse a cache that holds no question with its answer behind the image.

    Raises:
        ConfigError: says how much the least is.
    """
    least = 1 + config.tokens_per_image + SHORTEST_QUESTION + answer_tokens
    if context < least:
        raise ConfigError(
            f'expected a context of at least {least} positions for the image, a question and its '
            'answer, '
            f'found {context}; raise --context or name --questions'
        )


def check_positions(config: Any, answer_tokens: int) -> None:
    """Refuse an image that leaves no positions for the longest question and its answer.

    Raises:
        ConfigError: says how many tokens an image may have.
    """
    positions = int(config.text_config.max_position_embeddings)
    most = positions - 2 - QUESTION_TOKENS - answer_tokens
    if config.tokens_per_image > most:
        raise ConfigError(
            f'expected an image of at most {most} tokens, for the decoder was trained for texts '
            f'of {positions}, found {config.tokens_per_image} for '
            f'{config.image_width}x{config.image_height} pixels; name a smaller size'
        )


def check_window(config: Any, positions: int) -> None:
    """Refuse a decoder that does not look back to the beginning of the longest text.

    Raises:
        ConfigError: names its window and the text's length.
    """
    text = config.text_config
    window = getattr(text, 'sliding_window', None)
    # Where there are types of layers, only those of the type sliding_attention have it.
    if window and not getattr(text, 'layer_types', None) and window < positions:
        raise ConfigError(
            f'expected a decoder that looks back at texts of {positions} tokens, found a '
            f'sliding_window of {window}; lower --context to at most that'
        )
