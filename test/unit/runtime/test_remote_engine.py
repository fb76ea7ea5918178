"""A session on a real HTTP server in a thread, which speaks OpenAI's chat completions."""

import base64
import json
import math
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from chat_server import chat_server, ok, says, status, words_of

from spatialllm_ros.errors import (
    AnswerParseError,
    CancelledError,
    EngineError,
    QuestionError,
    UncalibratedCameraError,
)
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.runtime.engines.remote_server import KEY_VARIABLE, MAX_BYTES, RemoteServer
from spatialllm_ros.runtime.engines.remote_session import MAX_SIDE_PX, RemoteSession
from spatialllm_ros.schema import AnswerKind, Frame, Query

YES_NO = Query('is the mug left of the car?', ('yes', 'no'))
OPEN = Query('how far is the mug?')


ASK_AND_CANCEL = """
import sys
import time
import numpy as np
from spatialllm_ros.errors import CancelledError
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.runtime.engines.remote_server import RemoteServer
from spatialllm_ros.runtime.engines.remote_session import RemoteSession
from spatialllm_ros.schema import Frame, Query

session = RemoteSession(RemoteServer(sys.argv[1], 'big', timeout_s=60))
frame = Frame(np.zeros((4, 4, 3), np.uint8), guessed_camera(4, 4, 1.0), 0, '', 'c')
end_s = time.monotonic() + 1
try:
    session.answer(session.encode(frame), Query('what?'),
                   is_cancelled=lambda: time.monotonic() > end_s)
except CancelledError:
    pass
"""


def a_frame(width=64, height=48, is_calibrated=True):
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, : width // 2] = (200, 40, 10)
    camera = guessed_camera(width, height, 1.0)
    return Frame(rgb, replace(camera, calibrated=is_calibrated), 5, 'optical', 'front')


def picture(body):
    """Return the image that a request carries."""
    (part,) = [p for p in body['messages'][1]['content'] if p['type'] == 'image_url']
    head, data = part['image_url']['url'].split(',')
    assert head == 'data:image/jpeg;base64'
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR_RGB)


def test_options_are_lettered_and_their_probabilities_renormalised(serve):
    server, session = serve(
        says('B', ('B', {'B': 0.6, ' A': 0.1, 'A': 0.1, 'no': 0.15, 'The': 0.05}))
    )
    encoded = session.encode(a_frame())
    answer = session.answer(encoded, YES_NO)
    assert (answer.text, answer.kind, answer.choice, answer.yes) == (
        'no', AnswerKind.YES_NO, 1, False,
    )  # fmt: skip
    assert answer.confidence == pytest.approx(0.6 / 0.8)
    assert (answer.stamp_ns, answer.frame_id, answer.camera_name) == (5, 'optical', 'front')
    (body,) = server.bodies
    assert words_of(body) == ['is the mug left of the car?\nA. yes\nB. no']
    assert (body['model'], body['temperature'], body['logprobs']) == ('big', 0, True)
    assert np.abs(picture(body).astype(int) - encoded.frame.rgb).mean() < 5


def test_the_letter_is_found_behind_other_tokens(serve):
    _, session = serve(says('**B**', ('**', {'**': 0.9, '#': 0.1}), ('B', {'B': 0.3, 'A': 0.1})))
    answer = session.answer(session.encode(a_frame()), YES_NO)
    assert (answer.choice, answer.confidence) == (1, pytest.approx(0.75))


@pytest.mark.parametrize(('text', 'words', 'choice', 'confidence'), [
    # The letters are unlikely where "Option" stands, and tell nothing there.
    ('Option B', [('Option', {'Option': 0.9, 'A': 0.1}), (' B', {' B': 0.9, ' A': 0.1})], 1, 0.9),
    ('a car', [('a', {'a': 0.7, 'A': 0.3}), (' car', {' car': 0.9, ' A': 0.1})], 1, math.nan),
    # Halves of characters, which look the same, of which the first is likelier than A.
    ('a car', [('\ud83d', {'\ud83d': 0.6, 'A': 0.3, chr(0xD83E): 0.1})], 1, math.nan),
])  # fmt: skip
def test_letters_count_only_where_one_was_likeliest(serve, text, words, choice, confidence):
    _, session = serve(says(text, *words))
    query = Query('what is nearer?', ('a dog', 'a car'))
    answer = session.answer(session.encode(a_frame()), query)
    assert (answer.choice, answer.confidence) == (
        choice, pytest.approx(confidence, nan_ok=True),
    )  # fmt: skip


@pytest.mark.parametrize(('text', 'choice'), [
    ('A', 0), (' (B) ', 1), ('B. a car', 1), ('a dog', 0), ('A car.', 1), ('**B**', 1),
])  # fmt: skip
def test_without_probabilities_the_words_decide_and_confidence_is_unknown(serve, text, choice):
    _, session = serve(says(text))
    query = Query('what is nearer?', ('a dog', 'a car'))
    answer = session.answer(session.encode(a_frame()), query)
    assert (answer.choice, answer.kind) == (choice, AnswerKind.CHOICE)
    assert math.isnan(answer.confidence)


