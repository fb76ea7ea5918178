"""Who passes the dashboard's gate."""

import asyncio

import pytest

pytest.importorskip('starlette', reason='NiceGUI is not installed: requirements/dashboard.txt')

from spatialllm_ros.dashboard.gate import Gate, is_loopback, token_for


async def page(scope, receive, send):
    await send({'type': 'passed'})


def sent(token, path='/', kind='http', **headers):
    """Return what is sent for a request: the first message, or that it has passed."""
    messages = []

    async def send(message):
        messages.append(message)

    path, _, query = path.partition('?')
    scope = {
        'type': kind, 'method': 'GET', 'path': path, 'query_string': query.encode(),
        'headers': [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(Gate(page, token)(scope, None, send))
    return messages[0]


def passes(token, path='/', **headers):
    return [sent(token, path, kind, **headers)['type'] for kind in ('http', 'websocket')] == [
        'passed', 'passed',
    ]  # fmt: skip


@pytest.mark.parametrize('host', ['localhost', 'localhost:8080', '127.0.0.1:8080', '[::1]:8080'])
def test_without_a_token_this_machine_passes(host):
    assert passes('', host=host)
    assert passes('', host=host, origin=f'http://{host}')


@pytest.mark.parametrize(
    'headers',
    [
        {'host': 'robot.example:8080'},
        {'host': 'localhost.example'},
        {'host': ''},
        {'host': 'localhost:8080', 'origin': 'http://elsewhere.example'},
        {'host': 'localhost:8080', 'origin': 'http://localhost:9090'},
        {'host': 'localhost:8080', 'origin': 'null'},
    ],
)
def test_other_names_and_other_sites_are_refused(headers):
    assert sent('', **headers)['status'] == 403
    assert sent('', kind='websocket', **headers) == {'type': 'websocket.close', 'code': 1008}


@pytest.mark.parametrize('token', ['', 'secret'])
@pytest.mark.parametrize(
    'headers',
    [
        {'host': '['},
        {'host': 'localhost:8080', 'origin': 'http://['},
        {'host': '[', 'origin': 'http://['},
    ],
)
def test_headers_that_nobody_can_read_are_refused(token, headers):
    cookie = {'cookie': 'spatialllm_dashboard=secret'}
    assert sent(token, **headers, **cookie)['status'] == 403
    assert sent(token, kind='websocket', **headers, **cookie)['code'] == 1008


@pytest.mark.parametrize('token', ['', 'secret'])
def test_what_other_sites_pages_fetch_is_refused_and_their_links_followed(token):
    from_here = {'host': 'localhost:8080', 'cookie': 'spatialllm_dashboard=secret'}
    from_elsewhere = from_here | {'sec-fetch-site': 'cross-site'}
    for site in ('same-origin', 'none'):
        assert passes(token, **from_here | {'sec-fetch-site': site, 'sec-fetch-dest': 'image'})
    for part in ('image', 'iframe', 'empty', 'script'):
        assert sent(token, **from_elsewhere, **{'sec-fetch-dest': part})['status'] == 403
    assert sent(token, **from_elsewhere)['status'] == 403
    assert sent(token, kind='websocket', **from_elsewhere)['code'] == 1008
    assert sent(token, **from_elsewhere, **{'sec-fetch-dest': 'document'})['type'] == 'passed'


def test_with_a_token_only_its_holders_pass():
    host = {'host': 'robot.example:8080'}
    assert passes('secret', cookie='spatialllm_dashboard=secret', **host)
    for cookie in ('spatialllm_dashboard=secre', 'spatialllm_dashboard=', 'other=secret'):
        assert sent('secret', cookie=cookie, **host)['status'] == 403
        assert sent('secret', kind='websocket', cookie=cookie, **host)['code'] == 1008
    assert sent('secret', **host)['status'] == 403
    assert sent('secret', host='localhost')['status'] == 403
    assert sent('secret', '/?token=s%C3%A9cret', **host)['status'] == 403


def test_the_token_moves_from_the_address_into_a_cookie():
    answer = sent('secret', '/?token=secret', host='robot.example')
    headers = {name.decode(): value.decode() for name, value in answer['headers']}
    assert answer['status'] == 303
    assert headers['location'] == '/'
    cookie, *rest = headers['set-cookie'].split('; ')
    assert cookie == 'spatialllm_dashboard=secret'
    assert {'HttpOnly', 'SameSite=lax'} <= set(rest)


def test_a_wrong_token_is_not_helped_by_a_right_cookie():
    headers = {'host': 'robot.example', 'cookie': 'spatialllm_dashboard=secret'}
    assert sent('secret', '/?token=other', **headers)['status'] == 403


def test_the_start_of_the_server_passes():
    assert sent('secret', kind='lifespan') == {'type': 'passed'}


@pytest.mark.parametrize(
    ('host', 'expected'),
    [
        ('127.0.0.1', True),
        ('127.8.8.8', True),
        ('::1', True),
        ('localhost', True),
        ('0.0.0.0', False),
        ('::', False),
        ('192.168.1.2', False),
        ('robot', False),
    ],
)
def test_only_loopback_needs_no_token(host, expected):
    assert is_loopback(host) == expected
    tokens = {token_for(host), token_for(host)}
    assert tokens == {''} if expected else all(len(token) >= 32 for token in tokens)
    assert len(tokens) == (1 if expected else 2)
