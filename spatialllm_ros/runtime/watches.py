"""Standing questions: what may be one, and which images each has seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spatialllm_ros.errors import QuestionError
from spatialllm_ros.schema import Query

MAX_WATCHES = 32
MAX_NAME_LENGTH = 64
NAME = re.compile(r'[a-z][a-z0-9]*(_[a-z0-9]+)*')
"""A ROS name: no double underscore, none at the end."""


@dataclass(frozen=True)
class Watch:
    """A standing question: asked of every encoded image of the camera that its query names."""

    name: str
    query: Query


def check_names(watches: Sequence[Watch]) -> None:
    """Refuse standing questions that cannot be told apart, or too many.

    Raises:
        QuestionError: names every bad name.
    """
    if len(watches) > MAX_WATCHES:
        raise QuestionError(f'expected at most {MAX_WATCHES} watches, found {len(watches)}')
    names = [watch.name for watch in watches]
    problems = [
        'expected a name of lower-case letters, digits and single underscores, of at most '
        f'{MAX_NAME_LENGTH} characters, found {name[: MAX_NAME_LENGTH + 1]!r}'
        for name in names
        if len(name) > MAX_NAME_LENGTH or not NAME.fullmatch(name)
    ]
    problems += [
        f'expected each name once, found {name!r} {names.count(name)} times'
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    if problems:
        raise QuestionError('; '.join(problems))


class WatchRounds:
    """Which standing questions have seen which encoded image.

    ``replace`` may be called from any thread, the rest belongs to the scheduler's worker. Images
    are told apart by numbers that grow; 0 is no image.
    """

    def __init__(self) -> None:
        """Start without standing questions."""
        self._watches: tuple[Watch, ...] = ()
        self._seen: dict[Watch, int] = {}
        self._passed: dict[Watch, int] = {}

    def replace(self, watches: Sequence[Watch]) -> None:
        """Ask these from now on; one that stays goes on where it was."""
        seen, passed = self._seen, self._passed
        self._seen = {watch: seen[watch] for watch in watches if watch in seen}
        self._passed = {watch: passed[watch] for watch in watches if watch in passed}
        self._watches = tuple(watches)

    def on(self, camera: str) -> list[Watch]:
        """Return what is asked of a camera."""
        return [watch for watch in self._watches if watch.query.camera == camera]

    def due(self, camera: str, image: int) -> list[Watch]:
        """Return those that are still to see a camera's image; who waits longest comes first."""
        seen, passed = self._seen, self._passed
        due = [
            watch
            for watch in self.on(camera)
            if max(seen.get(watch, 0), passed.get(watch, 0)) < image
        ]
        return sorted(due, key=lambda watch: seen.get(watch, 0))

    def mark(self, watch: Watch, image: int) -> None:
        """Remember that a standing question has seen an image."""
        self._seen[watch] = image

    def pass_over(self, watch: Watch, image: int) -> None:
        """Remember that a standing question will not see an image; it waits on for the next."""
        self._passed[watch] = image

    def renew(self, camera: str, image: int, newer: int) -> None:
        """Let a newer image take the place of one that not all have seen, in the same round."""
        for watch in self.on(camera):
            if self._seen.get(watch, 0) == image < newer:
                self._seen[watch] = newer
