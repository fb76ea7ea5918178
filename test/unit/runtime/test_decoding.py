"""What each question sees of a context that several share.

The context here computes nothing: it returns, as scores, which words at which positions a row
sees, so that the tests can say what should be there by looking at the question alone.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spatialllm_ros.runtime.decoding import PrefixedContext, log_softmax
from spatialllm_ros.runtime.prompt import Prompt

WORDS, PREFIX, PLACES = 5, 3, 40
ANSWER = WORDS - 1

texts = st.lists(st.integers(0, ANSWER - 1), max_size=5)
prompts = st.builds(
    lambda question, options: Prompt((*question, ANSWER), tuple((*o, ANSWER) for o in options)),
    texts,
    st.lists(texts, max_size=3),
)


class Witness:
    """A context of 600 positions whose scores (N, PLACES * WORDS) mark what each row sees."""

    capacity = 600

    def __init__(self) -> None:
        self.words: list[int] = []
        self.places: list[int] = []
        self.rows: list[int] = []

    @property
    def length(self) -> int:
        return len(self.words)

    def rewind(self, length: int) -> None:
        del self.words[length:], self.places[length:]

    def append(self, span) -> np.ndarray:
        self.words += span.embeddings.argmax(axis=1).tolist()
        self.places += span.positions.tolist()
        self.rows.append(len(span.positions))
        seen = np.zeros((len(span.scored), PLACES, WORDS))
        for row, scored in zip(seen, span.scored, strict=True):
            for slot in np.flatnonzero(span.visible[scored]):
                row[self.places[slot], self.words[slot]] += 1
        return seen.reshape(len(seen), -1)


def logs_of(*words: int) -> np.ndarray:
    """Return what the witness says of a text that stands alone behind the prefix."""
    seen = np.zeros((PLACES, WORDS))
    seen[:PREFIX, 0] = 1
    seen[range(PREFIX, PREFIX + len(words)), words] = 1
    return log_softmax(seen.reshape(1, -1))[0]


def new_context() -> tuple[Witness, PrefixedContext]:
    witness, table = Witness(), np.eye(WORDS, dtype=np.float32)
    return witness, PrefixedContext(witness, table, table[[0] * PREFIX])


@given(st.lists(prompts, min_size=1, max_size=6))
def test_each_question_sees_the_prefix_and_itself_alone(asked):
    _, context = new_context()
    for _ in range(2):  # what was read before must not be seen the second time
        strands = context.read(asked)
    for strand, prompt in zip(strands, asked, strict=True):
        np.testing.assert_array_equal(strand.next_logs, logs_of(*prompt.question))
        for option, ways in zip(prompt.options, strand.ahead, strict=True):
            for count, word in enumerate(ways, start=1):
                expected = logs_of(*prompt.question, *option[:count])
                np.testing.assert_array_equal(word.logs, expected)
    context.extend(strands, [1] * len(strands), [[[2, 3]]] * len(strands))
    for strand, prompt in zip(strands, asked, strict=True):
        np.testing.assert_array_equal(strand.next_logs, logs_of(*prompt.question, 1))
        assert strand.go_on(2)
        np.testing.assert_array_equal(strand.next_logs, logs_of(*prompt.question, 1, 2))


def test_words_that_questions_begin_with_are_read_once():
    witness, context = new_context()
    context.read([
        Prompt((1, 2, 3, ANSWER), ((1, ANSWER), (2, ANSWER))),
        Prompt((1, 2, 2, ANSWER), ()),  # the first two are there
        Prompt((1, 2, 3, ANSWER), ((1, ANSWER),)),  # all but the place of its answer
        Prompt((2, 1, ANSWER), ()),  # none
    ])  # fmt: skip
    assert witness.rows == [PREFIX, 6 + 2 + 2 + 3]


@given(st.lists(prompts, min_size=1, max_size=6))
def test_no_beginning_is_read_twice(asked):
    witness, context = new_context()
    context.read(asked)
    begun = {prompt.question[:n] for prompt in asked for n in range(1, len(prompt.question))}
    options = sum(len(option) - 1 for prompt in asked for option in prompt.options)
    assert witness.rows[-1] == len(begun) + len(asked) + options
