"""Does a bundle compute what its model does: every stage of a question, compared with torch.

The graphs are written for what the exporter knows of a model; this finds what it did not know.

Notation: S positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spatialllm_ros.deploy.rounding import as_stored
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import CAMERA_FEATURES
from spatialllm_ros.runtime.bundle import Bundle
from spatialllm_ros.runtime.decoding import PrefixedContext, log_softmax
from spatialllm_ros.runtime.engines.base import Engine, Floats, Span
from spatialllm_ros.runtime.engines.onnx_engine import OnnxEngine
from spatialllm_ros.runtime.prompt import Prompt

TOLERANCE = 1e-3
"""Greatest difference that an export may have, as a share of the largest value."""
STAGES = VISION, PREFIX, QUESTION, DECODE, BATCH = (
    'vision', 'prefix', 'question', 'decode', 'batch',
)  # fmt: skip


@dataclass(frozen=True)
class ParityCase:
    """What both are given.

    Attributes:
        pixels, camera: the inputs of the vision graph, of one image.
        start: the id in front of the image's tokens.
        questions: ids of each question; all are asked together at last.
        words: ids that are written behind every question, one after the other.
    """

    pixels: Floats
    camera: Floats
    start: int
    questions: Sequence[Sequence[int]]
    words: Sequence[int]


def check_parity(model: Any, bundle: Bundle) -> None:
    """Compare both graphs of a bundle with the model that it was exported from, on noise.

    Raises:
        ConfigError: a graph computes something else.
    """
    engine = OnnxEngine(bundle, threads=1)
    for stage, gap in stage_gaps(model, engine, _noise_case(model.config)).items():
        if not gap <= TOLERANCE:
            graph = 'vision' if stage == VISION else 'decoder'
            raise ConfigError(
                f'expected a {graph} graph that computes what the model does, found values '
                f'{gap:.2g} of the largest apart ({stage}); this kind of model cannot be exported'
            )


@torch.no_grad()
def stage_gaps(model: Any, engine: Engine, case: ParityCase) -> dict[str, float]:
    """Return how far an engine is from a model in each stage.

    A gap is the greatest difference as a share of the largest expected value. The decoder's stages
    start from the model's own image tokens. Each reads on where the one before ended; the batch
    asks all questions side by side and is held against each alone, read whole.
    """
    pixels, camera = torch.from_numpy(case.pixels), torch.from_numpy(case.camera)
    image = model.encode_image(pixels, camera)[0].numpy()
    table = as_stored(model.get_input_embeddings().weight).numpy()
    prefix = np.concatenate([table[[case.start]], image])
    texts = [np.concatenate([prefix, table[[*ids, *case.words]]]) for ids in case.questions]
    wholes = [_logits(model, text) for text in texts]
    alone = [log_softmax(whole[-1 - len(case.words) :]) for whole in wholes]
    together = PrefixedContext(engine.new_context(), table, prefix)
    after = len(prefix) + len(case.questions[0])
    return {
        VISION: _gap(engine.embed_image(case.pixels, case.camera), image),
        **_text_gaps(engine, texts[0], wholes[0], (len(prefix), after)),
        BATCH: _gap(_batch_logs(together, case), np.stack(alone)),
    }


def _text_gaps(
    engine: Engine, text: Floats, expected: Floats, ends: tuple[int, int]
) -> dict[str, float]:
    """Read a text (S, D) in stages; its prefix and its question have the given ends."""
    context = engine.new_context()
    stages = {PREFIX: [(0, ends[0])], QUESTION: [ends]}
    stages[DECODE] = [(place, place + 1) for place in range(ends[1], len(text))]
    gaps = {}
    for stage, parts in stages.items():
        found = [context.append(text_span(text, start, end)) for start, end in parts]
        gaps[stage] = _gap(np.concatenate(found), expected[parts[0][0] : parts[-1][1]])
    return gaps


def _logits(model: Any, text: Floats) -> Floats:
    """Return the logits (S, V) of a text (S, D), read at once."""
    logits: Floats = model(inputs_embeds=torch.from_numpy(text)[None]).logits[0].numpy()
    return logits


def text_span(embeddings: Floats, start: int, end: int) -> Span:
    """Return a part of a text (S, D), each position of which sees all before it."""
    places = np.arange(start, end)
    visible = np.arange(end)[None] <= places[:, None]
    return Span(embeddings[start:end], places, visible, np.arange(end - start))


def _batch_logs(context: PrefixedContext, case: ParityCase) -> NDArray[np.float64]:
    """Return the log-probabilities (questions, 1 + words, V) of questions asked together."""
    strands = context.read([Prompt(tuple(question), ()) for question in case.questions])
    logs = [[strand.next_logs for strand in strands]]
    for word in case.words:
        context.extend(strands, [word] * len(strands))
        logs.append([strand.next_logs for strand in strands])
    return np.array(logs).swapaxes(0, 1)


def _gap(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _noise_case(config: Any) -> ParityCase:
    rng = np.random.default_rng(0)
    cells = config.image_rows * config.image_columns
    vocabulary = config.text_config.vocab_size
    return ParityCase(
        pixels=_noise(rng, 1, 3, config.image_height, config.image_width),
        camera=_noise(rng, 1, cells, len(CAMERA_FEATURES)),
        start=0,
        questions=[rng.integers(vocabulary, size=length).tolist() for length in (5, 3)],
        words=rng.integers(vocabulary, size=2).tolist(),
    )


def _noise(rng: np.random.Generator, *shape: int) -> Floats:
    return rng.standard_normal(shape).astype(np.float32)
