"""What the bench makes of durations, and that it asks what it says."""

import math
import statistics
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialllm_ros.demo.bench_session import ROUNDS, measure_session, percentiles
from spatialllm_ros.demo.recording import write_recording
from spatialllm_ros.demo.shots import Shot
from spatialllm_ros.demo.truth import Truth
from spatialllm_ros.errors import AnswerParseError, EngineError
from spatialllm_ros.schema import Answer, AnswerKind, QuestionRecord


@given(st.lists(st.floats(0, 100), min_size=2))
def test_percentiles_are_those_of_the_standard_library(durations_s):
    found = percentiles(durations_s)
    cuts = statistics.quantiles(durations_s, n=20, method='inclusive')
    assert found.count == len(durations_s)
    assert found.p50_s == pytest.approx(statistics.median(durations_s), abs=1e-9)
    assert found.p95_s == pytest.approx(cuts[18], abs=1e-9)


def test_percentiles_of_nothing():
    assert percentiles([]).count == 0
    assert math.isnan(percentiles([]).p50_s)


class StubSession:
    """Stands in for a session: answers all but what it cannot read, and remembers both."""

    engine_name = 'a stub'
    bundle = SimpleNamespace(manifest=SimpleNamespace(parameters=3))

    def __init__(self):
        self.encoded, self.asked = [], []

    def check(self, query):
        pass

    def encode(self, frame):
        self.encoded.append(int(frame.rgb.mean().round()))
        return SimpleNamespace(frame=frame, encode_s=0.0)

    def answer_each(self, encoded, requests):
        for index, request in enumerate(requests):
            yield index, self._answer(encoded.frame, request.query.question)

    def _answer(self, frame, question):
        self.asked.append(question)
        if question == 'mumble':
            return AnswerParseError('expected an answer, found none')
        if question == 'fail':
            return EngineError('expected a working engine, found none')
        return Answer(
            'yes', AnswerKind.TEXT, 0.5, frame.stamp_ns, frame.frame_id, frame.camera_name
        )


def tour_of(path, *worlds):
    """Write two images of each world, whose questions are given."""
    shots = []
    for number, questions in enumerate(worlds):
        records = tuple(QuestionRecord(f'w{number}', '', text, (), '') for text in questions)
        grey = np.full((48, 64, 3), 40 * number, np.uint8)
        shots += [Shot(grey, len(shots) + i, {}, Truth(f'w{number}', records)) for i in (0, 1)]
    write_recording(path, shots)
    return path


def test_each_world_is_encoded_once_and_the_first_warms_up(tmp_path):
    session = StubSession()
    tour = tour_of(tmp_path / 't.mcap', ['a'], ['b', 'mumble'], ['c', 'd', 'e'])
    found = measure_session(session, tour)
    assert session.encoded == pytest.approx([0, 40, 80], abs=2)  # JPEG
    assert session.asked == ['a'] * ROUNDS + ['b', 'mumble'] * ROUNDS + ['c', 'd', 'e'] * ROUNDS
    assert found.new_frame.count == 2
    assert found.seen_frame.count == ROUNDS - 1 + 3 * ROUNDS - 1
    assert found.unreadable == ROUNDS


def test_a_failing_engine_ends_the_bench(tmp_path):
    with pytest.raises(EngineError, match='working engine'):
        measure_session(StubSession(), tour_of(tmp_path / 't.mcap', ['fail']))
