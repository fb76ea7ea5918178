"""The truth beside an image: its text, and looking it up by the image's stamp."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialllm_ros.demo.truth import Truth, read_truth
from spatialllm_ros.demo.truth_book import KEPT, TruthBook
from spatialllm_ros.errors import SceneError
from spatialllm_ros.schema import QuestionRecord

WORDS = st.text(max_size=20)
RECORDS = st.builds(
    QuestionRecord,
    scene_id=st.just('sim-7'),
    type=WORDS,
    question=WORDS,
    options=st.lists(WORDS, max_size=3).map(tuple),
    answer=WORDS,
)


@given(st.lists(RECORDS, max_size=4), st.integers(0, 2**31 - 1), st.integers(0, 10**9 - 1))
def test_what_is_written_is_read(records, sec, nanosec):
    truth = Truth('sim-7', tuple(records))
    assert read_truth(truth.to_json((sec, nanosec))) == ((sec, nanosec), truth)


def test_the_text_by_hand():
    record = QuestionRecord('sim-7', 'exist', 'is there a car?', ('yes', 'no'), 'no')
    assert json.loads(Truth('sim-7', (record,)).to_json((3, 5))) == {
        'stamp': {'sec': 3, 'nanosec': 5},
        'scene': 'sim-7',
        'questions': [
            {
                'type': 'exist',
                'question': 'is there a car?',
                'options': ['yes', 'no'],
                'answer': 'no',
            }
        ],
    }


@pytest.mark.parametrize(
    'text',
    ['', 'hello', '[]', '{}', '{"stamp": 3}', '{"stamp": {"sec": "x", "nanosec": 0}}', 'null'],
)
def test_other_text_is_refused_and_quoted(text):
    with pytest.raises(SceneError, match='expected the truth of an image') as caught:
        read_truth(text)
    assert repr(text) in str(caught.value)


def truth_text(number):
    return Truth(f'sim-{number}', ()).to_json((number, 0))


def test_the_book_knows_the_newest_and_those_before_it():
    book = TruthBook()
    assert book.newest() is None
    for number in range(KEPT + 2):
        book.add(truth_text(number))
    assert book.newest() == Truth(f'sim-{KEPT + 1}', ())
    assert book.about((2, 0)) == Truth('sim-2', ())
    assert book.about((1, 0)) is None, 'old ones are forgotten'
    assert book.about((2, 1)) is None


def test_the_book_can_be_waited_for():
    book = TruthBook()
    writer = threading.Thread(target=book.add, args=[truth_text(1)])
    writer.start()
    assert book.newest(timeout_s=30) == Truth('sim-1', ())
    writer.join()
