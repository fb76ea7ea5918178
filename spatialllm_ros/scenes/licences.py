"""Licences of annotated data: named by every record, accepted by name before a record is written.

Names are SPDX identifiers, or ``LicenseRef-`` names where SPDX has none. A scene whose parts have
several licences names them all, joined by ``AND`` as in an SPDX expression.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.schema import Scene

AND = ' AND '


@dataclass(frozen=True)
class Licence:
    """What one licence is called, where it can be read, and whether it forbids commerce."""

    name: str
    url: str
    non_commercial: bool


CC = 'https://creativecommons.org/licenses'
OWN_IMAGES = 'LicenseRef-own-images'
"""Of images whose user owns them."""
LICENCES: dict[str, Licence] = {
    entry.name: entry
    for entry in (
        Licence('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0', False),
        Licence('CC-BY-4.0', f'{CC}/by/4.0/', False),
        Licence('CC-BY-NC-4.0', f'{CC}/by-nc/4.0/', True),
        Licence('CC-BY-NC-SA-3.0', f'{CC}/by-nc-sa/3.0/', True),
        Licence('CC-BY-NC-SA-4.0', f'{CC}/by-nc-sa/4.0/', True),
        Licence('CC-BY-SA-3.0', f'{CC}/by-sa/3.0/', False),
        Licence(
            'C-UDA-1.0',
            'https://github.com/google-research-datasets/Objectron/blob/master/LICENSE',
            False,
        ),
        Licence('LicenseRef-Apple-AMLR', 'https://huggingface.co/apple/DepthPro-hf', True),
        Licence('LicenseRef-ImageNet', 'https://www.image-net.org/download.php', True),
        Licence(OWN_IMAGES, 'docs/guide/datasets.md', False),
        Licence('LicenseRef-nuScenes', 'https://www.nuscenes.org/terms-of-use', True),
        # No licence is stated there, so nothing is permitted beyond what the authors allow.
        Licence('LicenseRef-SUNRGBD', 'https://rgbd.cs.princeton.edu/', True),
        Licence('MIT', 'https://opensource.org/license/mit', False),
    )
}


def licence_expression(names: Iterable[str]) -> str:
    """Return the licence of a record whose parts have these licences."""
    return AND.join(names)


def accepted(scenes: Iterable[Scene], names: Collection[str]) -> Iterator[Scene]:
    """Yield the scenes, each after a look at its licence.

    Raises:
        ConfigError: a scene is not for commerce and its licence is not among ``names``.
    """
    for scene in scenes:
        require_accepted(scene.source, scene.licence, names)
        yield scene


def require_accepted(what: str, expression: str, names: Collection[str]) -> None:
    """Go on if every licence of an expression permits commerce or is among ``names``.

    Raises:
        ConfigError: one does not and is not; the message says where to read it.
    """
    missing = [
        LICENCES[name]
        for name in expression.split(AND)
        if LICENCES[name].non_commercial and name not in names
    ]
    if missing:
        flags = ' '.join(f'--accept-licence {licence.name}' for licence in missing)
        urls = ', '.join(licence.url for licence in missing)
        raise ConfigError(
            f'{what} is not for commercial use: read {urls} and, if your use is '
            f'permitted, say so with {flags}'
        )
