"""What exporting a recipe's model takes, told without its weights: files, cache and memory.

The decoder's graph is the one that an export writes, with the weights left out; of the vision half
the weights that the image's tokens depend on are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from math import prod
from typing import Any

import onnx
import torch
from onnx import TensorProto

from spatialllm_ros.deploy.bundle_export import (
    FILES,
    ExportSettings,
    vision_parts,
    with_context,
)
from spatialllm_ros.deploy.decoder_graph import decoder_graph, decoder_heads
from spatialllm_ros.deploy.image_size import set_image_size
from spatialllm_ros.deploy.products import product_weights
from spatialllm_ros.deploy.weight_only import block_of
from spatialllm_ros.deploy.weight_storage import INSIDE_BYTES, Values, WeightStore
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.geometry import CAMERA_FEATURES
from spatialllm_ros.learning.plan import planned_config
from spatialllm_ros.learning.recipe import Recipe
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.model.token_weights import are_read
from spatialllm_ros.runtime.bundle import DECODER, EMBEDDINGS, VISION

PRECISIONS = ('float32', 'int8', 'int4', 'float16', 'float16-int8', 'float16-int4')
"""As manifests call them; the last two are made of float16."""
CACHE_BYTES = 4
"""Caches are float32 in every precision."""
LIBRARIES_BYTES = 6 * 10**8
DECODER_COPIES_BYTES = 10
"""Per value of the largest product while it is written: float16, float32 and its transpose."""
VISION_COPIES_BYTES = 12
"""Per weight of the vision half: the model's, the exporter's and the checking session's."""
FOOTNOTE = (
    'Without the tokenizer. int8 and int4 are made of float32, float16-int8 and float16-int4 of '
    'float16, and have\nits vision graph; fp8 is as large as int8, and nvfp4 as int4, of float16. '
    'Memory is an estimate, beside\nmapped files, which give way: a large decoder is written '
    'weight by weight.'
)


@dataclass(frozen=True)
class ExportPlan:
    """Sizes in bytes.

    Attributes:
        files: of each file, by precision; weights for training are beside float32 alone.
        cache_per_token: keys and values of one position.
        memory: at the most, while exporting.
    """

    name: str
    context: int
    files: dict[str, dict[str, int]]
    cache_per_token: int
    memory: int

    def table(self) -> str:
        """Return the plan to print."""
        lines = [f'recipe {self.name}', '', f'{"MB":22s}' + _row(PRECISIONS)]
        for file, sizes in self.files.items():
            lines.append(f'{file:22s}' + _row([_megabytes(sizes, kind) for kind in PRECISIONS]))
            if max(sizes.values()) > INSIDE_BYTES and file.endswith('.onnx'):
                lines[-1] += '   float32 weights in a data file'
        totals = {
            kind: sum(sizes.get(kind, 0) for sizes in self.files.values()) for kind in PRECISIONS
        }
        lines.append(f'{"together":22s}' + _row([_megabytes(totals, kind) for kind in PRECISIONS]))
        whole = self.cache_per_token * self.context / 2**20
        lines += [
            '',
            f'cache      {self.cache_per_token / 1024:10,.1f} KiB a token, {whole:,.1f} MiB for a '
            f'context of {self.context}',
            f'exporting  {self.memory / 2**30:10,.1f} GiB of memory',
        ]
        return '\n'.join([*lines, '', FOOTNOTE])


