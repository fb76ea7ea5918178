"""Questions to a model on a server, for teams that serve a large one from one machine.

A server takes pictures and words, not image tokens and caches, so this is a session of its own
rather than an engine. It has no model folder: the words it asks in stand here.
"""

from __future__ import annotations

import base64
import math
import re
import string
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from functools import partial
from threading import BoundedSemaphore, Thread
from typing import Any

import cv2

from spatialllm_ros.errors import (
    AnswerParseError,
    CancelledError,
    EngineError,
    QuestionError,
    ReplyError,
)
from spatialllm_ros.runtime.answering import Outcome, Request, Said, as_answer, parse_choice
from spatialllm_ros.runtime.answers import check_metric, parse_answer, parse_length
from spatialllm_ros.runtime.engines.remote_server import Completion, RemoteServer, Word
from spatialllm_ros.runtime.lengths import read_length_m
from spatialllm_ros.runtime.preprocess import check_pixels
from spatialllm_ros.runtime.session_base import EncodedFrame, Session, told
from spatialllm_ros.schema import Answer, Frame, Query, Timing

MAX_SIDE_PX = 1536
JPEG_QUALITY = 92
MAX_CHARACTERS = 4000
QUESTIONS_AT_ONCE = 8
POLL_S = 0.05
CHOICE_TOKENS, ANSWER_TOKENS = 16, 64
_METRES = re.compile(r'\b(\d{1,2}(?:\.\d+)?) ?(?:m|metres?|meters?)\b', re.ASCII)
"""Within other words, however many decimals a model takes, and however it writes metres."""

INSTRUCTION = """\
You answer questions about the space that a camera image shows. Write the answer alone, all lower \
case, in one of these forms:
yes or no
a length in metres, as: 3.4 m
an angle, as: 90 degrees
a count, as: 3
where something is, as: column 42 row 61 distance 3.4 m
or, if it has a front, as: column 42 row 61 distance 3.4 m heading 90 degrees
anything else in a few words without digits
Column and row are whole percents of the image's width and height, the distance is from the \
camera, and the heading is 0 degrees where the front faces the camera and 90 degrees where the \
object's left side does."""
CHOICE_INSTRUCTION = 'Answer with the letter of the right option alone.'


class RemoteSession(Session):
    """A model on a server with OpenAI's chat completions."""

    def __init__(self, server: RemoteServer) -> None:
        """Take the server; it is not asked anything yet."""
        self._server = server
        self._turns = BoundedSemaphore(QUESTIONS_AT_ONCE)

    @property
    def engine_name(self) -> str:
        """What computes, in words."""
        return f'{self._server.model} at {self._server.url}'

    @property
    def precision(self) -> str:
        """Only the server knows it."""
        return 'as served'

    def check(self, query: Query) -> None:
        """See ``Session.check``."""
        for text in (query.question, *query.options):
            if not text.strip() or not ' '.join(text.split()).isprintable():
                raise QuestionError(
                    f'expected questions and options in words, found {text[:40]!r}'
                )
        length = sum(map(len, (query.question, *query.options)))
        if length > MAX_CHARACTERS:
            raise QuestionError(f'expected at most {MAX_CHARACTERS} characters, found {length}')
        count, most = len(query.options), len(string.ascii_uppercase)
        if count == 1 or count > most or len(set(query.options)) < count:
            raise QuestionError(
                f'expected no options or 2 to {most} different ones, found {query.options}'
            )

    def encode(self, frame: Frame) -> EncodedFrame:
        """Compress the picture, made smaller where it is large; see ``Session.encode``."""
        started = time.perf_counter()
        check_pixels(frame)
        picture = [{'type': 'image_url', 'image_url': {'url': _data_url(frame)}}]
        return EncodedFrame(frame, time.perf_counter() - started, picture)

    def encode_blind(self, frame: Frame) -> EncodedFrame:
        """Withhold the picture: what is answered then is what the words alone give away."""
        return EncodedFrame(frame, 0.0, [])

    def answer_each(
        self, encoded: EncodedFrame, requests: Sequence[Request]
    ) -> Iterator[tuple[int, Outcome]]:
        """See ``Session.answer_each``; the questions are asked side by side.

        A cancelled question ends at once, though the server may go on with it. One that the server
        refuses ends alone; where it would refuse any, all of them do.
        """
        pending: dict[Future[Answer], int] = {}
        for index, request in enumerate(requests):
            try:
                self.check(request.query)
            except QuestionError as error:
                yield index, error
            else:
                pending[self._start(partial(self._ask, encoded, request.query))] = index
        try:
            while pending:
                done, _ = wait(pending, POLL_S, FIRST_COMPLETED)
                for future in done:
                    index = pending.pop(future)
                    yield index, _outcome(future, requests[index])
                for future in [f for f, i in pending.items() if _is_cancelled(requests[i])]:
                    future.cancel()
                    yield pending.pop(future), CancelledError('cancelled before the server wrote')
        finally:
            for future in pending:
                future.cancel()

    def _start(self, ask: Callable[[], Answer]) -> Future[Answer]:
        """Ask in a thread of its own, in its turn.

        No end of the process waits for it, as it would for a pool: a server may take a minute over
        a question that was cancelled.
        """
        future: Future[Answer] = Future()

        def run() -> None:
            with self._turns:
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(ask())
                    except Exception as error:  # whatever it is, ``result`` raises it
                        future.set_exception(error)

        Thread(target=run, name='remote', daemon=True).start()
        return future

    def _ask(self, encoded: EncodedFrame, query: Query) -> Answer:
        started = time.perf_counter()
        if query.options:
            words, most = f'{query.question}\n{_listed(query.options)}', CHOICE_TOKENS
        else:
            words, most = query.question, ANSWER_TOKENS
        content = [*encoded.context, {'type': 'text', 'text': words}]
        system = CHOICE_INSTRUCTION if query.options else INSTRUCTION
        messages: list[Mapping[str, Any]] = [
            {'role': 'system', 'content': system},
            {'role': 'user', 'content': content},
        ]
        completion = self._server.complete(messages, most)
        said = _choice(completion, query.options) if query.options else _written(completion)
        camera = encoded.frame.camera
        check_metric(said.parsed, camera, encoded.frame.to_calibrate)
        answer = as_answer(said, encoded.frame, (camera.width_px, camera.height_px))
        total_s = time.perf_counter() - started
        return replace(answer, timing=Timing(decode_s=total_s, total_s=total_s))


