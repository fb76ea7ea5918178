"""Parse every XML and YAML file under version control; name those that are broken.

python tools/check_data_files.py
"""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import yaml

PARSERS = {
    '.xml': ElementTree.parse,
    '.yaml': lambda path: list(yaml.safe_load_all(path.read_text(encoding='utf-8'))),
    '.yml': lambda path: list(yaml.safe_load_all(path.read_text(encoding='utf-8'))),
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
    sys.exit('\n'.join(broken_files()))