def plan_export(
    recipe: Recipe, settings: ExportSettings, vocabulary: int | None = None
) -> ExportPlan:
    """Build the recipe's model without weights, write its graph and count.

    Args:
        recipe: of the model.
        settings: of the export; its words are not looked at, for no tokenizer is fetched.
        vocabulary: how many entries are kept of the model's; all of them if not given.

    Raises:
        ConfigError: the recipe's sizes make no model, or one that cannot be exported so.
    """
    built = planned_config(recipe)
    if vocabulary is not None:
        _cut_vocabulary(built, vocabulary)
    with torch.device('meta'):
        model = SpatialLLMForConditionalGeneration(built).eval()
    if settings.image_size is not None:
        set_image_size(model, settings.image_size)
    settings = with_context(model.config, settings)
    config = model.config.text_config
    store = _SizesOnly()
    graph = decoder_graph(model.language_model, settings.flavour, settings.context, store)
    vision = _vision_values(model)
    words = 2 * config.vocab_size * config.hidden_size
    weights = 2 * sum(weight.numel() for weight in model.parameters())
    heads = decoder_heads(config)
    largest = max(prod(weight.dims) for weight in product_weights(graph))
    return ExportPlan(
        name=recipe.name,
        context=settings.context,
        files={
            FILES[VISION]: {kind: _wide_bytes(kind) * vision for kind in PRECISIONS},
            FILES[DECODER]: {kind: _decoder_bytes(graph, kind) for kind in PRECISIONS},
            FILES[EMBEDDINGS]: dict.fromkeys(PRECISIONS, words),
            FILES['weights']: {'float32': weights},
        },
        cache_per_token=CACHE_BYTES * config.num_hidden_layers * 2 * heads.keys * heads.size,
        memory=LIBRARIES_BYTES + DECODER_COPIES_BYTES * largest + VISION_COPIES_BYTES * vision,
    )


def _cut_vocabulary(config: SpatialLLMConfig, entries: int) -> None:
    whole = config.text_config.vocab_size
    if not 0 < entries <= whole:
        raise ConfigError(
            f"expected 1 to {whole} entries of the model's vocabulary to keep, found {entries}; "
            'name fewer, or leave it whole'
        )
    config.text_config.vocab_size = entries


class _SizesOnly(WeightStore):
    """Keeps the shapes of weights that have no values."""

    def put(self, name: str, values: Values) -> onnx.TensorProto:
        if isinstance(values, torch.Tensor):
            return TensorProto(name=name, data_type=TensorProto.FLOAT, dims=values.shape)
        return super().put(name, values)


def _decoder_bytes(graph: onnx.ModelProto, precision: str) -> int:
    """Return the size of a decoder with its weights, which are not in the graph."""
    products = {weight.name for weight in product_weights(graph)}
    size = graph.ByteSize()
    for weight in graph.graph.initializer:
        if weight.data_type == TensorProto.FLOAT and not weight.raw_data:
            shape = tuple(weight.dims)
            size += (
                _product_bytes(shape, precision)
                if weight.name in products
                else _wide_bytes(precision) * prod(shape)
            )
    return size


def _product_bytes(shape: tuple[int, ...], precision: str) -> int:
    """Return the size of a product's weight with its scales."""
    values, wide, block = prod(shape), _wide_bytes(precision), block_of(shape[0])
    if precision.endswith('int8'):
        return values + wide * shape[-1]
    if precision.endswith('int4') and block:
        return values // 2 + wide * values // block
    return wide * values


def _wide_bytes(precision: str) -> int:
    """Return the size of a value that is no integer."""
    return 2 if precision.startswith('float16') else 4


def _vision_values(model: Any) -> int:
    """Return how many weights the image's tokens depend on; unused heads are not exported."""
    config = model.config
    cells = config.image_rows * config.image_columns
    pixels = torch.empty(1, 3, config.image_height, config.image_width, device='meta')
    camera = torch.empty(1, cells, len(CAMERA_FEATURES), device='meta')
    weights = [weight for part in vision_parts(model) for weight in part.parameters()]
    tokens = model.encode_image(pixels, camera)
    return sum(weight.numel() for weight in compress(weights, are_read(tokens, weights)))


def _megabytes(sizes: dict[str, int], kind: str) -> str:
    return f'{sizes[kind] / 1e6:,.1f}' if kind in sizes else '-'


def _row(cells: Any) -> str:
    return ''.join(f'{cell:>14s}' for cell in cells)
