"""Standing questions from a YAML file: a list named ``watches`` of what ``Watch.msg`` holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.watches import Watch
from spatialllm_ros.schema import Query

MAX_BYTES = 64 * 1024
TEXTS, LISTS = {'name', 'question', 'camera'}, {'options'}


def load_watches(path: str | Path) -> list[Watch]:
    """Read standing questions; every word is text, ``yes`` and ``no`` too.

    Raises:
        ConfigError: names the file, the entry and what is wrong with it.
    """
    try:
        data = Path(path).read_bytes()
        if len(data) > MAX_BYTES:
            raise ConfigError(f'{path}: expected at most {MAX_BYTES} bytes, found {len(data)}')
        # The base loader makes nothing but texts, lists and mappings.
        read = yaml.load(data, Loader=yaml.BaseLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f'{path}: expected a YAML file with watches, found: {error}') from error
    entries = read.get('watches') if isinstance(read, dict) else None
    if not isinstance(entries, list):
        raise ConfigError(f'{path}: expected a list named watches, found none')
    return [_watch(entry, f'{path}: watch {number}') for number, entry in enumerate(entries, 1)]


def _watch(entry: Any, where: str) -> Watch:
    if not isinstance(entry, dict) or not {'name', 'question'} <= set(entry):
        raise ConfigError(f'{where}: expected a name and a question')
    if unknown := set(entry) - TEXTS - LISTS:
        known = ', '.join(sorted(TEXTS | LISTS))
        raise ConfigError(f'{where}: expected only {known}, found {sorted(map(str, unknown))}')
    options = entry.get('options', [])
    texts = [entry.get(name, '') for name in sorted(TEXTS)]
    if not isinstance(options, list) or not all(isinstance(t, str) for t in [*texts, *options]):
        raise ConfigError(f'{where}: expected texts, and options in a list')
    query = Query(entry['question'], tuple(options), entry.get('camera', ''))
    return Watch(entry['name'], query)
