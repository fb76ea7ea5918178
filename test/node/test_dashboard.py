"""The dashboard in its own process: over HTTP, and in a headless browser where there is one."""

import asyncio
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')
if not find_spec('nicegui'):
    pytest.skip('NiceGUI is not installed: requirements/dashboard.txt', allow_module_level=True)

import socketio

from spatialllm_msgs.msg import Watch
from spatialllm_msgs.srv import SetWatches
from spatialllm_ros.dashboard.server import MOST_TABS

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60.0
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
WEB_SOCKET = {
    'Upgrade': 'websocket', 'Connection': 'Upgrade',
    'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Version': '13',
}  # fmt: skip


class Served:
    """A dashboard that runs, and its address."""

    def __init__(self, process, log_path):
        self.process, self._log_path = process, log_path

    @property
    def log(self):
        return self._log_path.read_text(encoding='utf-8')

    @property
    def address(self):
        return self.log.split()[-1]

    def get(self, path='/', **headers):
        """Return the status, the headers and the body of a response."""
        port = urlsplit(self.address).port
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=DEADLINE_S)
        connection.request('GET', path, headers=headers)
        response = connection.getresponse()
        body = b'' if response.status == 101 else response.read()
        connection.close()
        return response.status, dict(response.getheaders()), body.decode(errors='replace')


@pytest.fixture
def launch(domain, tmp_path):
    """Start dashboards; at the end they must leave in peace when asked to."""
    started = []

    def launch(*arguments, port=None):
        log_path = tmp_path / f'dashboard{len(started)}.log'
        environment = os.environ | {'ROS_DOMAIN_ID': str(domain)}
        environment.pop('PYTEST_CURRENT_TEST')  # NiceGUI would not serve
        command = [sys.executable, '-m', 'spatialllm_ros.dashboard']
        command += ['--port', str(port or free_port()), *arguments]
        with log_path.open('w') as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        started.append(Served(process, log_path))
        return started[-1]

    yield launch
    for served in started:
        served.process.terminate()
        assert served.process.wait(DEADLINE_S) in (0, 1), served.log
        assert 'Traceback' not in served.log, served.log


@pytest.fixture
def serve(launch, peer):
    """Start a dashboard and wait until it can be reached."""

    def serve(*arguments):
        served = launch(*arguments)
        peer.until(lambda: is_open(served))
        return served

    return serve


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def is_open(served):
    assert served.process.poll() is None, served.log
    if 'The dashboard is at http' not in served.log:
        return False
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', urlsplit(served.address).port)) == 0


def test_on_this_machine_alone_nobody_needs_a_token(serve):
    served = serve()
    assert served.address.startswith('http://127.0.0.1:')
    status, _, page = served.get()
    assert (status, 'spatialllm' in page) == (200, True)
    assert served.get(Host='robot.example')[0] == 403
    assert served.get(Origin='http://elsewhere.example')[0] == 403
    status, _, reason = served.get('/image?topic=/nowhere')
    assert (status, reason) == (404, "expected a topic of images, found '/nowhere'")


def test_from_elsewhere_everybody_needs_the_token(serve):
    served = serve('--host', '0.0.0.0')
    socket_path = '/_nicegui_ws/socket.io/?EIO=4&transport=websocket'
    for path in ('/', '/image?topic=/image', '/_nicegui/3.18.0/static/nicegui.js', socket_path):
        assert served.get(path)[0] == 403
        assert served.get(path, Cookie='spatialllm_dashboard=wrong')[0] == 403
    assert served.get(socket_path, **WEB_SOCKET)[0] == 403
    assert served.get('/?token=wrong')[0] == 403
    status, headers, _ = served.get('/?' + urlsplit(served.address).query)
    assert (status, headers['location']) == (303, '/')
    cookie = headers['set-cookie'].split(';')[0]
    assert served.get(Cookie=cookie)[0] == 200
    assert served.get(socket_path, Cookie=cookie, **WEB_SOCKET)[0] == 101


async def open_tab(served):
    """Do as a browser does: fetch the page and connect its web socket, which is returned."""
    status, _, page = await asyncio.to_thread(served.get)
    assert status == 200
    given = {
        name: re.search(rf'{name}\W+([\w-]+)', page)[1]
        for name in ('client_id', 'next_message_id')
    }
    own = {'tab_id': str(uuid4()), 'document_id': str(uuid4()), 'implicit_handshake': 'true'}
    tab = socketio.AsyncClient()
    await tab.connect(
        f'{served.address}?{urlencode(given | own)}',
        socketio_path='/_nicegui_ws/socket.io', transports=['websocket'],
    )  # fmt: skip
    return tab


def test_tabs_are_bounded(serve, peer):
    served = serve()

    async def fill():
        tabs = [await open_tab(served) for _ in range(MOST_TABS)]
        status, _, reason = await asyncio.to_thread(served.get)
        assert (status, 'close one' in reason) == (503, True)
        await tabs.pop().disconnect()
        await asyncio.to_thread(peer.until, lambda: served.get()[0] == 200)
        for tab in tabs:
            await tab.disconnect()

    asyncio.run(fill())


def test_pages_that_are_fetched_and_never_opened_take_no_tab_s_place(serve):
    served = serve()

    async def open_among_others():
        tab = await open_tab(served)
        statuses = {await asyncio.to_thread(lambda: served.get()[0]) for _ in range(2 * MOST_TABS)}
        assert statuses == {200}
        assert tab.connected
        await (await open_tab(served)).disconnect()
        await tab.disconnect()

    asyncio.run(open_among_others())


