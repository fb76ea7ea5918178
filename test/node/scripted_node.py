"""The real node with a scripted session in place of a model. Only tests start it.

    python test/node/scripted_node.py --ros-args -p autostart:=false

The question says what the session does with it, see ScriptedSession.answer.
"""

import sys
import threading
from dataclasses import dataclass

from spatialllm_ros.errors import (
    AnswerParseError,
    CancelledError,
    ConfigError,
    EngineError,
    QuestionError,
    UncalibratedCameraError,
)
from spatialllm_ros.node.main import run
from spatialllm_ros.runtime.answers import check_metric, parse_length
from spatialllm_ros.schema import Answer, AnswerKind, Frame, LocatedObject

BETWEEN_WORDS_S = 0.02


@dataclass(frozen=True)
class Seen:
    """Stands in for EncodedFrame."""

    frame: Frame
    encode_s: float = 0.001


class ScriptedSession:
    """Stands in for SpatialSession and does what the question says."""

    engine_name = 'a script'
    precision = 'scripted'

    def check(self, query):
        words = query.question.strip()
        if not words or len(words) > 1000 or not words.isprintable() or '\ufffd' in words:
            raise QuestionError(f'expected a question in words, found {words[:20]!r}')

    def encode(self, frame):
        if frame.frame_id == 'smoke':
            raise RuntimeError('the engine is on fire')
        return Seen(frame)

    def answer_each(self, encoded, requests):
        for index, request in enumerate(requests):
            try:
                yield index, self.answer(encoded, request)
            except (AnswerParseError, CancelledError, UncalibratedCameraError) as error:
                yield index, error

    def answer(self, encoded, request):
        on_text = request.on_text or (lambda _: None)
        return self._say(encoded.frame, request.query, on_text, request.is_cancelled)

    def _say(self, frame, query, on_text, is_cancelled):
        question = query.question
        if question == 'talk without end':
            return self._talk(on_text, is_cancelled)
        if question == 'crash':
            on_text('half a')
            raise ZeroDivisionError
        if question == 'fail':
            raise EngineError('expected a working engine, found a scripted failure')
        if question == 'mumble' or question.startswith('is there a unsayable'):
            raise AnswerParseError("expected an answer, found 'mumble'")
        if question.startswith('how far'):
            check_metric(parse_length(3.4), frame.camera, frame.to_calibrate)
        text, meaning = self._meaning(question, query.options, frame)
        for end in range(1, len(text.split()) + 1):
            on_text(' '.join(text.split()[:end]))
        confidence = 0.9 if question.startswith('is there') else 0.5
        return Answer(
            text=text, confidence=confidence, stamp_ns=frame.stamp_ns, frame_id=frame.frame_id,
            camera_name=frame.camera_name, **meaning,
        )  # fmt: skip

    def _meaning(self, question, options, frame):
        if question.startswith('is there') and 'bright' not in question:
            is_there = 'ghost' not in question  # which has a place all the same
            return ('no', 'yes')[is_there], {'kind': AnswerKind.YES_NO, 'yes': is_there}
        if set(options) == {'yes', 'no'}:
            is_bright = bool(frame.rgb.mean() > 100)
            return ('no', 'yes')[is_bright], {'kind': AnswerKind.YES_NO, 'yes': is_bright}
        if question == 'speak garbage':
            return '\ud800', {'kind': AnswerKind.TEXT}  # half a letter, which no message can hold
        if options:
            return options[-1], {'kind': AnswerKind.CHOICE, 'choice': len(options) - 1}
        if question.startswith('how far'):
            return '3.4 m', {'kind': AnswerKind.NUMBER, 'number': 3.4, 'unit': 'm'}
        if question.startswith('where') and 'purple' in question:
            return 'there is no purple dog', {'kind': AnswerKind.TEXT}
        if question.startswith('where') and 'riddle' in question:
            return 'behind you', {'kind': AnswerKind.TEXT}
        if question.startswith('where') and 'straight' in question:
            place = LocatedObject((0.0, 0.0, 4.0), (3.5, 2.5), 0.0)
            return 'column 50 row 50 distance 4.0 m', {'kind': AnswerKind.POSE, 'pose': place}
        if question.startswith('where'):
            place = LocatedObject((1.0, 0.5, 4.0), (300.0, 200.0), 0.0)
            return 'column 42 row 61 distance 4.2 m', {'kind': AnswerKind.POSE, 'pose': place}
        mean = ' '.join(str(round(float(value))) for value in frame.rgb.mean((0, 1)))
        return f'mean colour {mean} up {frame.camera.up_optical}', {'kind': AnswerKind.TEXT}

    def _talk(self, on_text, is_cancelled):
        pause, words = threading.Event(), 0
        while not is_cancelled():
            words += 1
            on_text('word ' * words)
            pause.wait(BETWEEN_WORDS_S)
        raise CancelledError('the caller cancelled')


def load_script(parameters):
    if parameters.bundle == 'broken':
        raise ConfigError('expected a script, found a broken one')
    if parameters.bundle == 'burning':
        raise RuntimeError('no memory is left')
    if parameters.bundle == 'slow':
        print('loading', flush=True)
        sys.stdin.read(1)
    return ScriptedSession()


if __name__ == '__main__':
    sys.exit(run(load_script))
