"""Questions of sampled worlds, and what tests read back from them."""

import math

import numpy as np

from spatialllm_ros.questions import Balancer, generate

SUPPORTS = ('floor', 'block', 'shelf')
PLURALS = ('count', 'exist_any', 'exist_of', 'list_of')
NOTHING_THERE = 'there is no '


def asked_pairs(scene_of) -> list:
    """Return (scene, question) pairs of both splits."""
    return [
        (scene, record)
        for split, first_seed in (('train', 0), ('eval', 900_000_000))
        for scene, records in ask(scene_of, range(first_seed, first_seed + 250), split)
        for record in records
    ]


def ask(scene_of, seeds, split):
    balancer = Balancer()
    for seed in seeds:
        scene = scene_of(seed)
        yield scene, generate(scene, np.random.default_rng(seed), balancer, 16, split=split)


def of_type(asked, *names):
    found = [
        (scene, record)
        for scene, record in asked
        if record.type in names and not record.answer.startswith(NOTHING_THERE)
    ]
    assert len(found) >= 20
    return found


def phrase_of(record, mention) -> str:
    return record.question[mention.start : mention.end]


def fits(phrase, item) -> bool:
    """Whether a person who reads the words one by one would accept this object."""
    name, _, place = phrase.partition(' on the ')
    *adjectives, category = name.split()
    return (
        category == item.category
        and all(word in (item.colour, item.size_word) for word in adjectives)
        and (not place or place == item.support)
    )


def distance_m(scene, index) -> float:
    return math.hypot(*scene.objects[index].centre_optical_m)
