"""One question while it is answered: which word comes next, when it ends, what it then means."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spatialllm_ros.errors import AnswerParseError, CancelledError, SpatialLLMError
from spatialllm_ros.runtime.answers import (
    ParsedAnswer,
    check_metric,
    is_finished,
    locate,
    may_be_metric,
    parse_answer,
)
from spatialllm_ros.runtime.bundle import Manifest
from spatialllm_ros.runtime.decoding import Branches, Logs, Strand, log_softmax
from spatialllm_ros.runtime.guessing import ways_on
from spatialllm_ros.runtime.prompt import Prompt
from spatialllm_ros.runtime.tokenizer import Tokenizer
from spatialllm_ros.schema import Answer, AnswerKind, Frame, Query, Timing

OnText = Callable[[str], None]
IsCancelled = Callable[[], bool]
Outcome = Answer | SpatialLLMError


@dataclass(frozen=True)
class Request:
    """A question with what its caller wants while it is answered.

    Attributes:
        on_text: receives the answer's words so far after each token that changes them; words that
            may yet be refused, for lengths need a calibrated camera, only once they are answered.
        is_cancelled: asked before each token; true ends the question with CancelledError.
    """

    query: Query
    on_text: OnText | None = None
    is_cancelled: IsCancelled | None = None


class AnswerWriter:
    """Writes the answer to one question, word by word.

    Attributes:
        strand: where the question stands in the decoder's context; see ``take``.
        outcome: the answer, or why there is none; set when the question is over.
    """

    strand: Strand

    def __init__(
        self, request: Request, prompt: Prompt, frame: Frame, model: tuple[Manifest, Tokenizer]
    ) -> None:
        """Start with a question that is still to be read."""
        self.outcome: Outcome | None = None
        self._started_s = self._read_s = 0.0
        self._request = request
        self._prompt = prompt
        self._frame = frame
        self._manifest, self._tokenizer = model
        self._words: list[int] = []
        self._text = self._told = ''
        self._log_probability = 0.0

    @property
    def prompt(self) -> Prompt:
        """What the decoder has to read: the question and, once begun, its answer so far."""
        if not self._words:
            return self._prompt
        return Prompt((*self._prompt.question, *self._words), ())

    def take(self, strand: Strand, started_s: float) -> None:
        """Go on behind ``prompt``, which has been read; closed questions are decided at once.

        Args:
            strand: what was read.
            started_s: when reading began, by ``time.perf_counter``.
        """
        if not self._words:
            self._started_s, self._read_s = started_s, time.perf_counter()
        self.strand = strand
        if not self._is_cancelled():
            if strand.option_logs:
                self._decide()
            else:
                self.advance()

    @property
    def last_word(self) -> int:
        """The word that the decoder has to read next."""
        return self._words[-1]

    @property
    def guesses(self) -> Branches:
        """What may come behind the last word, for the decoder to read with it.

        It ends where the model knows no further positions.
        """
        room = self._manifest.decoder.positions - self.strand.next_position - 1
        ways = ways_on(self._prompt.question, self._words, self._text, self._tokenizer)
        return [way[:room] for way in ways] if room > 0 else []

    def advance(self) -> None:
        """Write the likeliest next words, as far as the decoder has read, or end the answer."""
        while not self._is_cancelled():
            self._write(int(self.strand.next_logs.argmax()))
            if self.outcome or not self.strand.go_on(self.last_word):
                return

    def _decide(self) -> None:
        """Choose among the options and the first word of the answer that nothing is there."""
        tokens = self._manifest.tokens
        logs = log_softmax(closed_logs(self.strand, tokens.absent) / self._manifest.temperature)
        best = int(logs.argmax())
        if best < len(self.strand.option_logs):
            self._log_probability = float(logs[best])
            self._finish_closed(best)
        else:
            self._write(tokens.absent, logs[best])

    def _write(self, word: int, log_probability: float | None = None) -> None:
        if log_probability is None:
            scaled = self.strand.next_logs / self._manifest.temperature
            log_probability = scaled[word] - np.log(np.exp(scaled).sum())
        self._log_probability += float(log_probability)
        if word == self._manifest.tokens.end:
            self._finish_open()
            return
        self._words.append(word)
        if len(self._words) > self._manifest.limits.answer_tokens:
            self._end(
                AnswerParseError(
                    f'expected an answer of at most {self._manifest.limits.answer_tokens} '
                    f'tokens, found {self._text!r} and more; ask in other words'
                )
            )
            return
        self._text = self._tokenizer.decode(self._words)
        if self._frame.camera.calibrated or not may_be_metric(self._text):
            self._tell()
        if self._is_whole():
            self._finish_open()

    def _is_whole(self) -> bool:
        """Tell whether only the end can follow: then the decoder need not be asked for it."""
        is_word = len(self._words) == 1 and self._words[0] in self._manifest.tokens.whole
        return is_word or is_finished(self._text)

    def _tell(self) -> None:
        """Give the caller the words so far, unless it has them."""
        if self._text != self._told:
            self._told = self._text
            if self._request.on_text:
                self._request.on_text(self._text)

    def _is_cancelled(self) -> bool:
        asked = self._request.is_cancelled
        if asked is not None and asked():
            self._end(CancelledError(f'cancelled after {len(self._words)} words'))
        return self.outcome is not None

    def _finish_closed(self, choice: int) -> None:
        options = self._request.query.options
        self._text = options[choice]
        self._tell()
        self._end(self._answer(parse_choice(options, choice), choice))

    def _finish_open(self) -> None:
        try:
            parsed = parse_answer(self._text)
            check_metric(parsed, self._frame.camera, self._frame.to_calibrate)
            self._tell()
            self._end(self._answer(parsed))
        except SpatialLLMError as error:
            self._end(error)

    def _end(self, outcome: Outcome) -> None:
        ended_s = time.perf_counter()
        timing = Timing(
            prefill_s=self._read_s - self._started_s,
            decode_s=ended_s - self._read_s,
            total_s=ended_s - self._started_s,
        )
        self.outcome = replace(outcome, timing=timing) if isinstance(outcome, Answer) else outcome

    def _answer(self, parsed: ParsedAnswer, choice: int | None = None) -> Answer:
        image = self._manifest.image
        said = Said(self._text, parsed, math.exp(self._log_probability), choice)
        return as_answer(said, self._frame, (image.width_px, image.height_px))


@dataclass(frozen=True)
class Said:
    """An answer's words, what they mean and how likely they are."""

    text: str
    parsed: ParsedAnswer
    confidence: float
    choice: int | None = None


