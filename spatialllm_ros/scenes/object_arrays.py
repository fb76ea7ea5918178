"""NumPy archives that hold Python objects, opened without running what a pickle may ask for.

``numpy.load(..., allow_pickle=True)`` would call any function that the file names, and NumPy's own
ones can be made to crash by a damaged file. Here a pickle may name only what makes plain arrays
and numbers, and each of these names means a checked stand-in below.

Source: ``__reduce__`` of numpy.ndarray, numpy.dtype and numpy.generic.
"""

from __future__ import annotations

import io
import pickle
import re
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.errors import SceneError

MAX_BYTES = 16 * 2**20
"""No annotation of one image is larger."""
PLAIN_TYPES = r'[biuf][1248]|U\d{1,3}'
"""Codes of the numbers and short texts that may be read."""
UNREADABLE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, RuntimeError, SyntaxError,
    TypeError, ValueError, pickle.UnpicklingError, tokenize.TokenError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
"""What damaged archives and pickles raise."""


class _Type:
    """Stands for ``numpy.dtype``."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, '|'

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def read(self, data: bytes) -> NDArray[Any]:
        if self.order not in '<>|=' or not re.fullmatch(PLAIN_TYPES, self.code):
            raise SceneError(f'expected numbers or text, found the type {self.code!r}')
        return np.frombuffer(data, self.order + self.code).copy()


class _Array:
    """Stands for ``numpy.ndarray``; ``values`` is an array, or a list of objects."""

    values: list[Any] | NDArray[Any]

    def __init__(self, *_: object) -> None:
        self.values = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, data = state
        if kind.code.startswith('O'):
            self.values = _plain(list(data))
        else:
            self.values = kind.read(data).reshape(shape, order='F' if is_fortran else 'C')


def _plain(value: Any) -> Any:
    """Return a value with arrays in place of their stand-ins."""
    if isinstance(value, _Array):
        return value.values
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _scalar(kind: _Type, data: bytes) -> Any:
    return kind.read(data)[0].item()


def _latin1(text: str, _: str) -> bytes:
    return text.encode('latin1')


STAND_INS: dict[tuple[str, str], Any] = {
    ('numpy', 'ndarray'): _Array,
    ('numpy', 'dtype'): _Type,
    ('_codecs', 'encode'): _latin1,
    **{
        (f'numpy.{core}.multiarray', name): stand_in
        for core in ('core', '_core')
        for name, stand_in in (('_reconstruct', _Array), ('scalar', _scalar))
    },
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise SceneError(f'expected arrays and numbers, found a pickle of {module}.{name}')
        return STAND_INS[module, name]


def load_objects(path: Path, name: str) -> list[Any]:
    """Return the elements of an object array of an ``.npz`` file.

    Raises:
        SceneError: there is no such array, it is too large, or it holds more than plain data.
        OSError: there is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(f'{name}.npy')
            if member.file_size > MAX_BYTES:
                raise SceneError(f'expected at most {MAX_BYTES} bytes, found {member.file_size}')
            stream = io.BytesIO(archive.read(member))
        version = np.lib.format.read_magic(stream)
        _, _, dtype = np.lib.format.read_array_header_1_0(stream)
        if version != (1, 0) or not dtype.hasobject:
            raise SceneError(f'expected an array of objects, found {dtype}, version {version}')
        return list(_plain(_PlainUnpickler(stream).load()))
    except UNREADABLE as error:
        raise SceneError(f'expected an archive with {name!r}, found {error!r}') from error
