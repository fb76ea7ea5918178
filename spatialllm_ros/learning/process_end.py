"""The end of a process that trained together with others."""

from __future__ import annotations

import os
import sys

from torch import distributed


def leave_the_others() -> None:
    """End this process with success at once, without tearing Python down, if it had others.

    A thread of gloo drops the last tensors it sent when it comes to it. Where Python is being torn
    down by then, that aborts a process whose work was done. ``destroy_process_group`` does not
    wait for the thread while caches of sharded tensors still hold the group.
    Source: https://github.com/pytorch/pytorch/pull/179291.
    """
    if distributed.is_available() and distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