@pytest.mark.parametrize('text', ['C', '', 'neither of them', 'Dogs', None])
def test_no_option_is_a_parse_error(serve, text):
    _, session = serve(says(text))
    with pytest.raises(AnswerParseError, match=r'one of the letters AB, found'):
        session.answer(session.encode(a_frame()), Query('which?', ('dog', 'car')))


def test_open_answers_follow_the_grammar(serve):
    _, session = serve(
        says('3.4 m', ('3.4', {'3.4': 0.5}), (' m', {' m': 0.8})),
        says('Column 25 row 50 distance 2.0 m.'),
        says('The red car'),
        says('about 3 or 4'),
        says('a long story', reason='length'),
    )
    encoded, seen = session.encode(a_frame(101, 51)), []
    length = session.answer(encoded, OPEN, seen.append)
    assert (length.number, length.unit, length.confidence) == (3.4, 'm', pytest.approx(0.4))
    assert seen == ['3.4 m']
    # A quarter of 101 pixels from -0.5 on, and half of 51.
    assert session.answer(encoded, OPEN).pose.centre_px == pytest.approx((24.75, 25.0))
    assert session.answer(encoded, OPEN).text == 'the red car'
    for words in ('yes, no, a length', 'at most 64 tokens'):
        with pytest.raises(AnswerParseError, match=words):
            session.answer(encoded, OPEN)


def test_metres_need_a_calibrated_camera(serve):
    _, session = serve(says('3.4 m'))
    with pytest.raises(UncalibratedCameraError):
        session.answer(session.encode(a_frame(is_calibrated=False)), OPEN)


def test_large_pictures_are_made_smaller_and_blind_ones_not_sent(serve):
    server, session = serve(says('A'))
    frame = a_frame(2 * MAX_SIDE_PX, 600)
    session.answer(session.encode(frame), YES_NO)
    session.answer(session.encode_blind(frame), YES_NO)
    seen, blind = server.bodies
    assert picture(seen).shape == (300, MAX_SIDE_PX, 3)
    assert [part['type'] for part in blind['messages'][1]['content']] == ['text']


def test_a_cancelled_question_ends_while_the_server_is_busy(serve):
    def reply(body):
        server.done.wait()
        return says('A')(body)

    server, session = serve(reply)
    with pytest.raises(CancelledError):
        session.answer(session.encode(a_frame()), YES_NO, is_cancelled=lambda: bool(server.bodies))


@pytest.mark.parametrize('query', [
    Query(''), Query('a\x00b'), Query('x' * 4001), Query('which?', ('one',)),
    Query('which?', ('a', 'a')), Query('which?', ('a', ' ')),
    Query('which?', tuple(map(str, range(27)))),
])  # fmt: skip
def test_questions_that_cannot_be_asked_are_refused(query):
    session = RemoteSession(RemoteServer('http://127.0.0.1:1', 'big'))
    with pytest.raises(QuestionError, match=r'expected .* found'):
        session.check(query)


@pytest.mark.parametrize(('reply', 'words'), [
    (status(401, 'who are you'), f'HTTP 401: who are you; put its key into {KEY_VARIABLE}'),
    (status(404, '{}'), r'HTTP 404: {}; see whether the URL'),
    (status(500), 'HTTP 500: nothing; see its log'),
    (status(302, Location='http://127.0.0.1:1/elsewhere'), 'HTTP 302'),
    (ok({}), r'found {} \(KeyError'),
    (ok({'choices': []}), 'IndexError'),
    (ok([1]), r'found \[1\]'),
    (ok({'choices': [{'message': {'content': ['A']}, 'finish_reason': ''}]}), 'type list'),
    (status(200, 'no json'), 'found no json'),
    (status(200, '[' * 100_000), 'RecursionError'),
    (lambda _: (200, {}, [b' ' * (MAX_BYTES + 1)]), f'more than {MAX_BYTES} bytes'),
    (says('A', ('A', {'A': 1.5})), 'log-probability above 0'),
])  # fmt: skip
def test_what_a_server_does_wrong_names_it_and_the_remedy(serve, reply, words):
    server, session = serve(reply)
    with pytest.raises(EngineError, match=words) as failure:
        session.answer(session.encode(a_frame()), YES_NO)
    assert str(failure.value).startswith(f'expected a chat completion by big from {server.url}, ')


def test_an_error_that_breaks_off_is_still_told(serve):
    headers = {'Content-Length': '100', 'Transfer-Encoding': 'chunked'}
    _, session = serve(lambda _: (500, headers, [b'zz']))
    with pytest.raises(EngineError, match='HTTP 500: nothing; see its log'):
        session.answer(session.encode(a_frame()), YES_NO)


def test_the_end_of_a_process_does_not_wait_for_a_server(serve):
    def silent(body):
        server.done.wait()
        return says('A')(body)

    server, _ = serve(silent)
    subprocess.run([sys.executable, '-c', ASK_AND_CANCEL, server.url], check=True, timeout=20)
    assert len(server.bodies) == 1


