"""A tokenizer with fewer tokens, which reads the kept words exactly as before.

Any other text still has tokens: single characters, their ``##`` forms, or bytes are always kept.
Knows tokenizer.json alone; the model's rows are the business of ``vocabulary_rows``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers

from spatialllm_ros.errors import ConfigError

CONTINUED = '##'
BPE_EXTRAS = ('dropout', 'continuing_subword_prefix', 'end_of_word_suffix', 'byte_fallback')
"""What byte-level BPE does without."""


@dataclass(frozen=True)
class CutVocabulary:
    """What is left of a tokenizer.

    Attributes:
        tokenizer: the new ``tokenizer.json``.
        kept: the old ids, at the place of the new ones.
    """

    tokenizer: bytes
    kept: tuple[int, ...]

    @property
    def numbers(self) -> dict[int, int]:
        """The new id of each old one."""
        return {old: new for new, old in enumerate(self.kept)}


def cut_vocabulary(
    tokenizer: bytes, texts: Sequence[str], marks: Collection[int]
) -> CutVocabulary:
    """Keep what texts are made of, special tokens, and what any other text falls back on.

    Texts are kept at the beginning and inside of a sentence, and with a capital letter, too.

    Args:
        tokenizer: a ``tokenizer.json``.
        texts: words and sentences.
        marks: ids that are kept besides.

    Raises:
        ConfigError: a kind of tokenizer that cannot be cut without reading words otherwise.
    """
    reader = _reader(tokenizer)
    plain = json.loads(reader.to_str())
    check_kind(plain)
    forms = list(dict.fromkeys(form for text in texts for form in _forms(text)))
    names = {added['content'] for added in plain['added_tokens']}
    names |= {name for i in marks if (name := reader.id_to_token(i)) is not None}
    names |= {plain['model'].get('unk_token')} & plain['model']['vocab'].keys()
    names |= set(reader.encode('').tokens)  # those that a post-processor adds
    names |= {token for form in forms for token in _read(reader, form)}
    if plain['model']['type'] == 'BPE':
        names |= _byte_tokens(reader, plain['model'], forms)
    else:
        names |= _characters(plain['model'])
    cut = _renumbered(plain, reader, names)
    _check_same(reader, cut, forms)
    return cut


def check_kind(plain: Mapping[str, Any]) -> None:
    """Refuse a tokenizer of which no part may be missing.

    Raises:
        ConfigError: it is no WordLevel, WordPiece or byte-level BPE.
    """
    model = plain['model']
    kind, why = model['type'], ''
    if kind == 'BPE':
        if not _is_byte_level(plain.get('pre_tokenizer')):
            why = ' that merges characters, which has no token for every text'
        elif extras := [name for name in BPE_EXTRAS if model.get(name)]:
            why = f' with {", ".join(extras)}'
    elif kind == 'WordPiece' and model['continuing_subword_prefix'] != CONTINUED:
        why = f' with the prefix {model["continuing_subword_prefix"]!r}'
    elif kind not in ('WordLevel', 'WordPiece'):
        why = ', which weighs all of its pieces against each other'
    if why:
        raise ConfigError(
            'expected a tokenizer whose vocabulary can be cut: WordLevel, WordPiece with '
            f'{CONTINUED!r}, or byte-level BPE; found {kind}{why}; leave out --vocabulary'
        )


def _reader(tokenizer: bytes) -> Tokenizer:
    reader = Tokenizer.from_buffer(tokenizer)
    reader.encode_special_tokens = True  # as the run time reads
    reader.no_truncation()
    reader.no_padding()
    return reader


def _forms(text: str) -> tuple[str, ...]:
    capital = text[:1].upper() + text[1:]
    return text, f' {text}', capital, f' {capital}'


def _read(reader: Tokenizer, text: str) -> list[str]:
    return list(reader.encode(text, add_special_tokens=False).tokens)


def _characters(model: Mapping[str, Any]) -> set[str]:
    """Return what words fall apart into."""
    return {token for token in model['vocab'] if len(token.removeprefix(CONTINUED)) == 1}


def _is_byte_level(pre_tokenizer: Mapping[str, Any] | None) -> bool:
    if pre_tokenizer is None:
        return False
    parts = pre_tokenizer.get('pretokenizers', [pre_tokenizer])
    return any(part['type'] == 'ByteLevel' for part in parts)


def _byte_tokens(reader: Tokenizer, model: Mapping[str, Any], texts: Sequence[str]) -> set[str]:
    """Return all bytes, and every token that stands between them and the words of the texts.

    Whatever is merged on the way to a word is kept, and merges keep their order, so the first
    one that applies to the word is the same as before, and so is the word that comes out.
    """
    ranks = {pair: rank for rank, pair in enumerate(_merges(model))}
    found = set(pre_tokenizers.ByteLevel.alphabet()) & model['vocab'].keys()
    words = {word for text in texts for word in _words(reader, text)}
    return found | {token for word in words for token in _merged(word, ranks)}


def _words(reader: Tokenizer, text: str) -> Iterator[str]:
    """Yield the parts of a text that are merged each on its own."""
    normal = reader.normalizer.normalize_str(text) if reader.normalizer else text
    return (word for word, _ in reader.pre_tokenizer.pre_tokenize_str(normal))


def _merged(word: str, ranks: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Yield what is made on the way, merging the pair of the lowest rank first."""
    parts = list(word)
    while pairs := [pair for pair in pairwise(parts) if pair in ranks]:
        best = min(pairs, key=lambda pair: ranks[pair])
        yield ''.join(best)
        place = 0
        while place < len(parts) - 1:
            if (parts[place], parts[place + 1]) == best:
                parts[place : place + 2] = [''.join(best)]
            place += 1


