"""What a session writes when it may write anything: the words that engines are compared by."""

from __future__ import annotations

from collections.abc import Sequence

from spatialllm_ros.runtime.session import EncodedFrame, Request, SpatialSession
from spatialllm_ros.schema import Query


def written_words(
    session: SpatialSession, encoded: EncodedFrame, questions: Sequence[str]
) -> list[str]:
    """Return the likeliest words behind each question, be they in the answers' grammar or not.

    The questions are asked together and without options, as a generator would be.

    Raises:
        EngineError: the engine failed.
    """
    heard: list[list[str]] = [[''] for _ in questions]
    requests = [
        Request(Query(question), texts.append)
        for question, texts in zip(questions, heard, strict=True)
    ]
    session.answer_batch(encoded, requests)
    return [texts[-1] for texts in heard]
