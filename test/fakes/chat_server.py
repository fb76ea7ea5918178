"""A real HTTP server in a thread; it speaks OpenAI's chat completions and says what it is told."""

import json
import math
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat


class ChatServer(ThreadingHTTPServer):
    """Answers as ``replies`` say, one after the other; keeps what it was sent."""

    def __init__(self, replies):
        self.replies, self.done = replies, threading.Event()
        self.bodies, self.headers = [], []
        super().__init__(('127.0.0.1', 0), Handler)

    @property
    def url(self):
        return f'http://127.0.0.1:{self.server_address[1]}/v1'

    def handle_error(self, request, client_address):
        """Say nothing of clients that went away."""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        assert self.path == '/v1/chat/completions'
        server.bodies.append(body)
        server.headers.append(dict(self.headers))
        status, headers, parts = next(server.replies)(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        for part in parts:
            self.wfile.write(part)
            self.wfile.flush()

    def log_message(self, *_):
        pass


@contextmanager
def chat_server(*replies):
    """Serve a reply again and again, or several in turn."""
    server = ChatServer(iter(replies) if len(replies) > 1 else repeat(replies[0]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.done.set()
        server.shutdown()
        server.server_close()


def ok(plain):
    return lambda _: (200, {}, [json.dumps(plain).encode()])


def status(code, text='', **headers):
    return lambda _: (code, headers, [text.encode()])


def says(text, *words, reason='stop'):
    """Reply with a text and, of each word, the token that was written and all alternatives."""
    content = [
        {'token': token, 'logprob': math.log(shares[token]), 'top_logprobs': [
            {'token': other, 'logprob': math.log(share)} for other, share in shares.items()
        ]}
        for token, shares in words
    ]  # fmt: skip
    logprobs = {'content': content} if words else None
    message = {'role': 'assistant', 'content': text}
    choice = {'message': message, 'logprobs': logprobs, 'finish_reason': reason}
    return ok({'choices': [choice]})


def words_of(body):
    """Return the texts of a request's question."""
    return [p['text'] for p in body['messages'][1]['content'] if p['type'] == 'text']