def as_answer(said: Said, frame: Frame, canvas_px: tuple[int, int]) -> Answer:
    """Return an answer about a frame that was letterboxed into a canvas of this size."""
    parsed = said.parsed
    return Answer(
        text=said.text,
        kind=parsed.kind,
        confidence=said.confidence,
        stamp_ns=frame.stamp_ns,
        frame_id=frame.frame_id,
        camera_name=frame.camera_name,
        yes=parsed.yes,
        choice=said.choice,
        number=parsed.number,
        unit=parsed.unit,
        pose=None if parsed.place is None else locate(parsed.place, frame.camera, canvas_px),
    )


def parse_choice(options: Sequence[str], choice: int) -> ParsedAnswer:
    """Return what choosing one of the options means."""
    words = [option.strip().lower() for option in options]
    if set(words) == {'yes', 'no'}:
        return ParsedAnswer(AnswerKind.YES_NO, yes=words[choice] == 'yes')
    return ParsedAnswer(AnswerKind.CHOICE)


def closed_logs(strand: Strand, absent: int) -> Logs:
    """Return log-probabilities of a question's options, not yet divided by a temperature.

    Behind them stands that of ``absent``, the first word of the answer that nothing is there,
    unless an option begins with it.
    """
    logs = list(strand.option_logs)
    if all(option[0] != absent for option in strand.prompt.options):
        logs.append(float(strand.next_logs[absent]))
    return np.array(logs)
