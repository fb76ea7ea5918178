"""The shapes that an engine takes: one profile for a whole prefix or question, one for words.

A context is one row in which questions stand side by side (``runtime/decoding.py``), so the number
of rows is always one and the number of new positions varies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spatialllm_ros.deploy.tensorrt_graphs import Graph
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.bundle import Manifest
from spatialllm_ros.runtime.engines.tensorrt_identity import Shapes
from spatialllm_ros.runtime.guessing import MOST_READ

Range = tuple[int, int, int]
"""The least, the usual and the greatest."""

ONE_ROW = (1, 1, 1)
QUESTION_TOKENS = 16
"""Behind the image in the usual prefill."""


@dataclass(frozen=True)
class SpanLimits:
    """How many positions may enter the decoder at once.

    Attributes:
        prefill: of an image prefix or of all questions that are read together; 0 for as many as
            the context holds.
        questions: answered together, a word each with guesses behind it; the node's
            ``max_batch`` may not be greater.
    """

    prefill: int = 0
    questions: int = 8


def profile_shapes(
    graph: Graph, manifest: Manifest, limits: SpanLimits = SpanLimits()
) -> dict[str, Shapes]:
    """Return the profiles of a graph by name, in the engine's order.

    Raises:
        ConfigError: a limit is beyond what the manifest allows, or the graph has a dynamic
            dimension that nothing is known about.
    """
    dims = graph.input_dims()
    words = {dim for shape in dims.values() for dim in shape if isinstance(dim, str)}
    is_decoder = 'sequence' in words
    ranges = decoder_ranges(manifest, limits) if is_decoder else {'image': {'batch': ONE_ROW}}
    known = next(iter(ranges.values()))
    if unknown := sorted(words - set(known)):
        raise ConfigError(
            f'{graph.path}: expected dynamic dimensions of {sorted(known)}, found {unknown}; '
            'export the bundle again with export/export_onnx.py'
        )
    return {name: _shapes(dims, sizes) for name, sizes in ranges.items()}


def decoder_ranges(manifest: Manifest, limits: SpanLimits) -> dict[str, dict[str, Range]]:
    """Return the range of each dynamic dimension of a decoder, by profile."""
    context, prefix = manifest.decoder.context, manifest.image.tokens + 1
    longest = limits.prefill or context
    for what, found, least in (
        ('positions in a prefill', longest, prefix),
        ('questions answered together', limits.questions, 1),
    ):
        if not least <= found <= context:
            raise ConfigError(
                f'expected {least} to {context} {what}, which is what the image and the context '
                f"of the bundle's manifest allow, found {found}; ask for as many, or export with "
                'a larger --context'
            )
    usual = min(prefix + QUESTION_TOKENS, longest)
    words = min(MOST_READ * limits.questions, context)
    return {
        'prefill': {
            'batch': ONE_ROW,
            'sequence': (1, usual, longest),
            'scored': (1, 1, longest),
            'past': (0, 0, context - 1),
            'total': (1, usual, context),
        },
        'decode': {
            'batch': ONE_ROW,
            'sequence': (1, 1, words),
            'scored': (1, 1, words),
            'past': (0, prefix, context - 1),
            'total': (1, prefix + 1, context),
        },
    }


def _shapes(dims: Mapping[str, tuple[int | str, ...]], sizes: Mapping[str, Range]) -> Shapes:
    """Fill the dynamic dimensions of each input that has any."""
    return {
        name: (_filled(shape, sizes, 0), _filled(shape, sizes, 1), _filled(shape, sizes, 2))
        for name, shape in dims.items()
        if any(isinstance(dim, str) for dim in shape)
    }


def _filled(
    shape: tuple[int | str, ...], sizes: Mapping[str, Range], which: int
) -> tuple[int, ...]:
    return tuple(sizes[dim][which] if isinstance(dim, str) else dim for dim in shape)
