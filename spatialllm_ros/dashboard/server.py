"""The web server: the page, the images, and who may have them."""

from __future__ import annotations

import socket

from nicegui import Client, app, ui
from starlette.responses import PlainTextResponse, Response

from spatialllm_ros.dashboard.gate import PARAMETER, Gate, token_for
from spatialllm_ros.dashboard.page import IMAGE_PATH, Page
from spatialllm_ros.dashboard.ros_client import RosClient
from spatialllm_ros.errors import ImageError, NoFrameError

MOST_TABS = 16
MOST_CONNECTIONS = 256
GOODBYE_S = 2
"""How long open connections may take to close at the end."""


def serve(client: RosClient, host: str, port: int) -> None:
    """Serve the page at an address until a signal, which is raised again at the end."""
    token = token_for(host)
    register(client)
    app.add_middleware(Gate, token=token)
    app.on_startup(lambda: print(f'The dashboard is at {url(host, port, token)}', flush=True))
    ui.run(
        host=host,
        port=port,
        title='spatialllm',
        show=False,
        reload=False,
        show_welcome_message=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GOODBYE_S,
    )


def url(host: str, port: int, token: str) -> str:
    """Return the address for a browser; of all addresses, the one of this machine's name."""
    name = socket.gethostname() if host in {'0.0.0.0', '::'} else host
    name = f'[{name}]' if ':' in name else name
    return f'http://{name}:{port}/' + (f'?{PARAMETER}={token}' if token else '')


def make_room() -> bool:
    """Make room for the newest page; False where all others are open in tabs.

    Whoever fetches a page and never opens it, as curl does, makes room first, the oldest first.
    """
    *unopened, _ = [page for page in Client.instances.values() if page.environ is None]
    excess = max(0, len(Client.instances) - MOST_TABS)
    for page in unopened[:excess]:
        page.delete()
    return len(Client.instances) <= MOST_TABS


def register(client: RosClient) -> None:
    """Tell NiceGUI what there is."""

    @ui.page('/', title='spatialllm')
    def index() -> Response | None:
        if not make_room():
            return PlainTextResponse(
                f'expected at most {MOST_TABS} open tabs, found as many; close one', 503
            )
        Page(client)
        return None

    @app.get(IMAGE_PATH)
    def image(topic: str) -> Response:
        try:
            file = client.views.jpeg(topic)
        except (ImageError, NoFrameError) as error:
            return PlainTextResponse(str(error), 404)
        return Response(file, media_type='image/jpeg', headers={'Cache-Control': 'no-store'})
