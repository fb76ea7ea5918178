"""Where the weights of a graph lie: in its own file, or in a data file beside it.

A protobuf ends at 2 GiB, so the weights of large graphs are ONNX external data, written one by one
as they come and mapped when they are read: no more than one of them is ever in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

INSIDE_BYTES = 2**31 - 2**26
"""What weights may take in a graph's own file: a protobuf's greatest size, less room for nodes."""
SMALL_BYTES = 1024
"""Smaller constants always stay inside: shape inference reads some of them."""
ALIGNMENT = 4096
"""Weights in a data file start at pages, which can be mapped."""

FOUR_BITS = (TensorProto.INT4, TensorProto.FLOAT4E2M1)

Values = NDArray[Any] | torch.Tensor


class WeightStore:
    """Keeps weights inside the graph."""

    def get(self, tensor: onnx.TensorProto) -> NDArray[Any]:
        """Return the values of a graph's weight."""
        return numpy_helper.to_array(tensor)

    def put(self, name: str, values: Values) -> onnx.TensorProto:
        """Return the weight that stands in a graph for these values."""
        return numpy_helper.from_array(_as_array(values), name)

    def carry(self, model: onnx.ModelProto) -> None:
        """Take over what a graph still holds of the one that it was made of."""


INSIDE = WeightStore()


class OutsideStore(WeightStore):
    """Appends weights to a data file; may read those of another graph.

    Attributes:
        parent: the folder of the graph that is rewritten.
    """

    def __init__(self, file: BinaryIO, parent: Path = Path()) -> None:
        """Write to an open file, of whose path the name is kept."""
        self.parent = parent
        self._file = file
        self._location = Path(file.name).name
        self._written: set[str] = set()

    def get(self, tensor: onnx.TensorProto) -> NDArray[Any]:
        """Map the weight's part of the data file, or read it from the graph."""
        if tensor.data_location != TensorProto.EXTERNAL:
            return super().get(tensor)
        kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        return self._map(tensor).view(kind).reshape(tuple(tensor.dims))

    def put(self, name: str, values: Values) -> onnx.TensorProto:
        """Append values, unless they are small."""
        array = _as_array(values)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        if array.nbytes < SMALL_BYTES:
            return super().put(name, array)
        if kind in FOUR_BITS:  # two share a byte
            array_bytes = np.frombuffer(numpy_helper.from_array(array).raw_data, np.uint8)
        else:
            array_bytes = array.reshape(-1).view(np.uint8)
        return self._append(TensorProto(name=name, data_type=kind, dims=array.shape), array_bytes)

    def carry(self, model: onnx.ModelProto) -> None:
        """Copy the weights that were not rewritten from the parent's data file."""
        for tensor in model.graph.initializer:
            if tensor.data_location == TensorProto.EXTERNAL and tensor.name not in self._written:
                values = self._map(tensor)
                del tensor.external_data[:]
                self._append(tensor, values)

    def _map(self, tensor: onnx.TensorProto) -> NDArray[np.uint8]:
        place = {entry.key: entry.value for entry in tensor.external_data}
        offset, length = int(place.get('offset', 0)), int(place['length'])
        return np.memmap(self.parent / place['location'], np.uint8, 'r', offset, (length,))

    def _append(self, tensor: onnx.TensorProto, values: NDArray[np.uint8]) -> onnx.TensorProto:
        offset = -(-self._file.tell() // ALIGNMENT) * ALIGNMENT
        self._file.seek(offset)
        self._file.write(values.data)
        tensor.data_location = TensorProto.EXTERNAL
        place = {'location': self._location, 'offset': offset, 'length': values.nbytes}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self._written.add(tensor.name)
        return tensor


def data_path(graph: Path) -> Path:
    """Return where the weights of a graph lie that are not in its file."""
    return graph.with_name(f'{graph.name}.data')


@contextmanager
def outside_store(graph: Path, parent: Path = Path()) -> Iterator[WeightStore]:
    """Give a store that writes into a graph's data file."""
    with data_path(graph).open('wb') as file:
        yield OutsideStore(file, parent)


@contextmanager
def rewritten_graph(source: Path, target: Path) -> Iterator[tuple[onnx.ModelProto, WeightStore]]:
    """Give a graph to rewrite, and write it to another folder; its weights lie as they lay."""
    model = onnx.load(source, load_external_data=False)
    if data_path(source).is_file():
        with outside_store(target, source.parent) as store:
            yield model, store
            store.carry(model)
    else:
        yield model, INSIDE
    save_graph(model, target)


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph's file and check it, behind its data file if it has one."""
    onnx.save(model, path)
    onnx.checker.check_model(path)


def _as_array(values: Values) -> NDArray[Any]:
    array = values.numpy() if isinstance(values, torch.Tensor) else values
    return np.asarray(array, order='C')
