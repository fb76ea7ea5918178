"""Questions and answers as lines on the screen."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from spatialllm_ros.demo.ask_client import Reply
from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.runtime.answers import percent
from spatialllm_ros.schema import QuestionRecord

ANSWER_COLUMNS, VERDICT_COLUMNS = 30, 28


@dataclass
class Tally:
    """How the questions went so far.

    Attributes:
        judged: answers whose truth was known, and ``right`` of them.
    """

    asked: int = 0
    answered: int = 0
    judged: int = 0
    right: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def count(self, reply: Reply, is_right: bool | None) -> None:
        """Count one question; ``is_right`` is None where the truth is not known."""
        self.asked += 1
        if reply.status != StatusCode.OK:
            return
        self.answered += 1
        self.latencies_s.append(reply.latency_s)
        if is_right is not None:
            self.judged += 1
            self.right += is_right

    def summary(self) -> str:
        """Return all of it as a line."""
        parts = [f'{self.answered} of {self.asked} questions answered']
        if self.judged:
            parts.append(f'{self.right} of {self.judged} right')
        if self.latencies_s:
            median_s, slowest_s = statistics.median(self.latencies_s), max(self.latencies_s)
            parts.append(f'latency {ms(median_s)} (median), {ms(slowest_s)} (slowest)')
        return ', '.join(parts)


def ms(duration_s: float) -> str:
    """Return a duration in whole milliseconds."""
    return f'{duration_s * 1e3:.0f} ms'


def answer_line(reply: Reply, verdict: str = '') -> str:
    """Return an answer with its confidence, what is known of the truth, and what it cost."""
    if reply.status != StatusCode.OK:
        return f'no answer, {reply.status.name}: {reply.message}'
    answer, timing = reply.answer, reply.answer.timing
    said = f'{answer.text} ({percent(answer.confidence)})'
    parts = ', '.join(
        f'{name} {duration_s * 1e3:.0f}'
        for name, duration_s in (
            ('encode', timing.encode_s), ('prefill', timing.prefill_s), ('decode', timing.decode_s)
        )
    )  # fmt: skip
    cost = f'{ms(reply.latency_s):>7s}: {parts}'
    return f'{said:{ANSWER_COLUMNS}s} {verdict:{VERDICT_COLUMNS}s} {cost}'


def verdict(record: QuestionRecord, is_right: bool | None) -> str:
    """Return a tick, or a cross and the truth; nothing where the truth is not known."""
    if is_right is None:
        return ''
    return '✓' if is_right else f'✗ {record.answer}'
