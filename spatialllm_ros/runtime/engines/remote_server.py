"""A server with OpenAI's chat completions (vLLM, llama.cpp and others): messages in, words out.

What it sends is bounded in size and time, and redirects are refused: they would take the key and
the picture to another host. Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from spatialllm_ros.errors import EngineError, ReplyError

KEY_VARIABLE = 'SPATIALLLM_API_KEY'
"""The environment variable that holds the server's key, if it wants one."""

MAX_BYTES = 4 * 1024**2
SHOWN_CHARACTERS = 300
TOP_LOGPROBS = 20
ATTEMPTS = 5
BUSY = (429, 502, 503, 504)
REFUSALS = (400, 413, 415, 422, 451)
"""What a server says of one request: it is malformed, too large or against a rule."""
LONGEST_WAIT_S = 30.0

REMEDIES = {
    401: f'put its key into {KEY_VARIABLE}',
    403: f'put a key that may use the model into {KEY_VARIABLE}',
    404: 'see whether the URL ends as the server wants it (often /v1) and it has the model',
    429: 'ask less often, or later',
}
OTHERWISE = 'see its log, and whether it takes images and tells log-probabilities'


@dataclass(frozen=True)
class Word:
    """A token of an answer: its log-probability, and those of the likeliest in its place."""

    log_probability: float
    alternatives: Mapping[str, float]


@dataclass(frozen=True)
class Completion:
    """What a model wrote.

    Attributes:
        words: of the text, in order; empty where the server tells no probabilities.
        is_cut: whether it would have gone on.
    """

    text: str
    words: Sequence[Word]
    is_cut: bool


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none; the opener then raises the status as an error."""


@dataclass(frozen=True)
class RemoteServer:
    """One model on one server; may be used from several threads.

    Attributes:
        url: its base, as ``http://localhost:8000/v1``.
        model: its name there.
        timeout_s: of one request, from its beginning to the last byte.
    """

    url: str
    model: str
    timeout_s: float = 60.0
    _opener: Any = field(default_factory=lambda: build_opener(_NoRedirects), repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no web address.

        Raises:
            EngineError: names what was found.
        """
        try:
            parts = urlsplit(self.url)
            is_usable = parts.scheme in ('http', 'https') and parts.hostname and not parts.username
        except ValueError:
            is_usable = False
        if not is_usable:
            found = self.url.rpartition('@')[2]  # what stands before may be a password
            raise EngineError(
                'expected the URL of a server, as http://localhost:8000/v1 and without a name or '
                f'password in it, found ...{found}'
            )

    def complete(self, messages: Sequence[Mapping[str, Any]], max_tokens: int) -> Completion:
        """Return the likeliest answer; waits and asks again where the server is busy.

        Raises:
            ReplyError: the server refuses these messages, or its reply is no completion.
            EngineError: it is not there, or would refuse any. Both name it, what was found and
                what to do.
        """
        body = json.dumps({
            'model': self.model,
            'messages': messages,
            'max_tokens': max_tokens,
            'temperature': 0,
            'logprobs': True,
            'top_logprobs': TOP_LOGPROBS,
        })  # fmt: skip
        answer = self._send(body.encode())
        try:
            return _completion(json.loads(answer))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            found = self._shown(answer)
            raise self._failure(f'{found} ({error!r})', OTHERWISE, ReplyError) from error

    def _send(self, body: bytes) -> bytes:
        for attempt in range(ATTEMPTS):
            try:
                return self._post(body)
            except HTTPError as error:
                said = self._shown(_body(error))
                if error.code not in BUSY or attempt == ATTEMPTS - 1:
                    remedy = REMEDIES.get(error.code, OTHERWISE)
                    kind = ReplyError if error.code in REFUSALS else EngineError
                    raise self._failure(f'HTTP {error.code}: {said}', remedy, kind) from None
                time.sleep(_wait_s(error.headers.get('Retry-After', ''), attempt))
            except (OSError, HTTPException, URLError) as error:
                reason = error.reason if isinstance(error, URLError) else error
                remedy = f'see whether it runs, and answers within {self.timeout_s:g} s'
                raise self._failure(repr(reason), remedy) from error
        raise AssertionError('the last attempt returns or raises')

    def _post(self, body: bytes) -> bytes:
        headers = {'Content-Type': 'application/json'}
        if key := _key():
            headers['Authorization'] = f'Bearer {key}'
        request = Request(f'{self.url.rstrip("/")}/chat/completions', body, headers)
        end_s = time.monotonic() + self.timeout_s
        with self._opener.open(request, timeout=self.timeout_s) as response:
            return self._read(response, end_s)

    def _read(self, response: HTTPResponse, end_s: float) -> bytes:
        whole = b''
        while part := response.read1(65536):  # a slow server sends a little at a time
            whole += part
            if len(whole) > MAX_BYTES:
                raise self._failure(f'more than {MAX_BYTES} bytes', OTHERWISE, ReplyError)
            if time.monotonic() > end_s:
                raise TimeoutError('the answer takes too long')
        return whole

    def _shown(self, data: bytes) -> str:
        """Return the beginning of what a server said, without the key, which some repeat."""
        text = ' '.join(data[:SHOWN_CHARACTERS].decode(errors='replace').split()) or 'nothing'
        key = _key()
        return text.replace(key, '***') if key else text

    def _failure(
        self, found: str, remedy: str, kind: type[EngineError] = EngineError
    ) -> EngineError:
        return kind(
            f'expected a chat completion by {self.model} from {self.url}, found {found}; {remedy}'
        )


def _body(error: HTTPError) -> bytes:
    """Return the beginning of what came with an error, nothing where it breaks off."""
    try:
        with error:
            return error.read(SHOWN_CHARACTERS)
    except (OSError, HTTPException):
        return b''


def _key() -> str:
    """Return the server's key, empty where none is set."""
    key = os.environ.get(KEY_VARIABLE, '').strip()
    if not (key.isascii() and key.isprintable()):  # Python would show it in its own error
        raise EngineError(f'expected printable ASCII in {KEY_VARIABLE}, found other characters')
    return key


def _wait_s(asked: str, attempt: int) -> float:
    """Return how long to wait: as the server asks, else twice as long each time."""
    wanted = float(asked) if asked.isdecimal() else 2.0**attempt
    return min(wanted, LONGEST_WAIT_S)


def _completion(plain: Any) -> Completion:
    choice = plain['choices'][0]
    text = choice['message']['content'] or ''
    if not isinstance(text, str):
        raise TypeError(f'content of type {type(text).__name__}')
    scores = (choice.get('logprobs') or {}).get('content') or []
    return Completion(
        _encodable(text), [_word(entry) for entry in scores], choice['finish_reason'] == 'length'
    )


def _word(entry: Any) -> Word:
    alternatives: dict[str, float] = {}
    for item in (entry, *(entry.get('top_logprobs') or [])):
        token, log = _encodable(item['token']), float(item['logprob'])
        if math.isnan(log) or log > 0:
            raise ValueError('a log-probability above 0')
        # Tokens that are parts of a character may look the same.
        alternatives[token] = max(log, alternatives.get(token, -math.inf))
    return Word(float(entry['logprob']), alternatives)


def _encodable(text: str) -> str:
    """Replace half characters (lone surrogates): JSON can hold them, a ROS message cannot."""
    return text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')
