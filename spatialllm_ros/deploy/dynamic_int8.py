"""A decoder whose products are of 8-bit integers, activations scaled as they come.

The fastest on CPUs where many positions are read at once; TensorRT does not take it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from spatialllm_ros.deploy.weight_storage import INSIDE, WeightStore
from spatialllm_ros.errors import ConfigError


def dynamic_int8(model: onnx.ModelProto, store: WeightStore = INSIDE) -> None:
    """Multiply integers; only in products, for tables of angles are no weights.

    Raises:
        ConfigError: the graph's weights lie outside it, where ONNX Runtime's pass reads all at
            once.
    """
    if store is not INSIDE:
        raise ConfigError(
            'expected a graph that holds its weights itself, found them in a data file beside '
            'it; take int8 or int4'
        )
    with TemporaryDirectory(prefix='dynamic-int8-') as scratch, _no_advice():
        path = Path(scratch) / 'decoder.onnx'
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=['MatMul'],
            per_channel=True,
            # Products of 8 by 8 bits overflow in pairs on CPUs without VNNI.
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
        model.CopyFrom(onnx.load(path))


@contextmanager
def _no_advice() -> Iterator[None]:
    """Keep silent the advice to fuse nodes first, into operators that only one runtime knows."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
