"""Who may open the dashboard: anybody on this machine, others by a token.

An ASGI middleware, so that it stands before pages, images and web sockets alike.
"""

from __future__ import annotations

import ipaddress
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE, PARAMETER = 'spatialllm_dashboard', 'token'
TOKEN_BYTES = 24
POLICY_VIOLATION = 1008
"""Why a web socket is closed. Source: RFC 6455, 7.4.1."""


def is_loopback(host: str) -> bool:
    """Tell whether an address or name can only be reached from this machine."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_for(host: str) -> str:
    """Return a new token for a server bound to an address; empty where none is needed."""
    return '' if is_loopback(host) else secrets.token_urlsafe(TOKEN_BYTES)


def other_site(headers: Headers) -> str:
    """Return whose page a request comes from; empty for the dashboard's own, and for nobody's.

    Images and frames come without an origin; browsers tell of those whether they are cross-site.
    A link of another site may be followed: that shows the dashboard, in a tab of its own.

    Source: https://www.w3.org/TR/fetch-metadata/.
    """
    origin: str | None = headers.get('origin')
    if origin is not None and origin.partition('://')[2] != headers.get('host', ''):
        return origin
    is_link = headers.get('sec-fetch-dest') == 'document'
    return 'another site' if headers.get('sec-fetch-site') == 'cross-site' and not is_link else ''


def host_name(host: str) -> str:
    """Return a host without its port; empty where it cannot be read."""
    try:
        return urlsplit(f'//{host}').hostname or ''
    except ValueError:
        return ''


class Gate:
    """Refuses requests without the token, and pages of other sites that would use a visitor's."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Stand before an application.

        Args:
            app: gets the requests that may pass.
            token: that everybody needs; empty where the server is bound to this machine alone.
        """
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the reason why not."""
        if scope['type'] == 'lifespan':
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        refusal = self._refusal(connection)
        is_page = scope['type'] == 'http'
        if refusal and is_page:
            await PlainTextResponse(refusal, 403)(scope, receive, send)
        elif refusal:
            await send({'type': 'websocket.close', 'code': POLICY_VIOLATION})
        elif is_page and PARAMETER in connection.query_params:
            await self._with_cookie()(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, connection: HTTPConnection) -> str:
        """Return why a request may not pass; empty where it may."""
        if site := other_site(connection.headers):
            return f'expected a request from the dashboard itself, found one from {site}'
        host = connection.headers.get('host', '')
        name = host_name(host)
        if not name:
            return f'expected a request to a host, found one to {host!r}'
        if not self._token:
            # Another site's name may have been made to point to this machine.
            if is_loopback(name):
                return ''
            return f'expected a request to localhost, found one to {host}'
        cookie = connection.cookies.get(COOKIE, '')
        given = connection.query_params.get(PARAMETER, cookie)
        if secrets.compare_digest(given.encode(), self._token.encode()):
            return ''
        return 'expected the token of the address that the dashboard printed at its start'

    def _with_cookie(self) -> Response:
        """Move the token from the address, where it can be seen, into a cookie."""
        response = RedirectResponse('/', 303)
        if self._token:
            response.set_cookie(COOKIE, self._token, httponly=True, samesite='lax')
        return response
