"""Where the files that come with this package lie: beside its sources, or in a share folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from spatialllm_ros.errors import ConfigError


def share_folders() -> list[Path]:
    """Return the folders that may hold them, the sources' own first."""
    prefixes = [part for part in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if part]
    shares = [Path(prefix) / 'share' / 'spatialllm_ros' for prefix in (*prefixes, sys.prefix)]
    return [Path(__file__).resolve().parents[2], *shares]


def shared_file(name: str) -> Path:
    """Return a file that comes with this package (``config/fastdds_shm.xml``).

    Raises:
        ConfigError: there is none; names the places that were searched.
    """
    places = [folder / name for folder in share_folders()]
    for place in places:
        if place.is_file():
            return place
    searched = ', '.join(str(place) for place in places)
    raise ConfigError(f'expected {name}, found none at {searched}; build the package anew')
