"""A bundle into one of another precision, held against its parent on the task before it is kept.

The passes are deterministic; some need to know how large activations get on training worlds.
Validation worlds decide whether a result is good.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import onnx

from spatialllm_ros.deploy.bundle_export import check_disk
from spatialllm_ros.deploy.dynamic_int8 import dynamic_int8
from spatialllm_ros.deploy.float8 import float8_products
from spatialllm_ros.deploy.half_precision import to_half
from spatialllm_ros.deploy.nvfp4 import nvfp4_products
from spatialllm_ros.deploy.product_peaks import Peaks, product_peaks
from spatialllm_ros.deploy.replacing import replaced_bundle
from spatialllm_ros.deploy.weight_only import int4_weights, int8_weights
from spatialllm_ros.deploy.weight_storage import WeightStore, data_path, rewritten_graph
from spatialllm_ros.errors import BundleError, ConfigError
from spatialllm_ros.evaluation.validation_accuracy import ValidationWorlds, compare_accuracy
from spatialllm_ros.runtime.bundle import (
    DECODER,
    MANIFEST_NAME,
    ROLES,
    VISION,
    Bundle,
    Manifest,
    file_entry,
    load_bundle,
    sha256_of,
)

Pass = Callable[[onnx.ModelProto, WeightStore], None]
"""Changes a graph in place; weights go through a store."""


class ScaledPass(Protocol):
    """A pass that scales activations, and is told how large they get."""

    def __call__(self, model: onnx.ModelProto, store: WeightStore, *, peaks: Peaks) -> None:
        """Change a graph in place."""


@dataclass(frozen=True)
class Precision:
    """How the graphs of a bundle are rewritten.

    Attributes:
        names: what the manifest calls the result, by the parent's precision.
        passes: by the graph's role.
        scaled: of the decoder, in place of ``passes``.
        asked_as: a precision that computes the same where this machine cannot compute this one.
    """

    names: Mapping[str, str]
    passes: Mapping[str, Pass] = field(default_factory=dict)
    scaled: ScaledPass | None = None
    asked_as: str = ''

    def passes_for(self, parent: Bundle) -> Mapping[str, Pass]:
        """Return what changes a bundle's graphs, by their roles."""
        if self.scaled is None:
            return self.passes
        return {DECODER: partial(self.scaled, peaks=product_peaks(parent))}


PRECISIONS: dict[str, Precision] = {
    'fp16': Precision({'float32': 'float16'}, {DECODER: to_half, VISION: to_half}),
    'int8': Precision({'float32': 'int8', 'float16': 'float16-int8'}, {DECODER: int8_weights}),
    'int4': Precision({'float32': 'int4', 'float16': 'float16-int4'}, {DECODER: int4_weights}),
    'int8-dynamic': Precision({'float32': 'int8-dynamic'}, {DECODER: dynamic_int8}),
    'fp8': Precision({'float32': 'float8', 'float16': 'float16-float8'}, scaled=float8_products),
    'nvfp4': Precision(
        {'float32': 'nvfp4', 'float16': 'float16-nvfp4'},
        scaled=nvfp4_products,
        asked_as='nvfp4-imitated',
    ),
    'nvfp4-imitated': Precision(
        {'float32': 'nvfp4-imitated', 'float16': 'float16-nvfp4-imitated'},
        scaled=partial(nvfp4_products, imitated=True),
    ),
}
"""Every precision by its name on the command line."""


