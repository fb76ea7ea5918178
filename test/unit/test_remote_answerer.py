"""A benchmark's questions to a server that refuses some of them, or all."""

import numpy as np
import pytest
from chat_server import chat_server, says, status, words_of

from spatialllm_ros.errors import ReplyError
from spatialllm_ros.evaluation.answerers import RemoteAnswerer
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.runtime.engines.remote_server import RemoteServer
from spatialllm_ros.runtime.engines.remote_session import RemoteSession
from spatialllm_ros.schema import Answer, Frame, Query

FRAME = Frame(np.zeros((4, 4, 3), np.uint8), guessed_camera(4, 4, 1.0), 0, '', '')


def test_a_server_that_answers_may_refuse_some_questions():
    def reply(body):
        return (status(400) if words_of(body) == ['violent?'] else says('a car'))(body)

    with chat_server(reply) as server:
        answer = RemoteAnswerer(RemoteSession(RemoteServer(server.url, 'big')))
        together = answer(FRAME, [Query('what?'), Query('violent?')])
        (later,) = answer(FRAME, [Query('violent?')])
    assert [type(outcome) for outcome in (*together, later)] == [Answer, ReplyError, ReplyError]


def test_a_server_that_refuses_before_it_has_answered_ends_the_benchmark():
    with chat_server(status(400, 'no logprobs here')) as server:
        answer = RemoteAnswerer(RemoteSession(RemoteServer(server.url, 'big')))
        with pytest.raises(ReplyError, match='no logprobs here; see its log'):
            answer(FRAME, [Query('what?'), Query('where?')])
