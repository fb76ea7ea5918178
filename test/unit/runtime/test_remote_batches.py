"""Questions that a server is asked side by side: what befalls one of them and what befalls all."""

import threading
import time

import numpy as np
import pytest
from chat_server import ok, says, status, words_of

from spatialllm_ros.errors import EngineError, QuestionError, ReplyError
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.runtime.answering import Request
from spatialllm_ros.runtime.engines.remote_server import MAX_BYTES, RemoteServer
from spatialllm_ros.schema import Frame, Query

FRAME = Frame(np.zeros((4, 4, 3), np.uint8), guessed_camera(4, 4, 1.0), 0, '', 'front')


def ask(session, *queries):
    requests = [Request(query) for query in queries]
    return session.answer_batch(session.encode(FRAME), requests)


def texts(outcomes):
    return [getattr(outcome, 'text', None) for outcome in outcomes]


def test_a_batch_keeps_its_order_and_its_errors(serve):
    def reply(body):
        return says('B' if 'second' in words_of(body)[0] else 'A')(body)

    _, session = serve(reply)
    outcomes = ask(
        session,
        Query('first', ('x', 'y')),
        Query(' '),
        Query('second', ('x', 'y')),
        Query('third'),
    )
    assert texts(outcomes) == ['x', None, 'y', 'a']
    assert isinstance(outcomes[1], QuestionError)


REFUSALS = {
    'refused': status(400, 'content policy'),
    'too large': status(413),
    'not understood': status(422),
    'filtered': ok({'choices': []}),
    'endless': lambda _: (200, {}, [b' ' * (MAX_BYTES + 1)]),
}


@pytest.mark.parametrize('refusal', REFUSALS)
def test_a_question_that_is_refused_spoils_no_other(serve, refusal):
    refused = threading.Event()

    def reply(body):
        (words,) = words_of(body)
        if words == 'the bad one':
            refused.set()
            return REFUSALS[refusal](body)
        refused.wait()
        time.sleep(0.2)  # the refusal is there first
        return says('a car')(body)

    _, session = serve(reply)
    outcomes = ask(session, Query('what?'), Query('the bad one'), Query('what else?'))
    assert texts(outcomes) == ['a car', None, 'a car']
    assert isinstance(outcomes[1], ReplyError)
    assert str(outcomes[1]).startswith('expected a chat completion by big from ')


@pytest.mark.parametrize('code', [401, 403, 404, 500])
def test_a_server_that_fails_as_a_whole_ends_the_batch(serve, code):
    def reply(body):
        if words_of(body) == ['the first']:
            return status(code)(body)
        server.done.wait()
        return says('a car')(body)

    server, session = serve(reply)
    with pytest.raises(EngineError, match=f'HTTP {code}'):
        ask(session, Query('the first'), Query('the second'))


def test_whatever_happens_to_a_question_spoils_no_other(serve, monkeypatch):
    complete = RemoteServer.complete

    def failing(self, messages, max_tokens):
        if words_of({'messages': messages}) == ['bad']:
            raise OverflowError('too large')
        return complete(self, messages, max_tokens)

    monkeypatch.setattr(RemoteServer, 'complete', failing)
    _, session = serve(says('a car'))
    outcomes = ask(session, Query('what?'), Query('bad'), Query('what else?'))
    assert texts(outcomes) == ['a car', None, 'a car']
    assert isinstance(outcomes[1], EngineError)
    assert "found a failure: OverflowError('too large')" in str(outcomes[1])
