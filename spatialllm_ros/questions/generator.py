"""Make the questions of a scene: balanced, worded at random, some about what is not there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np

from spatialllm_ros.questions.attributes import Attribute, draw_attribute
from spatialllm_ros.questions.balance import Balancer, Check
from spatialllm_ros.questions.candidates import AskableScene, Candidate, askable
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.questions.question_types import QUESTION_TYPES, YES_NO, QuestionType
from spatialllm_ros.questions.referring import (
    draw_absent_phrase,
    draw_phrase,
    phrases_for,
)
from spatialllm_ros.questions.scene_candidates import listed
from spatialllm_ros.questions.wordings import Phrasings
from spatialllm_ros.scenes.catalogue import CATEGORIES
from spatialllm_ros.schema import Mention, QuestionRecord, Scene

ABSENT = -1
MANY = -2
"""Stands for several objects at once: such words are no mention."""
ABSENT_SHARE = 0.04
"""Share of questions in which an object is replaced by one that is not there."""
ALL_ABSENT_SHARE = 0.3
"""Share of these in which all are."""
TRIES_PER_QUESTION = 3
ATTRIBUTE_TRIES = 8
UNMARKED_SHARE = 0.1
"""Share of training questions without commas and question marks: people leave them out."""
ROLES = 'abc'
ANY_OBJECT, NOTHING = 'object', 'nothing'
IRREGULAR_PLURALS = {'person': 'people'}
COUNTED = ('0', '1', '2')


def plural(category: str) -> str:
    """Return the plural of a category's name."""
    ending = 'es' if category.endswith(('s', 'x', 'ch')) else 's'
    return IRREGULAR_PLURALS.get(category, category + ending)


def absent_answer(phrase: str) -> str:
    """Return what is said of an object that is not there."""
    return f'there is no {phrase}'


def generate(
    scene: Scene,
    rng: np.random.Generator,
    balancer: Balancer,
    per_scene: int,
    *,
    split: str = 'train',
    types: Collection[str] | None = None,
) -> list[QuestionRecord]:
    """Return up to ``per_scene`` questions about a scene.

    Args:
        scene: with gravity and camera height known.
        rng: equal generators in equal states make equal questions.
        balancer: shared by all scenes of a set.
        per_scene: how many to try for; scenes with little to ask give fewer.
        split: ``train`` or ``eval``, which wordings to use.
        types: names of the types to ask; all by default.

    Raises:
        GeometryError: gravity or camera height is unknown.
    """
    return _SceneQuestions(scene, rng, balancer, split).make(per_scene, types or QUESTION_TYPES)


