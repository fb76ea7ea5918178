"""A bundle's folder, or its manifest, that is replaced as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError

from spatialllm_ros.errors import BundleError, ConfigError
from spatialllm_ros.runtime.bundle import MANIFEST_NAME, Bundle, Manifest, parse_manifest
from spatialllm_ros.runtime.engines.tensorrt_identity import FOLDER as ENGINES


@contextmanager
def replaced_bundle(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which takes a bundle's place unless filling it fails.

    A link stays, and what it leads to is replaced.

    Raises:
        ConfigError: there is something else than a bundle in the place, or the disk is full or
            cannot be written.
    """
    folder = folder.resolve()
    _check_replaceable(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = TemporaryDirectory(prefix='.export-', dir=folder.parent)
    except OSError as error:
        raise _refusal(folder, error) from error
    with scratch:
        made = Path(scratch.name) / 'bundle'
        try:
            made.mkdir()
            yield made
        except (OSError, SafetensorError) as error:
            raise _refusal(folder, error) from error
        _exchange(made, folder, Path(scratch.name) / 'old')


def replace_manifest(bundle: Bundle, manifest: Manifest) -> None:
    """Let a bundle say something else of its files. A link to a manifest stays.

    Raises:
        BundleError: the bundle is not any more what it was when it was loaded.
        ConfigError: the manifest cannot be written; the old one is still there.
    """
    path = (bundle.folder / MANIFEST_NAME).resolve()
    try:
        if parse_manifest(path.read_text(encoding='utf-8')) != bundle.manifest:
            raise BundleError(f'{bundle.folder} was replaced meanwhile; run the command again')
        with TemporaryDirectory(prefix='.manifest-', dir=path.parent) as scratch:
            whole = Path(scratch) / path.name
            whole.write_text(manifest.to_json(), encoding='utf-8')
            whole.replace(path)
    except OSError as error:
        raise ConfigError(
            f'expected to write {path}, found {error}; make room there, or copy the bundle to a '
            'folder of your own'
        ) from error


def _exchange(made: Path, folder: Path, aside: Path) -> None:
    """Let a folder take another's place, if there is one; what was there goes last."""
    try:
        try:
            if folder.exists():
                folder.rename(aside)
            made.rename(folder)
        finally:  # by whatever it is interrupted
            if aside.exists() and not folder.exists():
                aside.rename(folder)
    except OSError as error:
        raise _refusal(folder, error) from error


def _refusal(folder: Path, error: Exception) -> ConfigError:
    return ConfigError(
        f'expected to write {folder}, found {error}; name another folder, or make room there'
    )


def _check_replaceable(folder: Path) -> None:
    """Refuse to replace anything but a bundle with its engines."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        raise ConfigError(f'expected a folder, found the file {folder}; name another')
    try:
        manifest = parse_manifest((folder / MANIFEST_NAME).read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, BundleError) as error:
        raise ConfigError(
            f'expected a new folder, an empty one or a bundle to replace, found other files in '
            f'{folder} ({error}); name another folder'
        ) from error
    own = {Path(entry.path).parts[0] for entry in manifest.files.values()}
    if others := sorted({path.name for path in folder.iterdir()} - own - {MANIFEST_NAME, ENGINES}):
        raise ConfigError(
            f'expected nothing but a bundle in {folder}, found {", ".join(others[:3])} as well, '
            'which would be lost; name another folder'
        )
