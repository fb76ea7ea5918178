"""Who comes next where several want the same: the one that was served longest ago."""

from __future__ import annotations

from collections.abc import Iterable


class Turns:
    """Remembers in which order names were served."""

    def __init__(self) -> None:
        """Start with nobody served."""
        self._served: dict[str, int] = {}
        self._count = 0

    def order(self, names: Iterable[str]) -> list[str]:
        """Return names, the one served longest ago first; those never served keep their order."""
        return sorted(names, key=lambda name: self._served.get(name, 0))

    def serve(self, name: str) -> None:
        """Remember that it is a name's turn now."""
        self._count += 1
        self._served[name] = self._count
