"""What a question becomes, and which questions are refused."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spatialllm_ros.errors import QuestionError
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.runtime.bundle import load_bundle
from spatialllm_ros.runtime.prompt import Prompt, PromptBuilder
from spatialllm_ros.runtime.tokenizer import Tokenizer
from spatialllm_ros.schema import Query

PREFIX = 5  # <s> and four image tokens


@pytest.fixture
def make_builder(bundle_folder):
    bundle = load_bundle(bundle_folder)
    tokenizer = Tokenizer(bundle.path('tokenizer'))

    def make(context=64, positions=64, **limits):
        manifest = replace(
            bundle.manifest,
            decoder=replace(bundle.manifest.decoder, context=context, positions=positions),
            limits=replace(bundle.manifest.limits, **limits),
        )
        return PromptBuilder(manifest, tokenizer)

    return make


def ids(words, text):
    return tuple(words.index(word) for word in text.split())


def test_a_question_ends_with_its_mark_and_options_with_theirs(make_builder, words):
    query = Query(' is  the\tcar red ?\n', ('yes', 'left of the mug'))
    assert make_builder().build(query) == Prompt(
        ids(words, 'is the car red ? <answer>'),
        (ids(words, 'yes </s>'), ids(words, 'left of the mug </s>')),
    )


def test_a_word_among_unknown_ones_is_enough(make_builder, words):
    prompt = make_builder().build(Query('zebra car'))
    assert prompt.question == ids(words, '<unk> car <answer>')


@pytest.fixture
def shipped():
    return load_bundle(Path(__file__).parents[3] / 'models' / 'nano')


@pytest.mark.parametrize(('query', 'complaint'), [
    (Query('is there a Giraffe in view?'), "question in words .* found 'giraffe'; ask in other"),
    (Query('what colur is the mug?'), "found 'colur'; did you mean 'colour'"),
    (Query('where is the café?'), "found 'café'"),
    (Query('which is nearer?', ('the mug', 'the pallet')), "option in words .* found 'pallet'"),
])  # fmt: skip
def test_a_word_that_falls_apart_into_characters_was_never_learned(shipped, query, complaint):
    tokenizer = Tokenizer(shipped.path('tokenizer'))
    with pytest.raises(QuestionError, match=complaint):
        PromptBuilder(shipped.manifest, tokenizer).build(query)
    tokens = replace(shipped.manifest.tokens, spelled=True)
    PromptBuilder(replace(shipped.manifest, tokens=tokens), tokenizer).build(query)


def test_every_question_of_the_tables_is_in_words_that_the_shipped_model_learned(shipped):
    builder = PromptBuilder(shipped.manifest, Tokenizer(shipped.path('tokenizer')))
    for phrasings in PHRASINGS.values():
        for wording in (*phrasings.train, *phrasings.evaluation):
            for phrase in ('red Car', "large crate's side", '12 cones at 3.5 m'):
                builder.build(Query(wording.format(a=phrase, b=phrase, c=phrase)))


@pytest.mark.parametrize(('query', 'complaint'), [
    (Query(''), 'expected a question in words, found nothing'),
    (Query(' \t\n '), 'question in words, found nothing'),
    (Query('car ' * 16), 'at most 60 characters, found 64'),
    (Query('car \x01'), 'unprintable'),
    (Query('car \ufffd'), 'unprintable'),
    (Query('\u202ecar'), 'unprintable'),
    (Query('\ud800 car'), 'unprintable'),
    (Query('zebra giraffe'), "the model knows, found 'zebra giraffe'"),
    (Query('car', ('yes',)), '2 to 3, found 1'),
    (Query('car', ('yes', 'no', 'left', 'right')), '2 to 3, found 4'),
    (Query('car', ('yes', '')), 'expected an option in words, found nothing'),
    (Query('car', ('yes', 'car ' * 16)), 'option of at most 60'),
    (Query('car', ('yes', ' yes ')), 'tell apart'),
    (Query('car', ('zebra', 'yes')), "the model knows, found 'zebra'"),
])  # fmt: skip
def test_what_cannot_be_asked_is_named(make_builder, query, complaint):
    with pytest.raises(QuestionError, match=complaint):
        make_builder().build(query)


@pytest.mark.parametrize(('query', 'need'), [
    (Query('the car ?'), 3 + 1 + 10),
    (Query('the car ?', ('yes', 'left of the mug')), 3 + 1 + 1 + 4 + 10),
])  # fmt: skip
def test_a_question_and_its_answer_need_room(make_builder, query, need):
    assert make_builder(context=PREFIX + need).build(query)
    with pytest.raises(QuestionError, match='1 tokens too many'):
        make_builder(context=PREFIX + need - 1).build(query)


def test_the_longest_answer_needs_positions(make_builder):
    query = Query('car', ('yes', 'left of the red mug'))
    length = PREFIX + 2 + 6
    assert make_builder(positions=length, answer_tokens=3).build(query)
    with pytest.raises(QuestionError, match='1 tokens too many'):
        make_builder(positions=length - 1, answer_tokens=3).build(query)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(1, 12), max_size=12))
def test_passes_hold_what_fits_and_lose_nothing(make_builder, lengths):
    builder = make_builder(context=PREFIX + 40)
    prompts = {n + 100: builder.build(Query('car ' * k)) for n, k in enumerate(lengths)}
    passes = builder.in_passes(prompts)
    assert [key for together in passes for key in together] == list(prompts)
    needs = [[len(prompts[key].question) + 6 for key in together] for together in passes]
    assert all(sum(need) <= 40 for need in needs)
    for these, following in itertools.pairwise(needs):
        assert sum(these) + following[0] > 40


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=80), st.lists(st.text(max_size=12), max_size=4))
def test_any_text_is_read_or_refused(make_builder, question, options):
    try:
        prompt = make_builder().build(Query(question, tuple(options)))
    except QuestionError:
        return
    assert len(prompt.options) == len(options)
