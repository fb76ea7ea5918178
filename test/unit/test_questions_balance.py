"""Answers must not follow from a question's words: exact balance, and blind look-up tables."""

import re
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from spatialllm_ros.questions import QUESTION_TYPES, Balancer, generate, generator
from spatialllm_ros.questions.balance import Check
from spatialllm_ros.questions.generator import plural
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.questions.referring import SUPPORT_WORDS
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS

PLURAL = 'exist_any'
"""Asks for a category by its plural, which is no mention where there are many."""
ATTRIBUTE = 'exist_of'
"""Asks for what several objects may have in common, in words of its own."""
CLOSED = [
    name
    for name, kind in QUESTION_TYPES.items()
    if kind.is_closed and name not in (PLURAL, ATTRIBUTE)
]
FIXED = [name for name in CLOSED if QUESTION_TYPES[name].options]
AFFIRMED = [f'{name}: yes or no' for name in CLOSED if PHRASINGS[name].affirmed]
"""The same in wordings that ask whether one answer holds."""
SAYS_WHAT = {*COLOURS, *SUPPORT_WORDS, 'left', 'right', 'next'}
PLURALS = {plural(category) for category in CATEGORIES}
WORLDS, PER_WORLD = 1500, 16
HELD_OUT = 900_000_000


def ask(scene_of, first_seed, split):
    balancer = Balancer()
    for seed in range(first_seed, first_seed + WORLDS):
        scene, rng = scene_of(seed), np.random.default_rng([seed, 1])
        for record in generate(scene, rng, balancer, PER_WORLD, split=split):
            if not record.answer.startswith('there is no'):
                yield scene, record


@pytest.fixture(scope='module')
def read_words(read_back):
    """Return a function from a question to the words a blind model sees, and the answer."""

    def label_of(record, wording):
        names_objects = QUESTION_TYPES[record.type].names_objects
        if names_objects and wording not in PHRASINGS[record.type].affirmed:
            return 'ab'[record.options.index(record.answer)]
        return record.answer

    def read(scene, record):
        wording, roles = read_back(record)
        categories, lengths = [], []
        for _, mention in sorted(roles.items()):
            words = record.question[mention.start : mention.end].split()
            index = mention.object_index
            categories.append(words[-1] if index < 0 else scene.objects[index].category)
            lengths.append(len(words))
        return tuple(categories), tuple(lengths), wording, label_of(record, wording)

    return read


def by_type(pairs, read_words):
    found = defaultdict(list)
    for scene, record in pairs:
        if record.type in CLOSED:
            *words, wording, label = read_words(scene, record)
            is_affirmed = wording in PHRASINGS[record.type].affirmed
            name = f'{record.type}: yes or no' if is_affirmed else record.type
            found[name].append((*words, wording, label))
    return found


@pytest.fixture(scope='module')
def asked(sampled_scene, read_words):
    """Return the closed questions by type, read as words, of training and of other worlds."""
    return {
        split: by_type(ask(sampled_scene, seed, split), read_words)
        for split, seed in (('train', 0), ('eval', HELD_OUT))
    }


WORDS = {
    'wording': lambda categories, sizes, wording: wording,
    'categories': lambda categories, sizes, wording: categories,
    'categories and wording': lambda categories, sizes, wording: (categories, wording),
    'first category': lambda categories, sizes, wording: categories[0],
    'last category': lambda categories, sizes, wording: categories[-1],
    'phrase lengths': lambda categories, sizes, wording: sizes,
    'lengths and category': lambda categories, sizes, wording: (sizes, categories[0]),
}


@pytest.mark.parametrize('words', WORDS)
@pytest.mark.parametrize('name', [*CLOSED, *AFFIRMED])
def test_a_look_up_table_of_words_scores_at_chance(asked, name, words):
    table = defaultdict(Counter)
    for *seen, label in asked['train'][name]:
        table[WORDS[words](*seen)][label] += 1
    commonest = Counter(item[-1] for item in asked['train'][name])
    test = asked['eval'][name]
    right = sum(
        (table.get(WORDS[words](*seen)) or commonest).most_common(1)[0][0] == label
        for *seen, label in test
    )
    majority = Counter(item[-1] for item in test).most_common(1)[0][1] / len(test)
    noise = np.sqrt(majority * (1 - majority) / len(test))
    assert right / len(test) < majority + 0.02 + 2.5 * noise