def _outcome(future: Future[Answer], request: Request) -> Outcome:
    try:
        answer = future.result()
    except ReplyError as error:
        return error
    except EngineError:
        raise  # the others would fail as well
    except Exception as error:  # the other questions of the batch are not to suffer
        return told(error)
    if request.on_text:
        request.on_text(answer.text)
    return answer


def _is_cancelled(request: Request) -> bool:
    return request.is_cancelled is not None and request.is_cancelled()


def _data_url(frame: Frame) -> str:
    image = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
    height, width = image.shape[:2]
    scale = MAX_SIDE_PX / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return f'data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}'


def _listed(options: Sequence[str]) -> str:
    lines = zip(string.ascii_uppercase, options, strict=False)
    return '\n'.join(f'{letter}. {option}' for letter, option in lines)


def _choice(completion: Completion, options: Sequence[str]) -> Said:
    """Return the likeliest option: by the letters' probabilities where the server tells them.

    Its confidence is then renormalised over the letters, and unknown (NaN) otherwise.
    """
    letters = string.ascii_uppercase[: len(options)]
    for word in completion.words:
        if shares := _letter_shares(word, letters):
            letter = max(shares, key=lambda each: shares[each])
            choice, confidence = letters.index(letter), shares[letter] / sum(shares.values())
            return Said(options[choice], parse_choice(options, choice), confidence, choice)
    choice = _named(completion.text, options, letters)
    return Said(options[choice], parse_choice(options, choice), math.nan, choice)


def _letter_shares(word: Word, letters: str) -> dict[str, float]:
    """Return the probability of each letter, in whichever way the token is written (`` B.``).

    There are none where something else was likelier than every letter: what is written then is a
    text, in which letters mean nothing (``A`` may begin ``A dog``).
    """
    likeliest = max(word.alternatives, key=lambda token: word.alternatives[token])
    shares: dict[str, float] = {}
    for token, log in word.alternatives.items() if _bare(likeliest) in [*letters] else ():
        if (letter := _bare(token)) in [*letters]:
            shares[letter] = shares.get(letter, 0.0) + math.exp(log)
    return shares


def _bare(token: str) -> str:
    return token.strip(' \n\t.:()*"\'')


def _named(text: str, options: Sequence[str], letters: str) -> int:
    """Return the index of the option that a text names by its letter or its words."""
    words = text.strip().rstrip('.').casefold()
    same = [index for index, option in enumerate(options) if option.strip().casefold() == words]
    match = re.match(r'\W*([A-Z])(?:\W*$|[.):])', text)
    if same:
        return same[0]
    if match and match[1] in letters:
        return letters.index(match[1])
    raise AnswerParseError(
        f'expected one of the letters {letters}, found {text[:80]!r}; ask in other words'
    )


def _written(completion: Completion) -> Said:
    text = ' '.join(completion.text.split()).rstrip('.').lower()
    if completion.is_cut:
        raise AnswerParseError(
            f'expected an answer of at most {ANSWER_TOKENS} tokens, found {text[:80]!r} and more; '
            'ask in other words'
        )
    logs = [word.log_probability for word in completion.words]
    confidence = math.exp(math.fsum(logs)) if logs else math.nan
    if (length_m := read_length_m(text)) is not None:
        return Said(f'{length_m:.1f} m', parse_length(length_m), confidence)
    text = _METRES.sub(lambda found: f'{float(found[1]):.1f} m', text)
    return Said(text, parse_answer(text), confidence)
