"""The nano model's tokenizer, made from the tables of words: no training, no download.

Every word of the wordings, every category, colour and number of an answer is one token. Some words
are read as one of these (``spellings.py``); any other falls apart into characters, so nothing a
person writes is lost.
"""

from __future__ import annotations

import re

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from spatialllm_ros.questions.generator import NOTHING, plural
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.questions.question_types import QUESTION_TYPES
from spatialllm_ros.questions.referring import SUPPORT_WORDS
from spatialllm_ros.questions.spellings import READ_AS
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS

SPECIAL_TOKENS = ('<pad>', '<unk>', '<s>', '</s>', '<answer>', '<image>')
ANSWER_WORDS = (
    'm',
    'degrees',
    'column',
    'row',
    'distance',
    'heading',
    'height',
    'there',
    'is',
    'no',
    NOTHING,
)
TENTHS, WHOLE = 200, 361
"""Numbers 0.0 to 19.9 and 0 to 360 are single tokens."""
PIECES = r'\d+\.\d|\d+|[^\W\d]+|[^\w\s]'
"""What a text is split into before words are looked up: numbers, words, single marks."""
CONTINUED = '##'


def words() -> list[str]:
    """Return every word and mark that questions and answers use, in alphabetical order."""
    found = {'an', *answer_words()}
    for name in CATEGORIES:
        found |= {name, plural(name)}
    for own in PHRASINGS.values():
        for wording in own.train:
            found |= set(re.findall(r'[a-z]+|[^\w\s]', re.sub(r'\{.\}', '', wording)))
    return sorted(found)


def answer_words() -> list[str]:
    """Return the words of answers beside the names of objects, in alphabetical order."""
    found = {'small', 'large', *COLOURS, *ANSWER_WORDS}
    for kind in QUESTION_TYPES.values():
        found |= set(kind.options)
    for support in SUPPORT_WORDS.values():
        found |= set(support.split())
    return sorted(found)


def whole_answers() -> list[str]:
    """Return the words that are answers by themselves and begin no longer one, in order.

    Colours begin the names of objects (``red car``).
    """
    options = {option for kind in QUESTION_TYPES.values() for option in kind.options}
    return sorted(options - set(COLOURS))


def numbers() -> list[str]:
    """Return the numbers that are single tokens."""
    return [f'{n / 10:.1f}' for n in range(TENTHS)] + [str(n) for n in range(WHOLE)]


def replacement(other: str, own: str) -> normalizers.Replace:
    """Return the step that reads a whole word, or a mark anywhere, as another."""
    pattern = re.sub(r'^(?=\w)|(?<=\w)$', r'\\b', re.escape(other))
    return normalizers.Replace(Regex(pattern), own)


def build_tokenizer() -> Tokenizer:
    """Return the tokenizer; equal tables make equal ids."""
    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    tokens = [*SPECIAL_TOKENS, *words(), *numbers(), *characters]
    tokens += [CONTINUED + character for character in characters]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token='<unk>'))
    replaced = [replacement(other, own) for own, others in READ_AS.items() for other in others]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *replaced])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PIECES), 'isolated'), pre_tokenizers.WhitespaceSplit()]
    )
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUED, cleanup=False)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer
