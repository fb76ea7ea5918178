"""A bundle is whole, unaltered and its own, or it is refused by name."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spatialllm_ros.errors import BundleError
from spatialllm_ros.runtime.bundle import (
    FileEntry,
    file_entry,
    find_bundle,
    load_bundle,
    parse_manifest,
)


def test_a_manifest_is_read_back_as_it_was_written(bundle_folder):
    bundle = load_bundle(bundle_folder)
    assert parse_manifest(bundle.manifest.to_json()) == bundle.manifest
    assert bundle.path('vision') == bundle_folder / 'vision.onnx'


def test_files_are_described_by_size_and_hash(bundle_folder):
    data = (bundle_folder / 'vision.onnx').read_bytes()
    expected = FileEntry('vision.onnx', len(data), hashlib.sha256(data).hexdigest())
    assert file_entry(bundle_folder / 'vision.onnx', bundle_folder) == expected


def missing(path):
    path.unlink()


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1])


def longer(path):
    path.write_bytes(path.read_bytes() + b'\0')


def altered(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    'name', ['vision.onnx', 'decoder.onnx', 'embeddings.npy', 'tokenizer.json']
)
@pytest.mark.parametrize(('harm', 'words'), [
    (missing, 'is missing'),
    (truncated, 'is truncated: expected .* bytes, found'),
    (longer, 'is too long'),
    (altered, 'is altered: expected sha256'),
    (a_folder, 'is missing'),
])  # fmt: skip
def test_a_harmed_file_is_named(bundle_folder, name, harm, words):
    harm(bundle_folder / name)
    with pytest.raises(BundleError, match=f'{name} {words}.*fetch the bundle anew'):
        load_bundle(bundle_folder)


@pytest.mark.parametrize(('name', 'harm', 'words'), [
    ('manifest.json', missing, r'manifest\.json is missing'),
    ('manifest.json', a_folder, 'expected a manifest, found .*Is a directory'),
    ('manifest.json/x', None, 'expected a manifest, found .*Not a directory'),
])  # fmt: skip
def test_what_is_no_bundle_is_refused(bundle_folder, name, harm, words):
    path = bundle_folder / name
    if harm is not None:
        harm(path)
    with pytest.raises(BundleError, match=f'{words}.*fetch the bundle anew'):
        load_bundle(path.parent)


def test_a_file_that_cannot_be_read_is_named(bundle_folder, monkeypatch):
    def fail(*_):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(hashlib, 'file_digest', fail)
    with pytest.raises(BundleError, match=r'vision\.onnx: .*Permission denied.*allow reading'):
        load_bundle(bundle_folder)


@pytest.mark.parametrize(('where', 'value', 'words'), [
    ('format', 'another-format', 'manifest of a spatialllm-bundle'),
    ('format', None, 'manifest of a spatialllm-bundle'),
    ('schema_version', 2, 'schema version 1, found 2'),
    ('tokens.absent', None, r"expected \['absent'\] in manifest.tokens"),
    ('tokens.absent', 'there', 'manifest.tokens.absent to be of type int'),
    ('tokens.absent', True, 'manifest.tokens.absent to be of type int'),
    ('decoder', 3, 'manifest.decoder to be an object'),
    ('surprise', 3, r"expected no \['surprise'\] in manifest"),
    ('files', 3, 'manifest.files to be an object'),
    ('files.vision', None, "a file for 'vision'"),
    ('files.vision.path', '/etc/passwd', 'inside the bundle'),
    ('files.vision.path', '../elsewhere.onnx', 'inside the bundle'),
    ('files.vision.path', 'part/../../elsewhere.onnx', 'inside the bundle'),
    ('files.vision.bytes', -1, 'manifest.files.vision.bytes from 0 to'),
    ('decoder.context', -1, 'manifest.decoder.context from 0 to'),
    ('temperature', float('nan'), 'manifest.temperature from'),
    ('temperature', 10**400, 'manifest.temperature from'),
    ('temperature', 0, 'a temperature above 0'),
    ('image.std', -1.0, 'a std above 0'),
    ('temperature', '1.0', 'manifest.temperature to be of type float'),
])  # fmt: skip
def test_what_is_wrong_in_a_manifest_is_named(bundle_folder, tamper, where, value, words):
    tamper(where, value)
    with pytest.raises(BundleError, match=words):
        load_bundle(bundle_folder)


@pytest.mark.parametrize(
    'content', [b'', b'{', b'[]', b'null', b'\xff\xfe', b'"text"', b'[' * 99999]
)
def test_a_manifest_that_is_none(bundle_folder, content):
    (bundle_folder / 'manifest.json').write_bytes(content)
    with pytest.raises(BundleError, match=r'manifest\.json: expected'):
        load_bundle(bundle_folder)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_change_of_a_manifest_is_read_or_refused(bundle_folder, data):
    manifest = json.loads((bundle_folder / 'manifest.json').read_text())
    inner = manifest
    while True:
        key = data.draw(st.sampled_from(sorted(inner)))
        if not isinstance(inner[key], dict) or not inner[key] or data.draw(st.booleans()):
            break
        inner = inner[key]
    inner[key] = data.draw(plain)
    try:
        parse_manifest(json.dumps(manifest))
    except BundleError:
        return


def test_a_role_that_is_not_there(bundle_folder):
    with pytest.raises(BundleError, match="a file for 'weights', found only"):
        load_bundle(bundle_folder).path('weights')


def test_bundles_are_found_by_folder_and_by_name(bundle_folder, tmp_path, monkeypatch):
    assert find_bundle(bundle_folder) == bundle_folder
    share = tmp_path / 'prefix' / 'share' / 'spatialllm_ros' / 'models' / 'shipped'
    shutil.copytree(bundle_folder, share)
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path / "prefix"}')
    assert find_bundle('shipped') == share
    monkeypatch.chdir(tmp_path)
    assert find_bundle('tiny') == Path('tiny')


def test_a_bundle_that_is_nowhere_names_where_it_was_looked_for(tmp_path):
    with pytest.raises(BundleError, match=f'none at {tmp_path}.*export_onnx'):
        find_bundle(tmp_path)
    with pytest.raises(BundleError, match='models/absent'):
        find_bundle('absent')
