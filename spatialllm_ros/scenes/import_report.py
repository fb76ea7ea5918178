"""What an import kept, left out and could not read; one bad record never ends it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from PIL import Image

from spatialllm_ros.errors import GeometryError, SceneError

T = TypeVar('T')

MALFORMED = (
    SceneError, GeometryError, ArithmeticError, AttributeError, LookupError, OSError, TypeError,
    ValueError, Image.DecompressionBombError, SyntaxError,
)  # fmt: skip
"""What reading a damaged record raises (Pillow calls a broken PNG a SyntaxError)."""


@dataclass(frozen=True)
class Skipped:
    """A record that could not be read: the file and line or token it has, and what is wrong."""

    where: str
    why: str


@dataclass
class ImportReport:
    """The account of one import.

    Attributes:
        left_out: how many sound records were not wanted, by reason.
        skipped: the malformed ones.
    """

    scenes: int = 0
    objects: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)

    def reading(self, where: str, read: Callable[..., T], *args: object) -> list[T]:
        """Return what ``read`` returns in a list of one; an empty one, noted, if it cannot."""
        try:
            return [read(*args)]
        except MALFORMED as error:
            self.skipped.append(Skipped(where, f'{type(error).__name__}: {error}'))
            return []

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Count sound records that are not wanted."""
        if count > 0:
            self.left_out[reason] = self.left_out.get(reason, 0) + count

    def write(self, path: Path) -> None:
        """Write the account as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + '\n', encoding='utf-8')

    def summary(self) -> str:
        """Return the account in one line."""
        left_out = ', '.join(f'{count} {reason}' for reason, count in self.left_out.items())
        return (
            f'{self.scenes} scenes with {self.objects} objects kept; '
            f'{len(self.skipped)} malformed records skipped; left out: {left_out or "none"}'
        )
