"""NumPy archives that hold Python objects, opened without running what a pickle may ask for.

``numpy.load(..., allow_pickle=True)`` would call any function that the file names. Here a pickle
may name only what makes plain arrays and numbers; anything else is refused.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from spatialllm_ros.errors import SceneError

MAX_BYTES = 16 * 2**20
"""No annotation of one image is larger."""
ALLOWED = {
    ('numpy', 'ndarray'), ('numpy', 'dtype'), ('_codecs', 'encode'),
    ('numpy.core.multiarray', '_reconstruct'), ('numpy.core.multiarray', 'scalar'),
    ('numpy._core.multiarray', '_reconstruct'), ('numpy._core.multiarray', 'scalar'),
}  # fmt: skip


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise SceneError(f'expected arrays and numbers, found a pickle of {module}.{name}')
        return super().find_class(module.replace('numpy.core', 'numpy._core'), name)


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
        return list(_PlainUnpickler(stream).load().ravel())
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise SceneError(f'expected an archive with {name!r}, found {error!r}') from error
