"""Does a bundle compute what its model does: compared on random inputs when it is exported.

The graphs are written for what the exporter knows of a model; this finds what it did not know.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import CAMERA_FEATURES
from spatialllm_ros.runtime.bundle import Bundle
from spatialllm_ros.runtime.engines.base import Engine, Floats, Span
from spatialllm_ros.runtime.engines.onnx_engine import OnnxEngine

TOLERANCE = 1e-3
"""Greatest difference, as a share of the largest value."""
WORDS = 8


def check_parity(model: Any, bundle: Bundle) -> None:
    """Compare both graphs of a bundle with the model that it was exported from.

    Raises:
        ConfigError: a graph computes something else.
    """
    engine = OnnxEngine(bundle, threads=1)
    rng = np.random.default_rng(0)
    for graph, (expected, found) in (
        ('vision', _image_tokens(model, engine, rng)),
        ('decoder', _logits(model, engine, rng)),
    ):
        gap = float(np.abs(found - expected).max() / np.abs(expected).max())
        if not gap <= TOLERANCE:
            raise ConfigError(
                f'expected a {graph} graph that computes what the model does, found values '
                f'{gap:.2g} of the largest apart; this kind of model cannot be exported'
            )


@torch.no_grad()
def _image_tokens(model: Any, engine: Engine, rng: np.random.Generator) -> tuple[Floats, Floats]:
    config = model.config
    pixels = _noise(rng, 1, 3, config.image_height, config.image_width)
    camera = _noise(rng, 1, config.image_rows * config.image_columns, len(CAMERA_FEATURES))
    expected = model.encode_image(torch.from_numpy(pixels), torch.from_numpy(camera))[0].numpy()
    return expected, engine.embed_image(pixels, camera)


@torch.no_grad()
def _logits(model: Any, engine: Engine, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the scores of some words behind an image's tokens, whole and in two spans."""
    config = model.config
    prefix = config.tokens_per_image + 1
    scale = float(model.get_input_embeddings().weight.std())
    embeddings = _noise(rng, prefix + WORDS, config.text_config.hidden_size) * scale
    whole = model.language_model(inputs_embeds=torch.from_numpy(embeddings)[None]).logits
    context = engine.new_context()
    parts = [
        context.append(text_span(embeddings, start, end))
        for start, end in ((0, prefix), (prefix, prefix + WORDS))
    ]
    return whole[0].numpy(), np.concatenate(parts)


def text_span(embeddings: Floats, start: int, end: int) -> Span:
    """Return a part of a text (S, D), each position of which sees all before it."""
    places = np.arange(start, end)
    visible = np.arange(end)[None] <= places[:, None]
    return Span(embeddings[start:end], places, visible, np.arange(end - start))


def _noise(rng: np.random.Generator, *shape: int) -> Floats:
    return rng.standard_normal(shape).astype(np.float32)
