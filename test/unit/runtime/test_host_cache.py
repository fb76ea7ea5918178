"""A cache that spans what is needed: its sizes, what a move keeps, and what the decoder says."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM

from spatialllm_ros.deploy.decoder_graph import decoder_graph
from spatialllm_ros.deploy.tensorrt_graphs import set_dimension
from spatialllm_ros.runtime.bundle import DecoderSpec
from spatialllm_ros.runtime.engines.base import Span
from spatialllm_ros.runtime.engines.host_cache import HostCache, cache_size
from spatialllm_ros.runtime.engines.onnx_contexts import HostContext, StaticContext

CONTEXT, SIZE, PREFIX, VOCABULARY = 200, 16, 40, 23
SPEC = DecoderSpec('static24', 24, 'float32', CONTEXT, CONTEXT, 2, 2, 8, SIZE, VOCABULARY)
COUNTS = st.integers(1, 90)


def session_of(graph, size=None):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    if size:
        options.add_free_dimension_override_by_name('cache', size)
    return ort.InferenceSession(graph.SerializeToString(), options, ['CPUExecutionProvider'])


@pytest.fixture(scope='module')
def graph():
    torch.manual_seed(1)
    config = AutoConfig.for_model(
        'llama', vocab_size=VOCABULARY, hidden_size=SIZE, intermediate_size=24,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
    )  # fmt: skip
    return decoder_graph(AutoModelForCausalLM.from_config(config).eval(), 'static24', CONTEXT)


@pytest.fixture(scope='module')
def sessions(graph):
    """The graph as it is written, and as it was written before: with a cache of one size."""
    free = session_of(graph)
    old = type(graph)()
    old.CopyFrom(graph)
    set_dimension(old, 'cache', CONTEXT)
    return SimpleNamespace(free=free, fixed=session_of(old))


def new_context(session):
    return HostContext(session, SPEC)


def span_of(length, count, seed):
    """Return embeddings that each see a few of those before, and themselves."""
    rng = np.random.default_rng(seed)
    places = np.arange(length, length + count)
    visible = rng.random((count, length + count)) < 0.5
    visible &= np.arange(length + count)[None] <= places[:, None]
    visible[np.arange(count), places] = True
    embeddings = rng.normal(size=(count, SIZE)).astype(np.float32)
    return Span(embeddings, places, visible, np.arange(count))


@given(st.integers(0, 400), st.integers(1, 400), st.integers(1, 800))
def test_sizes_hold_what_is_needed_and_no_more_than_a_question_beside_it(length, count, context):
    size = cache_size(length, count, context)
    assert size <= context
    assert size >= min(context, length + count + 8)
    assert size <= length + count + 8 + 31 + 15


def test_questions_of_usual_lengths_behind_an_image_have_one_size():
    context = 384
    sizes = {cache_size(0, 109, context), *(cache_size(109, n, context) for n in range(1, 25))}
    assert sizes == {144}
    assert cache_size(109, 8 * 16, context) == 272
    assert cache_size(109, 275, context) == cache_size(0, 384, context) == context


@given(st.lists(st.integers(1, CONTEXT), min_size=1, max_size=6), st.data())
@settings(max_examples=50)
def test_moving_keeps_what_is_there(sizes, data):
    cache, length = HostCache(SPEC), 0
    expected = np.zeros((1, 2, 0, 8), np.float32)
    for number, size in enumerate(sizes):
        length = data.draw(st.integers(0, min(length, size)))
        arrays = cache.resize(size, length)
        assert cache.size == size
        assert set(arrays) == {'k0', 'v0', 'k1', 'v1'}
        for name, array in arrays.items():
            assert array.shape == (1, 2, size, 8)
            sign = -1 if name == 'v1' else 1
            np.testing.assert_array_equal(array[:, :, :length], sign * expected[:, :, :length])
            assert np.isfinite(array).all()
        length = size
        expected = np.random.default_rng(number).normal(size=(1, 2, size, 8)).astype(np.float32)
        for name, array in arrays.items():
            array[:] = -expected if name == 'v1' else expected


@given(st.lists(st.tuples(st.floats(0, 1), COUNTS), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_it_says_what_a_cache_of_the_whole_context_does(sessions, steps):
    free, fixed = new_context(sessions.free), StaticContext(sessions.fixed, SPEC, 'cpu')
    for seed, (kept, count) in enumerate(steps):
        length = int(kept * free.length)
        for context in (free, fixed) if kept < 0.7 else ():  # other steps only append
            context.rewind(length)
        if free.length == CONTEXT:
            continue
        span = span_of(free.length, min(count, CONTEXT - free.length), seed)
        np.testing.assert_allclose(free.append(span), fixed.append(span), atol=1e-5)
        assert free.length == fixed.length <= free.size <= CONTEXT


@given(st.lists(COUNTS, max_size=4), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_a_question_has_the_same_bits_whatever_was_asked_before(sessions, before, count):
    used, fresh = new_context(sessions.free), new_context(sessions.free)
    for context in (used, fresh):
        context.append(span_of(0, PREFIX, 0))
    for seed, earlier in enumerate(before):
        used.rewind(PREFIX)
        used.append(span_of(PREFIX, earlier, seed + 9))
    for context in (used, fresh):
        context.rewind(PREFIX)
    for length, new in ((PREFIX, count), *((PREFIX + count + n, 1) for n in range(30))):
        span = span_of(length, new, length)
        np.testing.assert_array_equal(used.append(span), fresh.append(span))
    assert used.size == fresh.size


def test_it_grows_and_shrinks_with_the_questions(sessions):
    context = new_context(sessions.free)
    sizes = []
    for length, count in ((0, PREFIX), (PREFIX, 16), (PREFIX, 100), (PREFIX, 16), (PREFIX, 160)):
        context.rewind(length)
        context.append(span_of(length, count, 1))
        sizes.append(context.size)
    assert sizes == [80, 80, 176, 80, CONTEXT]
    assert context.capacity == CONTEXT


def test_words_make_it_grow_when_they_have_to(sessions):
    context = new_context(sessions.free)
    context.append(span_of(0, PREFIX, 1))
    sizes = []
    for length in range(PREFIX, CONTEXT):
        context.append(span_of(length, 1, 2))
        sizes.append(context.size)
    assert sorted(set(sizes)) == [80, 112, 144, 176, CONTEXT]
    assert sizes == sorted(sizes)


def test_a_size_that_is_set_stays(graph, sessions):
    """Old graphs have it, and the engine gives it to those on a GPU."""
    for session in (sessions.fixed, session_of(graph, CONTEXT)):
        context = new_context(session)
        context.append(span_of(0, PREFIX, 1))
        assert context.size == CONTEXT
        assert context.append(span_of(PREFIX, CONTEXT - PREFIX, 2)).shape[0] == CONTEXT - PREFIX
        assert context.size == CONTEXT


def test_its_memory_is_taken_once(sessions):
    context = new_context(sessions.free)
    context.append(span_of(0, PREFIX, 0))
    spans = [span_of(PREFIX, count, count) for count in (16, 130, 3)]
    words = [span_of(PREFIX + len(s.positions), 1, 0) for s in spans]

    def ask(times):
        for _ in range(times):
            for span, word in zip(spans, words, strict=True):
                context.rewind(PREFIX)
                context.append(span)
                context.append(word)

    ask(20)
    tracemalloc.start()
    try:
        ask(20)
        before = tracemalloc.get_traced_memory()[0]
        ask(200)
        assert tracemalloc.get_traced_memory()[0] - before < 5000
    finally:
        tracemalloc.stop()
