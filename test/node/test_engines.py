"""Other engines in a running node, over real DDS: a model on a server, a fallback."""

import math
from pathlib import Path

from chat_server import chat_server, says

SHIPPED_NODE = Path(__file__).parents[2] / 'spatialllm_ros/node/main.py'
OK = 0
YES_NO = {'question': 'is there a red car?', 'options': ['yes', 'no']}


def test_a_server_answers(start_node, peer, grey_image):
    with chat_server(says('A')) as server:
        start_node(
            SHIPPED_NODE, engine='remote', server_url=server.url, server_model='big',
            bundle='none',
        )  # fmt: skip
        peer.until(lambda: peer.state() == 'active')
        diagnostics = peer.diagnostics()
        with peer.filming(grey_image()):
            answer = peer.ask_until(OK, **YES_NO).answer
        assert (answer.text, answer.yes) == ('yes', True)
        assert math.isnan(answer.confidence)
        model = peer.until(lambda: diagnostics().get('spatialllm: model'))
        assert model['engine'] == f'big at {server.url}'
        assert model['precision'] == 'as served'


def test_half_a_character_of_a_server_does_not_end_the_node(start_node, peer, grey_image):
    def reply(body):
        is_closed = 'B. no' in body['messages'][1]['content'][-1]['text']
        return says('A' if is_closed else 'a \ud83d dog')(body)

    with chat_server(reply) as server:
        start_node(SHIPPED_NODE, engine='remote', server_url=server.url, server_model='big')
        peer.until(lambda: peer.state() == 'active')
        with peer.filming(grey_image()):
            assert peer.ask_until(OK, 'what is it?').answer.text == 'a \ufffd dog'
            assert peer.ask_until(OK, **YES_NO).answer.yes


def test_an_engine_that_cannot_be_loaded_gives_way_where_it_may(start_node, peer):
    start_node(SHIPPED_NODE, engine='tensorrt', allow_fallback='true')
    peer.until(lambda: peer.state() == 'active')
    diagnostics = peer.diagnostics()
    model = peer.until(lambda: diagnostics().get('spatialllm: model'))
    assert model['engine'].startswith('onnx on ')