class _SceneQuestions:
    def __init__(
        self, scene: Scene, rng: np.random.Generator, balancer: Balancer, split: str
    ) -> None:
        self.rng, self.balancer, self.split = rng, balancer, split
        self._phrased = [phrases_for(scene.objects, i) for i in range(len(scene.objects))]
        self.scene: AskableScene = askable(scene, self._phrased)
        self._candidates: dict[str, list[Candidate]] = {}
        self._whole = {
            'exist': self._ask_existence,
            'exist_any': self._ask_any,
            'count': self._ask_count,
            'list_of': self._ask_list,
            'exist_of': self._ask_exist_of,
        }

    def make(self, count: int, types: Collection[str]) -> list[QuestionRecord]:
        names = list(types)
        weights = np.array([QUESTION_TYPES[name].weight for name in names])
        made: list[QuestionRecord] = []
        if not self.scene.named:
            return made
        picks = self.rng.choice(len(names), TRIES_PER_QUESTION * count, p=weights / weights.sum())
        for pick in picks:
            if len(made) == count:
                break
            record = self._ask(QUESTION_TYPES[names[pick]])
            if record is not None:
                made.append(record)
        return made

    def _ask(self, kind: QuestionType) -> QuestionRecord | None:
        if kind.name in self._whole:
            return self._whole[kind.name](kind)
        candidate = self._draw_candidate(kind)
        if candidate is None:
            return None
        if kind.names_objects and self.rng.random() < 0.5:
            candidate = swapped(candidate)
        named = {
            role: (draw_phrase(self._phrases(kind, index), self.rng), index)
            for role, index in zip(ROLES, candidate.roles, strict=False)
        }
        if named and self.rng.random() < ABSENT_SHARE:
            return self._ask_of_absent(kind, named)
        return self._worded(kind, named, candidate.relation.label, candidate.relation.numbers)

    def _phrases(self, kind: QuestionType, index: int) -> list[str]:
        """Return the phrases that may name an object in a type of question."""
        return [phrase for phrase in self._phrased[index] if kind.may_name(phrase)]

    def _draw_candidate(self, kind: QuestionType) -> Candidate | None:
        """Return a candidate that keeps the answers balanced, the wanted answer drawn first."""
        if kind.name not in self._candidates:
            self._candidates[kind.name] = [
                item for item in kind.candidates(self.scene)
                if all(self._phrases(kind, index) for index in item.roles)
            ]  # fmt: skip
        found = self._candidates[kind.name]
        if kind.options:
            wanted = kind.options[int(self.rng.integers(len(kind.options)))]
            found = [item for item in found if item.relation.label == wanted]
        for index in self.rng.permutation(len(found)):
            candidate = found[int(index)]
            if self.balancer.take(self._checks(kind, candidate)):
                return candidate
        return None

    def _checks(self, kind: QuestionType, candidate: Candidate) -> list[Check]:
        """Return what an answer must not run ahead of: knowing the categories must not help."""
        if not kind.is_closed:
            return []
        categories = [self.scene.scene.objects[i].category for i in candidate.roles]
        label = candidate.relation.label
        if kind.names_objects:
            first, second = categories[:2]
            winner = first if label == 'a' else second
            pair = (kind.name, *sorted((first, second)))
            return [Check(pair, winner, (first, second))] if first != second else []
        # What holds is rarer than what does not: any slack would go to no, category by category.
        slack = 1 if kind.options == YES_NO else Check.slack
        return [
            Check((kind.name, role, category), label, kind.options, slack)
            for role, category in zip(ROLES, categories, strict=False)
        ]

    def _ask_of_absent(
        self, kind: QuestionType, named: dict[str, tuple[str, int]]
    ) -> QuestionRecord | None:
        """Ask with one object, or all, replaced by ones not there; the first of them is denied."""
        roles = [str(role) for role in self.rng.permutation(sorted(named))]
        absent = roles if self.rng.random() < ALL_ABSENT_SHARE else roles[:1]
        replaced = {role: self._draw_alike(kind, named[role][1]) for role in absent}
        if None in replaced.values() or len(set(replaced.values())) < len(replaced):
            return None
        others = {role: (phrase, ABSENT) for role, phrase in replaced.items() if phrase}
        record = self._worded(kind, {**named, **others}, 'a', {})
        first = min(m.start for m in record.mentions if m.object_index == ABSENT)
        return replace(record, answer=absent_answer(_phrase_at(record, first)))

    def _draw_alike(self, kind: QuestionType, index: int) -> str | None:
        """Return a phrase for something that is not there, with a front if the object has one."""
        objects = self.scene.scene.objects
        has_front = objects[index].has_front
        alike = [name for name, own in CATEGORIES.items() if own.has_front == has_front]
        phrase = draw_absent_phrase(objects, self.rng, alike)
        return phrase if phrase is not None and kind.may_name(phrase) else None

    def _ask_existence(self, kind: QuestionType) -> QuestionRecord | None:
        label, index = YES_NO[int(self.rng.integers(2))], ABSENT
        phrase = draw_absent_phrase(self.scene.scene.objects, self.rng)
        if label == 'yes':
            index = int(self.rng.choice(self.scene.named))
            phrases = self._phrases(kind, index)
            phrase = draw_phrase(phrases, self.rng) if phrases else None
        if phrase is None:
            return None
        *adjectives, category = phrase.split()
        key = (kind.name, category, len(adjectives))
        if not self.balancer.take([Check(key, label, YES_NO)]):
            return None
        return self._worded(kind, {'a': (phrase, index)}, label, {})

    def _ask_any(self, kind: QuestionType) -> QuestionRecord | None:
        """Ask whether there are objects of a category, be it one or many."""
        label = YES_NO[int(self.rng.integers(2))]
        present = {item.category for item in self.scene.scene.objects}
        drawn = present if label == 'yes' else set(CATEGORIES) - present
        category = str(self.rng.choice(sorted(drawn)))
        own = self._of_category(category)
        if own and not set(own) & set(self.scene.seen):
            return None
        if not self.balancer.take([Check((kind.name, category), label, YES_NO, slack=1)]):
            return None
        return self._worded(kind, self._plural_of(category, own), label, {})

    def _ask_count(self, kind: QuestionType) -> QuestionRecord | None:
        objects = self.scene.scene.objects
        category, draw = objects[int(self.rng.integers(len(objects)))].category, self.rng.random()
        if draw < 0.4:
            category = str(self.rng.choice(tuple(CATEGORIES))) if draw < 0.3 else ANY_OBJECT
        own = self._of_category(category)
        if not set(own) <= set(self.scene.seen):
            return None
        answer = str(len(own))
        if not self.balancer.take([Check((kind.name,), answer, COUNTED, slack=4)]):
            return None
        return self._worded(kind, self._plural_of(category, own), answer, {})

    def _of_category(self, category: str) -> list[int]:
        objects = self.scene.scene.objects
        return [i for i, item in enumerate(objects) if category in (item.category, ANY_OBJECT)]

    def _plural_of(self, category: str, own: list[int]) -> dict[str, tuple[str, int]]:
        index = own[0] if len(own) == 1 else MANY if own else ABSENT
        return {'a': (plural(category), index)}

    def _ask_list(self, kind: QuestionType) -> QuestionRecord | None:
        """Ask which objects have something in common, which none may have."""
        for attribute, names in self._draw_attributes():
            return self._ask_of(kind, attribute, names or NOTHING)
        return None

    def _ask_exist_of(self, kind: QuestionType) -> QuestionRecord | None:
        """Ask whether anything has it."""
        label = YES_NO[int(self.rng.integers(2))]
        for attribute, names in self._draw_attributes():
            check = Check((kind.name, *attribute.key), label, YES_NO, slack=1)
            if YES_NO[not names] == label and self.balancer.take([check]):
                return self._ask_of(kind, attribute, label)
        return None

    def _draw_attributes(self) -> Iterator[tuple[Attribute, str]]:
        """Yield some attributes of which it is clear who has them, and the names of these."""
        for _ in range(ATTRIBUTE_TRIES):
            attribute = draw_attribute(self.scene, self.rng)
            names = listed(self.scene, attribute.is_meant)
            if names is not None:
                yield attribute, names

    def _ask_of(self, kind: QuestionType, attribute: Attribute, label: str) -> QuestionRecord:
        """Word a question about an attribute; the object it refers to may be one not there."""
        named: dict[str, tuple[str, int]] = {}
        if attribute.b is not None:
            named['b'] = (draw_phrase(self._phrased[attribute.b], self.rng), attribute.b)
            if self.rng.random() < ABSENT_SHARE:
                phrase = draw_absent_phrase(self.scene.scene.objects, self.rng)
                if phrase is not None:
                    named['b'], label = (phrase, ABSENT), absent_answer(phrase)
        return self._worded(kind, named, label, {}, attribute.words)

    def _worded(
        self, kind: QuestionType, named: Mapping[str, tuple[str, int]], label: str,
        numbers: Mapping[str, float], attribute: str = '{a}',
    ) -> QuestionRecord:  # fmt: skip
        own = PHRASINGS[kind.name]
        wording = self._draw_wording(kind, own, label)
        text, mentions = fill(self._as_typed(wording).replace('{a}', attribute), named)
        options, answer = kind.options, label
        if wording in own.affirmed:
            options, answer = YES_NO, YES_NO[own.affirmed[wording] != label]
        elif kind.names_objects:
            options = (named['a'][0], named['b'][0])
            answer = options[(label == 'b') != own.is_reversed(wording)]
        return QuestionRecord(
            self.scene.scene.scene_id, kind.name, text, options, answer, dict(numbers), mentions
        )

    def _draw_wording(self, kind: QuestionType, own: Phrasings, label: str) -> str:
        """Return a wording; where it is one of yes and no, both are as frequent."""
        wordings = own.train if self.split == 'train' else own.evaluation
        others = max(len(kind.options), 2) - 1
        weights = np.array(
            [1.0 if own.affirmed.get(each, label) == label else 1 / others for each in wordings]
        )
        return wordings[int(self.rng.choice(len(wordings), p=weights / weights.sum()))]

    def _as_typed(self, wording: str) -> str:
        """Return a wording without its marks now and then, in training."""
        is_unmarked = self.split == 'train' and self.rng.random() < UNMARKED_SHARE
        return re.sub('[?.,:]', '', wording) if is_unmarked else wording


