"""Which words an exported model has to know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.questions.vocabulary import PIECES, answer_words, numbers, words

USED = 'used'


@dataclass(frozen=True)
class NeededWords:
    """What is kept of a vocabulary.

    Attributes:
        source: ``used``, or the name of the file.
        texts: words, marks and sentences.
    """

    source: str
    texts: tuple[str, ...]


def needed_words(source: str) -> NeededWords:
    """Return the words of the project's own questions and answers, or those of a file.

    With a file's words go those of every answer (numbers, units, colours, sides), names of
    objects excepted.

    Args:
        source: ``used``, or a path of a text file with a word or sentence in each line.

    Raises:
        ConfigError: the file cannot be read or is empty.
    """
    if source == USED:
        return NeededWords(USED, (*words(), *numbers()))
    path = Path(source)
    lines = _lines(path)
    single = dict.fromkeys(word for line in lines for word in re.findall(PIECES, line))
    return NeededWords(path.name, (*lines, *single, *answer_words(), *numbers()))


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f'expected {USED!r} or a text file with a word or sentence in each line at {path}, '
            f'found: {error}; name another file'
        ) from error
    lines = [' '.join(line.split()) for line in text.splitlines()]
    if not any(lines):
        raise ConfigError(
            f'{path}: expected a word or sentence in each line, found an empty file; write the '
            f'words that questions will use, or say {USED!r}'
        )
    return [line for line in lines if line]