def test_a_busy_server_is_asked_again(serve):
    busy = status(429, 'slow down', **{'Retry-After': '0'})
    server, session = serve(busy, busy, says('A'), *[busy] * 5)
    encoded = session.encode(a_frame())
    assert session.answer(encoded, YES_NO).yes is True
    assert len(server.bodies) == 3
    with pytest.raises(EngineError, match='HTTP 429: slow down; ask less often'):
        session.answer(encoded, YES_NO)


def test_slow_servers_are_given_up(serve):
    def silent(body):
        server.done.wait()
        return says('A')(body)

    server, session = serve(silent, timeout_s=0.2)
    with pytest.raises(EngineError, match=r'answers within 0\.2 s'):
        session.answer(session.encode(a_frame()), YES_NO)


def test_a_trickle_does_not_hold_a_question_forever(serve):
    def trickle(_):
        def parts():
            while not server.done.wait(0.01):
                yield b' '

        return 200, {}, parts()

    server, session = serve(trickle, timeout_s=0.3)
    with pytest.raises(EngineError, match=r'takes too long.*within 0\.3 s'):
        session.answer(session.encode(a_frame()), YES_NO)


@pytest.mark.parametrize(('text', 'number'), [
    ('4 m', 4.0), ('3.27 metres.', 3.27), ('12 Meters', 12.0), ('0.5m', 0.5), ('1 metre', 1.0),
    ('0.04 m', 0.04), ('30 cm', 0.3), ('About 10 inches', 0.254), ('3 feet', 0.9144),
    ('120 m', 120.0), ('450mm', 0.45),
])  # fmt: skip
def test_lengths_are_read_however_they_are_written(serve, text, number):
    _, session = serve(says(text))
    answer = session.answer(session.encode(a_frame()), OPEN)
    assert (answer.kind, answer.unit) == (AnswerKind.NUMBER, 'm')
    assert answer.number == pytest.approx(number)
    assert answer.text == f'{number:.1f} m'


def test_only_metres_are_read_within_other_words(serve):
    _, session = serve(says('Column 42 row 61 distance 3.27 metres'))
    assert session.answer(session.encode(a_frame()), OPEN).pose is not None
    _, session = serve(says('there are 2 in the picture'))
    with pytest.raises(AnswerParseError, match='there are 2 in the picture'):
        session.answer(session.encode(a_frame()), OPEN)


@pytest.mark.parametrize('escaped', [True, False])
def test_what_no_utf_8_can_hold_is_replaced(serve, escaped):
    half = '\ud83d'  # of a pair that makes one character

    def reply(body):
        status, headers, (data,) = says(f'a {half} dog \U0001f600', (half, {half: 0.5}))(body)
        plain = json.dumps(json.loads(data), ensure_ascii=escaped)
        return status, headers, [plain.encode(errors='surrogatepass')]

    server, session = serve(reply)
    answer = session.answer(session.encode(a_frame()), OPEN)
    assert (answer.text, answer.confidence) == ('a \ufffd dog \U0001f600', pytest.approx(0.5))
    (word,) = RemoteServer(server.url, 'big').complete([], 1).words
    assert word.alternatives == {'\ufffd': pytest.approx(math.log(0.5))}


def test_no_server_is_an_engine_error():
    with chat_server(says('A')) as closed:
        pass
    session = RemoteSession(RemoteServer(closed.url, 'big'))
    assert session.engine_name == f'big at {closed.url}'
    with pytest.raises(EngineError, match=r'Connection refused.*see whether it runs'):
        session.answer(session.encode(a_frame()), YES_NO)


@pytest.mark.parametrize('url', [
    'file:///etc/passwd', 'localhost:8000', '', 'http://', 'http://[::1', 'ftp://host/v1',
    'http://me:secret@host/v1',
])  # fmt: skip
def test_only_web_addresses_without_passwords_are_servers(url):
    with pytest.raises(EngineError, match='expected the URL of a server') as refusal:
        RemoteServer(url, 'big')
    assert 'secret' not in str(refusal.value)


def test_the_key_is_sent_and_never_shown(serve, monkeypatch):
    server, session = serve(status(401, 'wrong key: sk-secret, try another'))
    monkeypatch.setenv(KEY_VARIABLE, ' sk-secret\n')
    with pytest.raises(EngineError, match=r'wrong key: \*\*\*, try') as failure:
        session.answer(session.encode(a_frame()), YES_NO)
    assert 'secret' not in repr(failure.value) + repr(session) + session.engine_name
    assert server.headers[0]['Authorization'] == 'Bearer sk-secret'
    monkeypatch.setenv(KEY_VARIABLE, 'sk-\nsecret')
    with pytest.raises(EngineError, match=f'printable ASCII in {KEY_VARIABLE}') as failure:
        session.answer(session.encode(a_frame()), YES_NO)
    assert 'secret' not in str(failure.value)
    assert len(server.bodies) == 1