def _phrase_at(record: QuestionRecord, start: int) -> str:
    (mention,) = [each for each in record.mentions if each.start == start]
    return record.question[start : mention.end]


def swapped(candidate: Candidate) -> Candidate:
    """Return the same comparison with a and b in each other's place."""
    a, b, *rest = candidate.roles
    label = {'a': 'b', 'b': 'a'}[candidate.relation.label]
    numbers = dict(candidate.relation.numbers)
    pairs = [('a_cosine', 'b_cosine'), ('a_less_1_5m', 'b_less_1_5m')]
    for first, second in pairs:
        if first in numbers:
            numbers[first], numbers[second] = numbers[second], numbers[first]
    for name in ('height_gap_1_5m', 'log_distance_ratio_3', 'log_ratio_1_5'):
        if name in numbers:
            numbers[name] = -numbers[name]
    return Candidate((b, a, *rest), replace(candidate.relation, label=label, numbers=numbers))


def fill(wording: str, named: Mapping[str, tuple[str, int]]) -> tuple[str, tuple[Mention, ...]]:
    """Put phrases into a wording; returns the text and where it mentions which object."""
    text, mentions = '', []
    for piece in re.split(r'(\{[abc]\})', wording):
        if not re.fullmatch(r'\{[abc]\}', piece):
            text += piece
            continue
        phrase, index = named[piece[1]]
        if text.endswith(' a ') and phrase[0] in 'aeio':
            text = text.removesuffix(' ') + 'n '
        if index != MANY:
            mentions.append(Mention(len(text), len(text) + len(phrase), index))
        text += phrase
    return text, tuple(mentions)
