"""Memory in huge pages, as the kernel itself counts them."""

import mmap
import platform
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spatialllm_ros.runtime.engines import huge_pages as module
from spatialllm_ros.runtime.engines.huge_pages import huge_pages

BLOCK_BYTES = 16 * 2**20


def _huge_bytes() -> int:
    text = Path('/proc/self/smaps_rollup').read_text(encoding='ascii')
    return 1024 * int(re.search(r'AnonHugePages:\s+(\d+) kB', text)[1])


def _kernel_collapses() -> bool:
    if module._page_bytes() is None:
        return False
    major, minor = map(int, re.match(r'(\d+)\.(\d+)', platform.release()).groups())
    return (major, minor) >= (6, 1)


def _block() -> mmap.mmap:
    block = mmap.mmap(-1, BLOCK_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    block.madvise(mmap.MADV_NOHUGEPAGE)  # where the kernel gives them to everyone
    np.frombuffer(block, np.uint8)[:] = np.arange(BLOCK_BYTES, dtype=np.uint32).astype(np.uint8)
    block.madvise(mmap.MADV_HUGEPAGE)  # forgives, but changes no page that is there
    return block


@pytest.mark.skipif(not _kernel_collapses(), reason='needs Linux 6.1 with huge pages')
def test_what_is_taken_lies_in_huge_pages_and_keeps_its_values():
    before = _huge_bytes()
    with huge_pages():
        block = _block()
    assert _huge_bytes() - before >= BLOCK_BYTES / 2  # its ends need not be aligned
    expected = np.arange(BLOCK_BYTES, dtype=np.uint32).astype(np.uint8)
    np.testing.assert_array_equal(np.frombuffer(block, np.uint8), expected)


@pytest.mark.parametrize('enabled', ['always madvise [never]\n', None])
def test_switched_off_nothing_is_asked_of_the_kernel(tmp_path, monkeypatch, enabled):
    if enabled:
        (tmp_path / 'enabled').write_text(enabled)
        (tmp_path / 'hpage_pmd_size').write_text('2097152\n')
    monkeypatch.setattr(module, 'SETTINGS', tmp_path)
    monkeypatch.setattr(module, 'MAPS', tmp_path / 'none')
    with huge_pages():
        pass


def test_an_older_kernel_as_imitated_is_asked_to_do_it_by_and_by(monkeypatch):
    advised = []

    def madvise(start, size, advice):
        advised.append((start, size, advice))
        return -1 if advice == module.MADV_COLLAPSE else 0

    monkeypatch.setattr(module.ctypes, 'CDLL', lambda name: SimpleNamespace(madvise=madvise))
    module._collapse([(0x1000, 0x900000), (0x1000, 0x2000)], 0x200000)
    inside = (0x200000, 0x600000)
    assert advised == [(*inside, module.MADV_COLLAPSE), (*inside, module.MADV_HUGEPAGE)]
