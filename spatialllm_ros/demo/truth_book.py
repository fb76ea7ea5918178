"""What is true of the newest images, looked up by the stamp that an answer carries."""

from __future__ import annotations

import threading
from collections import OrderedDict

from spatialllm_ros.demo.truth import Stamp, Truth, read_truth

KEPT = 256
"""Images whose truth is remembered, some ten seconds of them."""


class TruthBook:
    """Filled by one thread, read by another."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self._changed = threading.Condition()
        self._truths: OrderedDict[Stamp, Truth] = OrderedDict()

    def add(self, text: str) -> None:
        """Take the text of a message.

        Raises:
            SceneError: it is no truth.
        """
        stamp, truth = read_truth(text)
        with self._changed:
            self._truths[stamp] = truth
            if len(self._truths) > KEPT:
                self._truths.popitem(last=False)
            self._changed.notify_all()

    def newest(self, timeout_s: float = 0.0) -> Truth | None:
        """Return the truth of the newest image; None where none is known within the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._truths, timeout_s)
            return next(reversed(self._truths.values()), None)

    def about(self, stamp: Stamp) -> Truth | None:
        """Return the truth of the image with this stamp; None where it is not known."""
        with self._changed:
            return self._truths.get(stamp)