@pytest.mark.parametrize('name', [*CLOSED, *AFFIRMED])
def test_the_commonest_answer_has_its_fair_share(asked, name):
    labels = Counter(item[-1] for split in asked.values() for item in split[name])
    count, options = sum(labels.values()), 2
    if name in CLOSED:
        options = len(QUESTION_TYPES[name].options) or 2
    assert len(labels) == options
    assert count > (200 if name in CLOSED else 40)
    noise = np.sqrt(options - 1) / options / np.sqrt(count)
    assert max(labels.values()) / count < 1 / options + max(0.03, 3 * noise)


@pytest.fixture(scope='module')
def exact(sampled_scene, read_words):
    """Return questions each of which says its answer: by no absent object, nor by yes or no."""
    with pytest.MonkeyPatch.context() as patch:
        for name, own in PHRASINGS.items():
            open_ones = tuple(each for each in own.train if each not in own.affirmed)
            patch.setitem(generator.PHRASINGS, name, replace(own, train=open_ones))
        patch.setattr(generator, 'ABSENT_SHARE', 0.0)
        return by_type(ask(sampled_scene, 0, 'train'), read_words)


@pytest.mark.parametrize('name', FIXED)
def test_no_answer_runs_ahead_for_a_category_in_a_role(exact, name):
    counts = defaultdict(Counter)
    for categories, sizes, _, label in exact[name]:
        keys = enumerate(categories) if name != 'exist' else [(sizes, categories)]
        for key in keys:
            counts[key][label] += 1
    for found in counts.values():
        rarest = min(found[option] for option in QUESTION_TYPES[name].options)
        assert max(found.values()) - rarest <= 2


@pytest.mark.parametrize('name', sorted(set(CLOSED) - set(FIXED)))
def test_no_category_wins_more_often_than_another(exact, name):
    counts = defaultdict(Counter)
    for categories, _, wording, label in exact[name]:
        first, second = categories[:2]
        is_reversed = PHRASINGS[name].is_reversed(wording)
        if first != second:
            counts[frozenset((first, second))][(first, second)[(label == 'b') != is_reversed]] += 1
    for pair, found in counts.items():
        low, high = sorted(found[category] for category in pair)
        assert high - low <= 2


def test_whether_there_are_any_is_yes_as_often_as_no_for_each_category(sampled_scene):
    answers = defaultdict(Counter)
    for _, record in ask(sampled_scene, 0, 'train'):
        if record.type == PLURAL:
            (name,) = PLURALS & set(re.findall('[a-z]+', record.question))
            answers[name][record.answer] += 1
    assert set(answers) == PLURALS
    assert all(abs(found['yes'] - found['no']) <= 1 for found in answers.values())


@pytest.mark.parametrize('with_category', [False, True])
def test_whether_anything_has_an_attribute_does_not_follow_from_its_words(
    sampled_scene, with_category
):
    def read(scene, record):
        text, categories = record.question, []
        for mention in record.mentions:
            text = text[: mention.start] + text[mention.end :]
            categories = [scene.objects[mention.object_index].category]
        attribute = SAYS_WHAT & set(re.findall('[a-z]+', text))
        return (*sorted(attribute), *categories[: int(with_category)])

    tables = {}
    for split, seed in (('train', 0), ('eval', HELD_OUT)):
        table = tables[split] = defaultdict(Counter)
        for scene, record in ask(sampled_scene, seed, split):
            if record.type == ATTRIBUTE:
                table[read(scene, record)][record.answer] += 1
    guesses = {words: found.most_common(1)[0][0] for words, found in tables['train'].items()}
    asked = sum(found.total() for found in tables['eval'].values())
    right = sum(found[guesses.get(words, 'no')] for words, found in tables['eval'].items())
    assert asked > 300
    assert right / asked < 0.5 + 0.02 + 2.5 * np.sqrt(0.25 / asked)


def test_a_balancer_stops_the_answer_that_runs_ahead():
    balancer = Balancer()
    yes = [Check(('above', 'car'), 'yes', ('yes', 'no'))]
    no = [Check(('above', 'car'), 'no', ('yes', 'no'))]
    assert [balancer.take(yes) for _ in range(3)] == [True, True, False]
    assert [balancer.take(no) for _ in range(5)] == [True, True, True, True, False]


def test_an_answer_that_one_check_refuses_counts_in_none():
    balancer = Balancer()
    shared = Check(('dog',), 'yes', ('yes', 'no'), slack=1)
    assert balancer.take([shared])
    other = Check(('cat',), 'yes', ('yes', 'no'), slack=1)
    assert not balancer.take([other, shared])
    assert balancer.take([other])
