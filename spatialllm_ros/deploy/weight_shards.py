"""A model folder's weights in float16, written file by file and never whole in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME

Tensors = dict[str, torch.Tensor]


def write_shards(folder: Path, tensors: Iterator[tuple[str, torch.Tensor]], limit: int) -> None:
    """Write tensors and the index of their files, as transformers reads them.

    Args:
        folder: where they go.
        tensors: names and values, each made when it is asked for.
        limit: bytes of one file, unless a single tensor has more.
    """
    places: dict[str, str] = {}
    total = 0
    for number, shard in enumerate(_shards(tensors, limit), 1):
        name = f'model-{number:05d}.safetensors'
        save_file(shard, folder / name, metadata={'format': 'pt'})
        places |= dict.fromkeys(shard, name)
        total += sum(values.nbytes for values in shard.values())
    index: Mapping[str, object] = {'metadata': {'total_size': total}, 'weight_map': places}
    (folder / SAFE_WEIGHTS_INDEX_NAME).write_text(json.dumps(index, indent=2) + '\n')


def _shards(tensors: Iterator[tuple[str, torch.Tensor]], limit: int) -> Iterator[Tensors]:
    shard: Tensors = {}
    for name, values in tensors:
        if shard and sum(item.nbytes for item in shard.values()) + values.nbytes > limit:
            yield shard
            shard = {}
        shard[name] = values.contiguous()
    yield shard
