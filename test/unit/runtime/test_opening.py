"""Which session is opened for what is asked for."""

from dataclasses import replace

import pytest

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime import session as session_module
from spatialllm_ros.runtime.answers import percent, sureness
from spatialllm_ros.runtime.engines.remote_session import RemoteSession
from spatialllm_ros.runtime.opening import ENGINE_NAMES, ModelSource, open_session
from spatialllm_ros.runtime.session import SpatialSession

SERVER = ModelSource(
    engine='remote', server_url='http://127.0.0.1:9/v1', server_model='some-model'
)


def test_a_bundle_is_opened_in_the_engine_that_is_asked_for(
    bundle_folder, text_engine, monkeypatch
):
    asked = []

    def load(bundle, *asked_for, **more):
        asked.append((bundle.manifest.name, *asked_for, more))
        return text_engine({})

    monkeypatch.setattr(session_module, 'load_engine', load)
    session = open_session(ModelSource(str(bundle_folder), 'onnx', 3, allow_fallback=True))
    assert isinstance(session, SpatialSession)
    assert session.precision == 'float32'
    assert asked == [('tiny', 'onnx', 3, {'allow_fallback': True})]


def test_a_server_needs_no_bundle():
    session = open_session(replace(SERVER, bundle='no such folder'))
    assert isinstance(session, RemoteSession)
    assert session.engine_name == 'some-model at http://127.0.0.1:9/v1'
    assert session.precision == 'as served'
    assert 'remote' in ENGINE_NAMES


@pytest.mark.parametrize(('changes', 'words'), [
    ({'server_model': ''}, 'a model on the server, found none; .* --model .* server_model'),
    ({'server_url': ''}, 'the URL of a server'),
    ({'engine': 'steam'}, "found 'steam'"),
])  # fmt: skip
def test_what_cannot_be_opened_is_named(bundle_folder, changes, words):
    with pytest.raises(EngineError, match=words):
        open_session(replace(SERVER, bundle=str(bundle_folder), **changes))


@pytest.mark.parametrize(('confidence', 'words', 'rank'), [
    (0.874, '87%', 0.874), (1.0, '100%', 1.0), (0.01, '1%', 0.01), (0.0099, 'below 1%', 0.0099),
    (float('nan'), 'unknown', 0.0),
])  # fmt: skip
def test_confidences_are_read_and_ranked(confidence, words, rank):
    assert percent(confidence) == words
    assert sureness(confidence) == rank
