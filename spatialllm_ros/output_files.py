"""What commands write at their end, refused at their start where that cannot be."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile


def output_file(text: str) -> Path:
    """Return the path of a file to write, whose folder is made; a type for ``argparse``.

    Raises:
        ArgumentTypeError: it is a folder, or nothing can be written beside it.
    """
    path = Path(text)
    with _refused(path):
        if path.is_dir():
            raise ArgumentTypeError(f'expected a file to write, found the folder {path}')
        _try(path.parent)
    return path


def output_folder(text: str) -> Path:
    """Return the path of a folder to write, there or not yet; a type for ``argparse``.

    Raises:
        ArgumentTypeError: it is a file, or nothing can be written into it, or where it will be.
    """
    path = Path(text)
    with _refused(path):
        if path.exists() and not path.is_dir():
            raise ArgumentTypeError(f'expected a folder to write, found the file {path}')
        _try(path if path.is_dir() else path.parent)
    return path


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArgumentTypeError(
            f'expected to write {path}, found {error}; name another'
        ) from error


def _try(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass
