"""A bundle: the folder that holds a runnable model, and the manifest that vouches for its files.

Knows names, sizes and hashes; what the files contain is the business of whoever opens them. JSON,
ONNX, NumPy arrays without pickle and safetensors are all a bundle ever holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from spatialllm_ros.errors import BundleError
from spatialllm_ros.runtime.shared_files import share_folders

FORMAT = 'spatialllm-bundle'
SCHEMA_VERSION = 1
MANIFEST_NAME = 'manifest.json'
REMEDY = 'fetch the bundle anew, or export it again with export/export_onnx.py'

VISION, DECODER, EMBEDDINGS, TOKENIZER = 'vision', 'decoder', 'embeddings', 'tokenizer'
ROLES = (VISION, DECODER, EMBEDDINGS, TOKENIZER)
"""The files that every bundle has, by role; others may stand beside them."""


@dataclass(frozen=True)
class FileEntry:
    """One file of a bundle."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ImageSpec:
    """What becomes of an image: the canvas, its grid of tokens and the normalisation."""

    width_px: int
    height_px: int
    rows: int
    columns: int
    tokens: int
    mean: float
    std: float


@dataclass(frozen=True)
class SpecialTokens:
    """Ids with a meaning of their own.

    Attributes:
        absent: begins the answer about a missing object.
        whole: each is an answer by itself, behind which only the end can come (``yes``).
        spelled: whether words that fall apart into characters were learned, too; otherwise
            questions with such words are refused.
    """

    pad: int
    unknown: int
    start: int
    end: int
    answer: int
    absent: int
    whole: tuple[int, ...] = ()
    spelled: bool = False


@dataclass(frozen=True)
class DecoderSpec:
    """Shapes of the decoder graph.

    Attributes:
        flavour: ``static24`` or ``concat18``.
        context: how much a cache holds: the image prefix and all questions asked at once.
        positions: how long one question with its prefix and answer can be.
        layers, kv_heads, head_size: a cache has, per layer, keys and values of the shape
            (B, kv_heads, context, head_size).
    """

    flavour: str
    opset: int
    precision: str
    context: int
    positions: int
    layers: int
    kv_heads: int
    head_size: int
    hidden_size: int
    vocabulary: int

    def cache_names(self) -> list[str]:
        """Return the names of the cache's tensors, behind ``past_`` and ``present_``."""
        return [f'{kind}{layer}' for layer in range(self.layers) for kind in 'kv']


@dataclass(frozen=True)
class Limits:
    """What a question may ask for.

    Attributes:
        questions: on one frame that are answered at once; 0 for as many as the context holds.
    """

    question_characters: int = 500
    options: int = 16
    answer_tokens: int = 24
    questions: int = 0


@dataclass(frozen=True)
class Manifest:
    """What ``manifest.json`` says.

    Attributes:
        temperature: divides log-probabilities before they become confidences; fitted on held-out
            questions.
        training: where the weights come from, for people.
        derived: of a bundle in another precision: its parent, and the accuracy of both.
        adapted: in what the export departed from the trained model: ``image`` and ``vocabulary``.
    """

    name: str
    parameters: int
    image: ImageSpec
    tokens: SpecialTokens
    decoder: DecoderSpec
    files: Mapping[str, FileEntry]
    limits: Limits = Limits()
    temperature: float = 1.0
    training: Mapping[str, Any] = field(default_factory=dict)
    derived: Mapping[str, Any] = field(default_factory=dict)
    adapted: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the text of ``manifest.json``."""
        head = {'format': FORMAT, 'schema_version': SCHEMA_VERSION}
        return json.dumps(head | asdict(self), indent=2) + '\n'


@dataclass(frozen=True)
class Bundle:
    """A verified bundle."""

    folder: Path
    manifest: Manifest

    def path(self, role: str) -> Path:
        """Return the file with a role.

        Raises:
            BundleError: the bundle has none.
        """
        try:
            return self.folder / self.manifest.files[role].path
        except KeyError:
            raise BundleError(
                f'{self.folder}: expected a file for {role!r}, found only '
                f'{sorted(self.manifest.files)}; {REMEDY}'
            ) from None


def find_bundle(name_or_folder: str | Path = 'nano') -> Path:
    """Return the folder of a bundle: a path, or the name of one shipped with this package.

    Shipped ones lie in ``models/`` beside the package's sources or in an installed share folder.

    Raises:
        BundleError: there is none; names the places that were searched.
    """
    given = Path(name_or_folder).expanduser()
    shares = share_folders() if len(given.parts) == 1 else []
    places = [given, *(folder / 'models' / given for folder in shares)]
    for place in places:
        if (place / MANIFEST_NAME).is_file():
            return place
    searched = ', '.join(str(place) for place in places)
    raise BundleError(
        f'expected a bundle (a folder with {MANIFEST_NAME}), found none at {searched}; name its '
        'folder, or make one with export/export_onnx.py'
    )


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle's manifest and verify the size and hash of every file it names.

    Raises:
        BundleError: names the file, what was expected, what was found and what to do.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = parse_manifest(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise BundleError(f'{path} is missing; {REMEDY}') from None
    except OSError as error:  # a folder in its place, a file in that of the bundle
        raise BundleError(f'{path}: expected a manifest, found {error}; {REMEDY}') from error
    except UnicodeDecodeError as error:
        raise BundleError(f'{path}: expected text, found {error}; {REMEDY}') from error
    except BundleError as error:
        raise BundleError(f'{path}: {error}; {REMEDY}') from error
    for entry in manifest.files.values():
        _verify(folder / entry.path, entry)
    return Bundle(folder, manifest)


def file_entry(path: Path, folder: Path) -> FileEntry:
    """Describe a file of the bundle in ``folder``."""
    return FileEntry(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path))


def sha256_of(path: Path) -> str:
    """Return a file's hash, in hexadecimal."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def _verify(path: Path, entry: FileEntry) -> None:
    if not path.is_file():
        raise BundleError(f'{path} is missing though the manifest names it; {REMEDY}')
    size = path.stat().st_size
    if size != entry.bytes:
        fault = 'truncated' if size < entry.bytes else 'too long'
        raise BundleError(
            f'{path} is {fault}: expected {entry.bytes} bytes, found {size}; {REMEDY}'
        )
    try:
        found = sha256_of(path)
    except OSError as error:
        raise BundleError(f'{path}: expected a file, found {error}; allow reading it') from error
    if found != entry.sha256:
        raise BundleError(
            f'{path} is altered: expected sha256 {entry.sha256}, found {found}; {REMEDY}'
        )


