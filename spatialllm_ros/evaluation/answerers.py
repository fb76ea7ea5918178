"""What answers a benchmark's questions: a session, a server, both without the image, or chance."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from spatialllm_ros.errors import AnswerParseError, QuestionError, ReplyError
from spatialllm_ros.runtime.answering import Outcome, Request
from spatialllm_ros.runtime.engines.remote_session import RemoteSession
from spatialllm_ros.runtime.session import EncodedFrame, SpatialSession
from spatialllm_ros.schema import Answer, AnswerKind, Frame, Query

Answerer = Callable[[Frame, Sequence[Query]], list[Outcome]]
"""Answers questions about one image, in their order."""


class SessionAnswerer:
    """Any engine of the run time, with its image.

    Of given options it takes one: where the model would rather say that an object is not there,
    the likeliest of them.
    """

    def __init__(self, session: SpatialSession) -> None:
        """Take the loaded model."""
        self._session = session

    def __call__(self, frame: Frame, queries: Sequence[Query]) -> list[Outcome]:
        """Encode the image once and answer."""
        return chosen_answers(self._session, self._encode(frame), queries)

    def _encode(self, frame: Frame) -> EncodedFrame:
        return self._session.encode(frame)


def chosen_answers(
    session: SpatialSession, encoded: EncodedFrame, queries: Sequence[Query]
) -> list[Outcome]:
    """Answer questions about a frame, and take one of the options wherever there are some."""
    outcomes = session.answer_batch(encoded, [Request(query) for query in queries])
    return [
        _chosen(session, encoded, query, outcome)
        for query, outcome in zip(queries, outcomes, strict=True)
    ]


def _chosen(
    session: SpatialSession, encoded: EncodedFrame, query: Query, outcome: Outcome
) -> Outcome:
    has_none = isinstance(outcome, AnswerParseError) or (
        isinstance(outcome, Answer) and outcome.choice is None
    )
    if not query.options or not has_none:
        return outcome
    (logs,) = session.option_logs(encoded, [query])
    choice = int(logs[: len(query.options)].argmax())
    confidence = outcome.confidence if isinstance(outcome, Answer) else math.nan
    return _option(encoded.frame, query, choice, confidence)


def _option(frame: Frame, query: Query, choice: int, confidence: float) -> Answer:
    return Answer(
        query.options[choice], AnswerKind.CHOICE, confidence, frame.stamp_ns, frame.frame_id,
        frame.camera_name, choice=choice,
    )  # fmt: skip


class BlindAnswerer(SessionAnswerer):
    """The same model from which the pixels are withheld: what the words alone give away."""

    _blind: EncodedFrame | None = None

    def _encode(self, frame: Frame) -> EncodedFrame:
        self._blind = self._blind or self._session.encode_blind(frame)
        return replace(self._blind, frame=frame)


class RemoteAnswerer:
    """A model on a server, with its image or without."""

    def __init__(self, session: RemoteSession, is_blind: bool = False) -> None:
        """Take the session; two answerers may share one."""
        self._session, self._is_blind = session, is_blind
        self._has_answered = False

    def __call__(self, frame: Frame, queries: Sequence[Query]) -> list[Outcome]:
        """Ask; of given options the server takes one by itself.

        Raises:
            EngineError: the server failed, or refuses a question and has not answered one yet.
        """
        encode = self._session.encode_blind if self._is_blind else self._session.encode
        outcomes = self._session.answer_batch(encode(frame), [Request(query) for query in queries])
        self._has_answered |= any(isinstance(outcome, Answer) for outcome in outcomes)
        for outcome in outcomes:
            if isinstance(outcome, ReplyError) and not self._has_answered:
                raise outcome  # it would refuse all of them
        return outcomes


class RandomGuesser:
    """Chooses among the options by chance, each question anew."""

    def __init__(self, seed: int) -> None:
        """Equal seeds guess alike."""
        self._random = random.Random(seed)

    def __call__(self, frame: Frame, queries: Sequence[Query]) -> list[Outcome]:
        """Guess; a question without options has no answer."""
        return [self._guess(frame, query) for query in queries]

    def _guess(self, frame: Frame, query: Query) -> Outcome:
        if not query.options:
            return QuestionError('expected options to guess among, found none')
        choice = self._random.randrange(len(query.options))
        return _option(frame, query, choice, 1 / len(query.options))
