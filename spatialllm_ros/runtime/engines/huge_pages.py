"""Weights in huge pages: read from end to end for each word, they take fewer address look-ups.

Linux alone; elsewhere, and where an operator has switched huge pages off, nothing happens.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

SETTINGS = Path('/sys/kernel/mm/transparent_hugepage')
"""Source: the kernel's admin guide, "Transparent Hugepage Support"."""
MAPS = Path('/proc/self/maps')
MADV_HUGEPAGE, MADV_COLLAPSE = 14, 25
"""By and by, and at once (since Linux 6.1). Source: madvise(2), asm-generic/mman-common.h."""

Range = tuple[int, int]
"""First address and the one behind the last."""


@contextmanager
def huge_pages() -> Iterator[None]:
    """Let what memory the body takes lie in huge pages, as far as the kernel has some."""
    page_bytes = _page_bytes()
    if page_bytes is None:
        yield
        return
    before = set(_anonymous_ranges())
    yield
    _collapse(set(_anonymous_ranges()) - before, page_bytes)


def _page_bytes() -> int | None:
    """Return the size of a huge page, or None where there are none to be had."""
    try:
        if '[never]' in (SETTINGS / 'enabled').read_text(encoding='ascii'):
            return None
        return int((SETTINGS / 'hpage_pmd_size').read_text(encoding='ascii'))
    except OSError:
        return None


def _anonymous_ranges() -> Iterator[Range]:
    """Yield the writable memory that no file is behind. Source: proc_pid_maps(5)."""
    for line in MAPS.read_text(encoding='utf-8').splitlines():
        addresses, access, _, _, inode, *name = line.split(maxsplit=5)
        if access == 'rw-p' and inode == '0' and (not name or name[0] == '[heap]'):
            first, behind = addresses.split('-')
            yield int(first, 16), int(behind, 16)


def _collapse(ranges: Iterable[Range], page_bytes: int) -> None:
    """Ask for huge pages; one that cannot be had stays many small ones."""
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for first, behind in ranges:
        start = -(-first // page_bytes) * page_bytes
        size = behind // page_bytes * page_bytes - start
        if size > 0 and madvise(start, size, MADV_COLLAPSE):
            madvise(start, size, MADV_HUGEPAGE)
