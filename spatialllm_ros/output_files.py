"""Files that commands write at their end, refused at their start where that cannot be."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from tempfile import TemporaryFile


def output_file(text: str) -> Path:
    """Return the path of a file to write, whose folder is made; a type for ``argparse``.

    Raises:
        ArgumentTypeError: it is a folder, or nothing can be written beside it.
    """
    path = Path(text)
    if path.is_dir():
        raise ArgumentTypeError(f'expected a file to write, found the folder {path}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            return path
    except OSError as error:
        raise ArgumentTypeError(
            f'expected to write {path}, found {error}; name another'
        ) from error