def parse_manifest(text: str) -> Manifest:
    """Return what the text of ``manifest.json`` says.

    Raises:
        BundleError: it is no JSON, of another format or version, or lacks something.
    """
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f'expected JSON, found {error}') from error
    if not isinstance(plain, dict) or plain.pop('format', None) != FORMAT:
        raise BundleError(f'expected the manifest of a {FORMAT}, found something else')
    version = plain.pop('schema_version', None)
    if version != SCHEMA_VERSION:
        raise BundleError(f'expected manifest schema version {SCHEMA_VERSION}, found {version}')
    manifest: Manifest = _record(Manifest, plain, 'manifest')
    for role in ROLES:
        if role not in manifest.files:
            raise BundleError(f'expected a file for {role!r}, found {sorted(manifest.files)}')
    for entry in manifest.files.values():
        if Path(entry.path).is_absolute() or '..' in Path(entry.path).parts:
            raise BundleError(f'expected files inside the bundle, found {entry.path!r}')
    for what, number in (('temperature', manifest.temperature), ('std', manifest.image.std)):
        if number <= 0:
            raise BundleError(f'expected a {what} above 0, found {number}')
    return manifest


def _record(kind: Any, plain: object, where: str) -> Any:
    """Build a dataclass from JSON values, refusing what is missing, unknown or of another type."""
    if not isinstance(plain, dict):
        raise BundleError(f'expected {where} to be an object, found {plain!r}')
    hints = get_type_hints(kind)
    unknown = sorted(set(plain) - set(hints))
    if unknown:
        raise BundleError(f'expected no {unknown} in {where}')
    values = {name: _value(hints[name], plain[name], f'{where}.{name}') for name in plain}
    try:
        return kind(**values)
    except TypeError:
        missing = sorted({f.name for f in fields(kind)} - set(values))
        raise BundleError(f'expected {missing} in {where}, found {sorted(values)}') from None


_ACCEPTED: dict[Any, tuple[type, ...]] = {
    str: (str,), bool: (bool,), int: (int,), float: (float, int),
}  # fmt: skip
_RANGES: dict[Any, tuple[float, float]] = {int: (0, 2**53), float: (-1e9, 1e9)}


def _value(hint: Any, plain: object, where: str) -> Any:
    if hasattr(hint, '__dataclass_fields__'):
        return _record(hint, plain, where)
    if get_origin(hint) is Mapping:
        item = get_args(hint)[1]
        if not isinstance(plain, dict):
            raise BundleError(f'expected {where} to be an object, found {plain!r}')
        return {key: _value(item, value, f'{where}.{key}') for key, value in plain.items()}
    if get_origin(hint) is tuple:
        if not isinstance(plain, list):
            raise BundleError(f'expected {where} to be a list, found {plain!r}')
        return tuple(_value(get_args(hint)[0], value, where) for value in plain)
    if hint is not Any and type(plain) not in _ACCEPTED[hint]:
        raise BundleError(f'expected {where} to be of type {hint.__name__}, found {plain!r}')
    if isinstance(plain, int | float) and hint in _RANGES:
        low, high = _RANGES[hint]
        if not low <= plain < high:  # which is false of NaN, too
            raise BundleError(f'expected {where} from {low:g} to {high:g}, found {plain}')
        return hint(plain)
    return plain
