"""What is left of a bundle where replacing it is interrupted, or its disk is full."""

import resource
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import save_file

from spatialllm_ros.deploy.replacing import replaced_bundle
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.bundle import find_bundle

SIZE = 100_000


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / 'bundle'
    made.mkdir()
    shutil.copy(find_bundle('nano') / 'manifest.json', made)
    return made


@contextmanager
def no_room():
    """Let no file grow beyond a size: what writes to it fails as it does on a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def graph(path: Path) -> None:
    weight = numpy_helper.from_array(np.zeros(SIZE, np.float32), 'w')
    made = onnx.helper.make_graph([], 'g', [], [], [weight])
    onnx.save(onnx.helper.make_model(made), path)


@pytest.mark.parametrize('write', [
    graph,
    lambda path: np.save(path, np.zeros(SIZE)),
    lambda path: np.zeros(SIZE).tofile(path),
    lambda path: save_file({'weight': torch.zeros(SIZE)}, path),
])  # fmt: skip
def test_a_full_disk_is_told_and_leaves_the_old_bundle(folder, write):
    with pytest.raises(ConfigError, match=rf'to write {folder}, found .*make room'):  # noqa: SIM117
        with replaced_bundle(folder) as made, no_room():
            write(made / 'file')
    assert [path.name for path in folder.iterdir()] == ['manifest.json']
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize(('step', 'is_done', 'kept'), [
    (1, False, 'manifest.json'), (1, True, 'manifest.json'), (2, False, 'manifest.json'),
    (2, True, 'new'),
])  # fmt: skip
def test_an_interrupted_exchange_loses_neither(folder, monkeypatch, step, is_done, kept):
    rename, steps = Path.rename, []

    def interrupted(path, target):
        steps.append(path)
        if len(steps) != step or is_done:
            rename(path, target)
        if len(steps) == step:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, 'rename', interrupted)
    with pytest.raises(KeyboardInterrupt), replaced_bundle(folder) as made:
        (made / 'new').write_text('')
    assert [path.name for path in folder.iterdir()] == [kept]
    assert list(folder.parent.iterdir()) == [folder]
