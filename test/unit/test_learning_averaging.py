"""The mean of models, against NumPy; what cannot be averaged is refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.averaging import average_models


@pytest.fixture
def folders(tmp_path):
    made = []
    for seed, dtype in enumerate((np.float16, np.float32, np.float32)):
        rng = np.random.default_rng(seed)
        folder = tmp_path / f'model-{seed}'
        folder.mkdir()
        weights = {'a': rng.normal(size=(3, 2)).astype(dtype), 'steps': np.array(4 + 2 * seed)}
        save_file(weights, folder / 'model.safetensors')
        (folder / 'config.json').write_text(json.dumps({'seed': seed}))
        (folder / 'tokenizer.json').write_text('words')
        made.append(folder)
    return made


def test_every_weight_is_the_mean(folders, tmp_path):
    average_models(folders, tmp_path / 'out')
    found = load_file(tmp_path / 'out' / 'model.safetensors')
    own = [load_file(folder / 'model.safetensors') for folder in folders]
    np.testing.assert_allclose(
        found['a'], np.mean([w['a'].astype(np.float64) for w in own], axis=0), rtol=1e-6
    )
    assert found['a'].dtype == np.float32
    assert (found['steps'], found['steps'].dtype) == (6, np.int64)
    assert json.loads((tmp_path / 'out' / 'config.json').read_text()) == {'seed': 0}
    assert (tmp_path / 'out' / 'tokenizer.json').read_text() == 'words'


def test_unlike_models_are_refused(folders, tmp_path):
    out = tmp_path / 'out'
    with pytest.raises(ConfigError, match='at least two models'):
        average_models(folders[:1], out)
    with pytest.raises(ConfigError, match=r'expected .*nowhere'):
        average_models([folders[0], tmp_path / 'nowhere'], out)
    (folders[1] / 'tokenizer.json').unlink()
    with pytest.raises(ConfigError, match=r'model-1/tokenizer\.json'):
        average_models(folders[:2], out)
    (folders[1] / 'tokenizer.json').write_text('other words')
    with pytest.raises(ConfigError, match=r'model-1.*tokenizer\.json'):
        average_models(folders[:2], out)
    save_file({'a': np.zeros((2, 3)), 'b': np.zeros(1)}, folders[2] / 'model.safetensors')
    with pytest.raises(ConfigError, match=r"model-2.*'a', 'b', 'steps'"):
        average_models([folders[0], folders[2]], out)
    assert not out.exists()


def test_a_matrix_that_is_stored_twice_is_the_same_one(folders, tmp_path):
    words = np.arange(6, dtype=np.float32).reshape(3, 2)
    head, table = (f'language_model.{name}.weight' for name in ('lm_head', 'model.embed_tokens'))
    save_file({table: words, head: words}, folders[0] / 'model.safetensors')
    save_file({table: words + 2}, folders[1] / 'model.safetensors')
    average_models(folders[:2], tmp_path / 'out')
    found = load_file(tmp_path / 'out' / 'model.safetensors')
    np.testing.assert_array_equal(found[table], words + 1)
    assert set(found) == {table}
    save_file({table: words, head: words + 1}, folders[0] / 'model.safetensors')
    with pytest.raises(ConfigError, match='lm_head'):
        average_models(folders[:2], tmp_path / 'other')


@pytest.mark.parametrize('taken', ['model-0', 'other', 'file'])
def test_what_is_there_already_stays_as_it_is(folders, tmp_path, taken):
    """An average written over one of its models, or into a bundle, would destroy that."""
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'decoder.onnx').write_text('graph')
    (tmp_path / 'file').write_text('text')
    before = {p: p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()}
    with pytest.raises(ConfigError, match=f'a new folder.*found .*{taken}'):
        average_models(folders, tmp_path / taken)
    assert {p: p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()} == before


def test_an_average_that_breaks_off_is_not_there(folders, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError('no space left on device')

    monkeypatch.setattr('spatialllm_ros.learning.averaging.shutil.copyfile', full)
    with pytest.raises(OSError, match='no space'):
        average_models(folders, tmp_path / 'out')
    assert {path.name for path in tmp_path.iterdir()} == {'model-0', 'model-1', 'model-2'}
