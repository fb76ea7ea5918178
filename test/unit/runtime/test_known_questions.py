"""What the documents tell users to ask is what the shipped model learned to answer."""

import re
from pathlib import Path

import pytest

from spatialllm_ros.questions.generator import plural
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.questions.spellings import READ_AS
from spatialllm_ros.runtime.ask_command import EXAMPLES
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / 'docs' / 'guide' / 'questions.md').read_text()
NOUN = '|'.join(word for name in CATEGORIES for word in (plural(name), name))
COLOUR, PLACE = '|'.join(COLOURS), 'on the (floor|block|shelf)'
PHRASE = rf'((small|large) )?(({COLOUR}) )?({NOUN})( {PLACE})?'
BESIDE = rf'((on )?(to )?(the )?(left|right) of|next to) the {PHRASE}'
ATTRIBUTE = f'({COLOUR}|{PLACE}|on the (left|right)|{BESIDE})'
SLOTS = {'list_of': ATTRIBUTE, 'exist_of': ATTRIBUTE}
WORDINGS = [
    re.compile(SLOTS.get(name, PHRASE).join(re.split(r'\\\{.\\\}', re.escape(wording))))
    for name, phrasings in PHRASINGS.items()
    for wording in (*phrasings.train, *phrasings.evaluation)
]


def asked_in(text) -> list[str]:
    """Return what a document's commands and its blocks of text ask."""
    quoted = re.findall(r"""["']([a-z][a-z ,]+\?)["']""", text)
    blocks = re.findall(r'```text\n(.*?)```', text, re.DOTALL)
    return [*quoted, *(line for block in blocks for line in block.splitlines())]


def test_the_page_names_every_object_and_colour():
    table = {row.split('|')[1].strip(): row.split('|')[2] for row in re.findall(r'\|.*\|', PAGE)}
    for label, has_front in (('with a front', True), ('without', False)):
        expected = [name for name, own in CATEGORIES.items() if own.has_front == has_front]
        assert [word.strip() for word in table[label].split(',')] == expected
    assert [word.strip() for word in table['colours'].split(',')] == list(COLOURS)


def test_the_page_counts_the_wordings():
    count = sum(len(phrasings.train) for phrasings in PHRASINGS.values())
    assert f'and {count} wordings in simulated worlds' in PAGE


def test_the_page_s_other_words_are_read_as_ours():
    (row,) = re.findall(r'read as these: (.*?)\n', PAGE)
    others = {other for each in READ_AS.values() for other in each}
    named = {*re.findall(r'\*(.*?)\*', row)}
    assert len(named) > 5
    assert named <= others


@pytest.mark.parametrize(
    'text', [PAGE, (ROOT / 'README.md').read_text(), EXAMPLES], ids=['page', 'README', 'help']
)
def test_what_documents_ask_is_worded_as_the_model_learned_it(text):
    questions = asked_in(text)
    assert len(questions) >= 3
    for question in questions:
        assert any(wording.fullmatch(question) for wording in WORDINGS), question
