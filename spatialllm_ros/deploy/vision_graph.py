"""The vision half of a SpatialLLM as an ONNX graph: every backbone, the fusion and the projector.

Backbones are any that transformers knows, so this graph is traced, not written by hand.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from spatialllm_ros.deploy.weight_storage import save_graph
from spatialllm_ros.geometry import CAMERA_FEATURES

OPSETS = {'static24': 23, 'concat18': 18}
"""The operator set of the vision graph beside each flavour of decoder."""


class _ImageEncoder(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor, camera_features: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.model.encode_image(pixel_values, camera_features)
        return tokens


def vision_graph(model: Any, opset: int) -> onnx.ModelProto:
    """Trace ``encode_image`` with a dynamic number of images.

    The graph takes ``pixel_values`` (B, 3, H, W) and ``camera_features`` (B, rows * columns, 11)
    and gives ``image_tokens`` (B, T, D).
    """
    proto: onnx.ModelProto = _trace(model, opset).model_proto
    remove_remarks(proto)
    return proto


def write_vision_graph(model: Any, opset: int, path: Path, is_outside: bool) -> None:
    """Write the graph, its weights in a data file beside it if there is no room inside."""
    if is_outside:
        _trace(model, opset).save(path, external_data=True)
        proto = onnx.load(path, load_external_data=False)
        remove_remarks(proto)
    else:
        proto = vision_graph(model, opset)
    save_graph(proto, path)


def _trace(model: Any, opset: int) -> torch.onnx.ONNXProgram:
    config = model.config
    # Two images: with one, the exporter would fix the number of images at one.
    inputs = (
        torch.zeros(2, 3, config.image_height, config.image_width),
        torch.zeros(2, config.image_rows * config.image_columns, len(CAMERA_FEATURES)),
    )
    batch = {0: torch.export.Dim('batch')}
    with _quiet_exporter():
        program = torch.onnx.export(
            _ImageEncoder(model).eval(),
            inputs,
            dynamo=True,
            opset_version=opset,
            input_names=['pixel_values', 'camera_features'],
            output_names=['image_tokens'],
            dynamic_shapes=(batch, batch),
            verbose=False,
        )
    assert program is not None, 'the exporter that returns a program is chosen by dynamo=True'
    return program


def remove_remarks(proto: onnx.ModelProto) -> None:
    """Take out what the exporter notes on its own source, paths of this machine among it."""
    graph = proto.graph
    noted = (proto, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input)
    for item in (*noted, *graph.output):
        item.ClearField('metadata_props')
        item.ClearField('doc_string')


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter's remarks about itself, and about packages it does not need, silent."""
    logger = logging.getLogger('torch.onnx')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
