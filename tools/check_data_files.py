"""Parse every XML and YAML file under version control; name those that are broken.

python tools/check_data_files.py
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import yaml


def parse_yaml(path: Path) -> object:
    """Read every document of a YAML file."""
    return list(yaml.safe_load_all(path.read_text(encoding='utf-8')))


PARSERS: dict[str, Callable[[Path], object]] = {
    '.xml': ElementTree.parse,
    '.yaml': parse_yaml,
    '.yml': parse_yaml,
}


def broken_files() -> list[str]:
    """Return one line per file that does not parse: its name and why."""
    listed = subprocess.run(['git', 'ls-files'], capture_output=True, text=True, check=True)
    lines = []
    for path in map(Path, listed.stdout.splitlines()):
        parse = PARSERS.get(path.suffix)
        if parse is None:
            continue
        try:
            parse(path)
        except (ElementTree.ParseError, yaml.YAMLError) as error:
            lines.append(f'{path}: {error}')
    return lines


if __name__ == '__main__':
    sys.exit('\n'.join(broken_files()) or None)
