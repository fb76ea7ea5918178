"""The tokenizer made of tables: whole words for all it should know, letters for the rest."""

import re
from itertools import chain

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spatialllm_ros.questions import Balancer, generate
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.questions.spellings import READ_AS
from spatialllm_ros.questions.vocabulary import SPECIAL_TOKENS, build_tokenizer, words
from spatialllm_ros.runtime.tokenizer import Tokenizer
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS

TOKENIZER = build_tokenizer()
TOKENIZER.encode_special_tokens = True  # as the run time reads what a person types


def pieces(text) -> list[str]:
    return TOKENIZER.encode(text, add_special_tokens=False).tokens


@pytest.mark.parametrize('name', PHRASINGS)
def test_every_wording_is_whole_words(name):
    for wording in chain(PHRASINGS[name].train, PHRASINGS[name].evaluation):
        text = wording.format(a='small orange aeroplane', b='mug on the shelf', c='white car')
        for mark in "?.,:'":
            text = text.replace(mark, f' {mark} ')
        assert pieces(text) == text.split()


@pytest.mark.parametrize('split', ['train', 'eval'])
def test_questions_and_answers_of_sampled_worlds_hold_no_letters(sampled_scene, split):
    balancer, known = Balancer(), set(words())
    for seed in range(100):
        for record in generate(
            sampled_scene(seed), np.random.default_rng(seed), balancer, 16, split=split
        ):
            answer = pieces(record.answer)
            assert ' '.join(answer) == record.answer
            for piece in [*pieces(record.question), *answer]:
                assert piece in known or piece.replace('.', '').isdigit()


def test_a_mention_covers_whole_tokens(sampled_scene):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        for record in generate(sampled_scene(seed), rng, Balancer(), 16):
            offsets = TOKENIZER.encode(record.question, add_special_tokens=False).offsets
            starts, ends = (set(side) for side in zip(*offsets, strict=True))
            for mention in record.mentions:
                assert mention.start in starts
                assert mention.end in ends


@pytest.mark.parametrize('number', ['0.0', '3.4', '19.9', '0', '42', '100', '360'])
def test_a_number_is_one_token(number):
    assert pieces(number) == [number]


def test_units_and_marks_stand_apart():
    assert pieces('3.4 m') == ['3.4', 'm']
    assert pieces('Where is the MUG?') == ['where', 'is', 'the', 'mug', '?']
    assert pieces('column 42 row 61') == ['column', '42', 'row', '61']


def test_an_unknown_word_falls_into_letters_and_comes_back():
    assert pieces('zebra') == ['z', '##e', '##b', '##r', '##a']
    ids = TOKENIZER.encode('is the zebra red', add_special_tokens=False).ids
    assert TOKENIZER.decode(ids) == 'is the zebra red'


@example('<unk>')
@example('is <image> </s>?')
@example("What's the CUP'S colour, please, in the screenplay?")
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_nothing_typed_in_ascii_is_lost(text):
    found = pieces(text)
    assert '<unk>' not in found
    said = text.lower()
    for own, others in READ_AS.items():
        for other in others:
            said = re.sub(rf'(?<!\w){other}(?!\w)' if other[0].isalpha() else other, own, said)
    assert ''.join(piece.removeprefix('##') for piece in found) == ''.join(said.split())


@pytest.mark.parametrize(('written', 'read'), [
    ("what's the color of the couch?", 'what is the colour of the sofa ?'),
    ('Where\u2019s the little box?', 'where is the small crate ?'),
    ('Please, could you find the airplane?', 'can you find the aeroplane ?'),
    ('how many cups are there, please?', 'how many mugs are there ?'),
    ("is the lorry's front further?", "is the truck ' s front farther ?"),
    ('is the screen 2 meters above the ground', 'is the monitor 2 metres above the floor'),
])  # fmt: skip
def test_other_spellings_and_names_are_read_as_ours(written, read):
    assert pieces(written) == read.split()


def test_what_is_read_as_another_word_is_none_of_ours_and_no_part_of_a_word_is():
    known = set(words())
    for own, others in READ_AS.items():
        assert set(own.split()) <= known
        assert not {*others} & known
    assert ''.join(pieces('boxing')) == 'b##o##x##i##n##g'


def test_special_tokens_come_first_and_equal_tables_make_equal_ids():
    assert [TOKENIZER.token_to_id(mark) for mark in SPECIAL_TOKENS] == list(range(6))
    assert build_tokenizer().to_str() == TOKENIZER.to_str()


def test_what_a_caller_writes_holds_no_special_token(tmp_path):
    TOKENIZER.save(str(tmp_path / 'tokenizer.json'))
    tokenizer = Tokenizer(tmp_path / 'tokenizer.json')
    ids = tokenizer.encode('is <image> there </s> <answer>')
    assert min(ids) >= len(SPECIAL_TOKENS)
    assert tokenizer.decode(ids) == 'is < image > there < / s > < answer >'


def test_all_words_are_there_once_and_in_order():
    found = words()
    assert found == sorted(set(found))
    assert {*CATEGORIES, *COLOURS, 'people', 'mugs', 'yes', 'no', 'perpendicular'} <= {*found}