def test_a_port_in_use_is_a_plain_error(launch):
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1]
        served = launch(port=port)
        assert served.process.wait(DEADLINE_S) == 1
    assert f'expected to serve at 127.0.0.1 port {port}' in served.log


# In a browser


@pytest.fixture(scope='module')
def chromium():
    webdriver = pytest.importorskip(
        'selenium.webdriver', reason='selenium is not installed: requirements/browser.txt'
    )
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which('chromedriver')
    if not browser or not driver:
        pytest.skip('Chromium and its driver are not installed: chromium, chromium-driver')
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for word in ('headless=new', 'no-sandbox', 'disable-dev-shm-usage', 'window-size=1280,1000'):
        options.add_argument(f'--{word}')
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as chromium:
        yield chromium


class Tab:
    """The page in one tab of a browser."""

    def __init__(self, chromium, peer):
        self._chromium, self._until = chromium, peer.until
        self._handle = chromium.current_window_handle

    def open(self, address):
        self._chromium.get(address)
        self.until(lambda: self.text('state'))
        return self

    def until_active(self):
        self.until(lambda: self.text('state') == '/spatialllm: active')

    def element(self, name):
        self._chromium.switch_to.window(self._handle)
        return self._chromium.find_element('css selector', f'.{name}')

    def text(self, name):
        return self.element(name).text

    def until(self, predicate):
        return self._until(predicate)

    def ask(self, question, options=''):
        for name, words in (('question', question), ('options', options)):
            field = self.element(f'{name} input')
            field.send_keys(*['\b'] * 40, words)
        self.element('ask').click()

    def answer(self):
        """Return the answer when it is there."""
        self.until(lambda: self.text('about').startswith(('confidence', 'no answer')))
        return self.text('answer')

    def run(self, script):
        self._chromium.switch_to.window(self._handle)
        return self._chromium.execute_script(script)

    def new(self):
        self._chromium.switch_to.window(self._handle)
        self._chromium.switch_to.new_window('tab')
        return Tab(self._chromium, self)


@pytest.fixture
def tab(chromium, peer):
    chromium.switch_to.new_window('tab')
    yield Tab(chromium, peer)
    chromium.get('about:blank')


def test_a_question_is_answered_on_the_page(answering, serve, tab, peer):
    tab.open(serve().address).until_active()
    with peer.filming():
        expected = peer.ask_until(0, 'is there a car?', options=['yes', 'no']).answer
        tab.ask('is there a car?', 'yes, no')
        assert tab.answer() == expected.text
    assert f'confidence {expected.confidence:.0%}' in tab.text('about')
    assert tab.text('asked') == 'is there a car?'
    row = tab.text('history tbody tr')
    assert row.startswith(f'is there a car? / yes / no camera {expected.text}')
    assert tab.run("return document.querySelector('.plot canvas').width") > 0


def test_words_stream_and_can_be_stopped(scripted, serve, tab, peer):
    tab.open(serve().address).until_active()
    with peer.filming():
        peer.ask_until(0, 'ready?')
        tab.ask('talk without end')
        for count in (3, 20):
            tab.until(lambda count=count: tab.text('answer').count('word') >= count)
        tab.element('cancel').click()
        tab.answer()
    assert tab.text('about') == 'no answer: CANCELLED'
    assert not tab.element('cancel').is_displayed()


PIXEL = """
const image = document.querySelector('.picture img');
if (!image.naturalWidth) return null;
const canvas = document.createElement('canvas');
const context = canvas.getContext('2d');
context.drawImage(image, 0, 0);
return [image.naturalWidth, image.naturalHeight, ...context.getImageData(4, 3, 1, 1).data];
"""


def test_the_picture_is_the_camera_s(scripted, serve, tab, peer, grey_image):
    tab.open(serve().address)
    with peer.filming(grey_image(data=bytes((200, 30, 40) * 48))):
        width, height, *colour, _ = tab.until(lambda: tab.run(PIXEL))
    assert (width, height) == (8, 6)
    assert all(abs(a - b) < 6 for a, b in zip(colour, (200, 30, 40), strict=True))


def test_the_page_says_when_the_node_is_gone_and_when_it_is_back(start_node, serve, tab, peer):
    tab.open(serve().address)
    tab.until(lambda: 'expected the node /spatialllm, found none' in tab.text('state'))
    tab.ask('anybody there?')
    assert 'found none' in tab.answer()
    assert tab.text('about') == 'no answer: NO_NODE'
    for _ in range(2):
        node = start_node()
        tab.until_active()
        node.signal(signal.SIGTERM)
        tab.until(lambda: 'found none' in tab.text('state'))


def test_tabs_share_history_and_standing_questions(scripted, serve, tab, peer):
    served = serve()
    peer.call(
        SetWatches, '/spatialllm/set_watches',
        watches=[Watch(name='bright', question='is it bright?', options=['yes', 'no'])],
    )  # fmt: skip
    tab.open(served.address).until_active()
    other = tab.new().open(served.address)
    with peer.filming():
        peer.ask_until(0, 'ready?')
        tab.until(lambda: 'is it bright? camera yes 50%' in tab.text('watches'))
        tab.ask('what colour?')
        answer = tab.answer()
        other.ask('is it dark?', 'no, yes')
        other.answer()
        for one in (tab, other):
            one.until(lambda one=one: 'is it dark?' in one.text('history'))
            assert 'what colour?' in one.text('history')
        assert tab.text('answer') == answer
    peer.call(SetWatches, '/spatialllm/set_watches', watches=[])
    tab.until(lambda: not tab.element('watches').is_displayed())
    served.process.terminate()
    assert served.process.wait(DEADLINE_S) == 0, 'open tabs must not hold it'