def _merges(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the pairs, which older files write as one string."""
    pairs = (pair if isinstance(pair, list) else pair.split(' ') for pair in model['merges'])
    return [(left, right) for left, right in pairs]


def _renumbered(plain: dict[str, Any], reader: Tokenizer, names: set[str]) -> CutVocabulary:
    """Return the tokenizer with these tokens alone, in their old order."""
    ids = (number for name, number in reader.get_vocab().items() if name in names)
    kept = tuple(sorted(ids))
    numbers = {old: new for new, old in enumerate(kept)}
    model = plain['model']
    in_order = sorted(model['vocab'].items(), key=lambda item: item[1])
    model['vocab'] = {name: numbers[old] for name, old in in_order if name in names}
    if model['type'] == 'BPE':
        model['merges'] = [
            list(pair) for pair in _merges(model) if {*pair, ''.join(pair)} <= names
        ]
    for added in plain['added_tokens']:
        added['id'] = numbers[added['id']]
    plain['post_processor'] = _with_numbers(plain['post_processor'], numbers)
    return CutVocabulary(json.dumps(plain, ensure_ascii=False).encode(), kept)


def _with_numbers(value: Any, numbers: Mapping[int, int]) -> Any:
    """Return a post-processor with new ids, which stand in ``ids`` and behind ``sep``, ``cls``."""
    if isinstance(value, list):
        return [_with_numbers(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for name, item in value.items():
        if name == 'ids':
            made[name] = [numbers[old] for old in item]
        elif name in ('sep', 'cls'):
            made[name] = [item[0], numbers[item[1]]]
        else:
            made[name] = _with_numbers(item, numbers)
    return made


def _check_same(old: Tokenizer, cut: CutVocabulary, texts: Sequence[str]) -> None:
    new = _reader(cut.tokenizer)
    for text in texts:
        before, after = _read(old, text), _read(new, text)
        if before != after:
            raise ConfigError(
                f'expected a smaller vocabulary to read {text!r} as {before}, found {after}; '
                'this tokenizer cannot be cut, leave out --vocabulary'
            )
    names = [old.id_to_token(number) for number in cut.kept]
    if names != [new.id_to_token(number) for number in range(new.get_vocab_size())]:
        raise ConfigError(
            'expected a smaller vocabulary whose tokens keep their order, found added tokens '
            'among others; this tokenizer cannot be cut, leave out --vocabulary'
        )