@dataclass(frozen=True)
class QuantiseSettings:
    """What to make of a bundle, and how much worse it may be.

    Attributes:
        precision: a key of ``PRECISIONS``.
        max_loss: of the mean accuracy, in points of a hundred.
        worlds: what both are asked about.
    """

    precision: str
    max_loss: float = 1.0
    worlds: ValidationWorlds = field(default_factory=ValidationWorlds)

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigError: an unknown precision, or a loss that is no share of a hundred points.
        """
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f'expected a precision of {list(PRECISIONS)}, found {self.precision!r}'
            )
        check_points(self.max_loss)


def check_points(loss: float) -> None:
    """Refuse what is no share of a hundred points.

    Raises:
        ConfigError: it is less than none, more than all, or no number.
    """
    if not 0 <= loss <= 100:
        raise ConfigError(f'expected a loss of 0 to 100 points, found {loss}')


@dataclass(frozen=True)
class Derivation:
    """Where a bundle comes from, and the accuracy of both on the same validation worlds.

    Attributes:
        parent_sha256: of the parent's manifest, which has the hashes of its files.
        parent_bytes: size of the parent's files that this bundle has, too.
    """

    parent: str
    parent_sha256: str
    parent_bytes: int
    first_seed: int
    worlds: int
    parent_accuracy: float
    accuracy: float


def quantise_bundle(folder: Path, out: Path, settings: QuantiseSettings) -> Bundle:
    """Write a bundle in another precision, unless it answers worse than allowed.

    Args:
        folder: the parent bundle's.
        out: the new bundle's; a bundle that is there is replaced.
        settings: see ``QuantiseSettings``.

    Raises:
        BundleError: there is no parent, a broken one, or one that was replaced meanwhile.
        ConfigError: the parent cannot have this precision, the place is taken, or too many
            answers got worse; nothing is written.
        SceneError: there is no OpenGL to draw with.
    """
    out = out.resolve()
    if out == folder.resolve():
        raise ConfigError(f'expected another folder than that of the parent, found {out}')
    parent = load_bundle(folder)
    identity = sha256_of(folder / MANIFEST_NAME)
    with replaced_bundle(out) as made:
        manifest = write_quantised(parent, made, settings.precision)
        asked = _asked(parent, made, settings.precision)
        before, after = compare_accuracy((parent, asked), settings.worlds)
        check_loss(before, after, settings)
        _check_unchanged(folder, identity)
        derived = _derivation(parent, identity, settings.worlds, before, after)
        _write_manifest(made, replace(manifest, derived=asdict(derived)))
    return load_bundle(out)


def write_quantised(parent: Bundle, folder: Path, precision: str) -> Manifest:
    """Write what runs a bundle in another precision; weights for training stay behind.

    Raises:
        ConfigError: the parent cannot have this precision, or the disk is too small.
        SceneError: there is no OpenGL to draw the worlds with that tell how large activations get.
    """
    chosen = PRECISIONS[precision]
    decoder = parent.manifest.decoder
    if decoder.precision not in chosen.names:
        raise ConfigError(
            f'expected a bundle in one of {list(chosen.names)} to make {precision} of, found '
            f'{decoder.precision} in {parent.folder}; take its parent'
        )
    check_disk(folder, _running_bytes(parent))
    passes = chosen.passes_for(parent)
    files = {}
    for role in ROLES:
        source = parent.path(role)
        path = folder / source.name
        if role in passes:
            with rewritten_graph(source, path) as (graph, store):
                passes[role](graph, store)
        else:
            _copy(source, path)
        files[role] = file_entry(path, folder)
        if data_path(path).is_file():
            files[data_path(path).name] = file_entry(data_path(path), folder)
    manifest = replace(
        parent.manifest,
        name=f'{parent.manifest.name}-{precision}',
        decoder=replace(decoder, precision=chosen.names[decoder.precision]),
        files=files,
    )
    _write_manifest(folder, manifest)
    return manifest


def _asked(parent: Bundle, made: Path, precision: str) -> Bundle:
    """Return the new bundle, or one beside it that computes the same on this machine."""
    if not (instead := PRECISIONS[precision].asked_as):
        return load_bundle(made)
    folder = made.with_name(instead)
    folder.mkdir()
    write_quantised(parent, folder, instead)
    return load_bundle(folder)


def _copy(source: Path, target: Path) -> None:
    for old, new in ((source, target), (data_path(source), data_path(target))):
        if old.is_file():
            shutil.copyfile(old, new)


def _running_bytes(bundle: Bundle) -> int:
    """Return the size of what answers questions, and not of the weights for training."""
    paths = [bundle.path(role) for role in ROLES]
    names = {path.name for path in (*paths, *map(data_path, paths))}
    return sum(entry.bytes for entry in bundle.manifest.files.values() if entry.path in names)


def check_loss(before: float, after: float, settings: QuantiseSettings) -> None:
    """Hold an accuracy against that of the parent.

    Raises:
        ConfigError: it is lower by more than allowed.
    """
    loss = 100 * (before - after)
    if loss > settings.max_loss:
        raise ConfigError(
            f'expected {settings.precision} to lose at most {settings.max_loss:g} points of '
            f'accuracy, found {loss:.2f} ({100 * before:.2f} before, {100 * after:.2f} after); '
            'take a finer precision, or allow more with --max-loss'
        )


def _check_unchanged(folder: Path, identity: str) -> None:
    """Refuse a parent of which some files may have been read before and some after a change."""
    if (found := sha256_of(folder / MANIFEST_NAME)) != identity:
        raise BundleError(
            f'{folder} was replaced meanwhile: expected a manifest with sha256 {identity}, found '
            f'{found}; run the command again'
        )


def _derivation(
    parent: Bundle, identity: str, worlds: ValidationWorlds, before: float, after: float
) -> Derivation:
    return Derivation(
        parent=parent.manifest.name,
        parent_sha256=identity,
        parent_bytes=_running_bytes(parent),
        first_seed=worlds.first_seed,
        worlds=worlds.count,
        parent_accuracy=before,
        accuracy=after,
    )


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding='utf-8')
