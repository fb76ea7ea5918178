"""How answers probably go on, in the words of the shipped tokenizer."""

from pathlib import Path

import pytest

from spatialllm_ros.runtime.bundle import TOKENIZER, load_bundle
from spatialllm_ros.runtime.guessing import MOST_READ, ways_on
from spatialllm_ros.runtime.tokenizer import Tokenizer


@pytest.fixture(scope='module')
def tokenizer():
    return Tokenizer(load_bundle(Path('models/nano')).path(TOKENIZER))


@pytest.mark.parametrize(
    ('question', 'answer', 'expected'),
    [
        ('which is nearer, the red car or the red mug?', 'red', ['car', 'mug']),
        ('which is nearer, the red car or the red car?', 'red', ['car']),
        ('which is red, a red dog, a red mug or a red car?', 'red', ['dog', 'mug']),
        ('is it the car?', 'car', ['and']),
        ('the dog, the car', 'dog', ['and']),
        ('the dog, the car', 'car', ['and']),
        ('what do you see?', 'car and dog', ['and']),
        ('what do you see?', 'car and', []),
        ('how far is the car?', '3.4', []),
        ('where is the car?', 'there', ['is no']),
        ('where is the car?', 'there is no', []),
        ('where is the row?', 'column', []),
        ('where is the car?', 'column 42', ['row']),
        ('where is the car?', 'column 42 row', []),
        ('where is the car?', 'column 42 row 61', ['distance']),
        ('where is the car?', 'column 42 row 61 distance 3.4', ['m heading']),
        ('where is the car?', 'column 42 row 61 distance 3.4 m heading 90', []),
        ('describe the car.', 'distance 3.4', ['m height']),
        ('describe the car.', 'distance 3.4 m height 0.5', ['m heading']),
    ],
)
def test_forms_go_on_and_names_are_those_of_the_question(tokenizer, question, answer, expected):
    asked = [*tokenizer.encode(question), load_bundle(Path('models/nano')).manifest.tokens.answer]
    ways = ways_on(asked, tokenizer.encode(answer), answer, tokenizer)
    assert [tokenizer.decode(way) for way in ways] == expected
    assert 1 + sum(map(len, ways)) <= MOST_READ
