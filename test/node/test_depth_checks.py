"""Which questions ask for a distance from the camera, against all wordings of every type."""

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from spatialllm_ros.node.annotation_words import object_phrase
from spatialllm_ros.node.depth_checks import DepthChecks
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.schema import Query

CHECKS = DepthChecks({'front': None})
LONG = 200_000
"""So often that anything worse than linear would not end."""
NAMES = {'a': 'red barrel on the floor', 'b': 'large crate', 'c': 'mug'}


def wordings(of_distance):
    return [
        wording.format_map(NAMES)
        for name, phrasings in PHRASINGS.items()
        for wording in (*phrasings.train, *phrasings.evaluation)
        if (name == 'distance_to_camera') == of_distance
    ]


@pytest.mark.parametrize('question', [
    *wordings(of_distance=True), 'How far away from me is the red barrel on the floor ?',
])  # fmt: skip
def test_the_object_of_a_distance_is_looked_up(question):
    lookup = CHECKS.lookup(Query(question, camera='front', max_frame_age_s=0.5), 'front')
    assert lookup.question == 'where is the red barrel on the floor?'
    assert (lookup.camera, lookup.max_frame_age_s) == ('front', 0.5)


@pytest.mark.parametrize(('question', 'phrase'), [
    ('how far is the mug, from here?', 'mug'),
    ("what's the mug's distance", 'mug'),
    ('how far is the no. 5 crate (the big one) from me?!', 'no. 5 crate (the big one'),
])  # fmt: skip
def test_marks_are_no_part_of_a_name_s_end(question, phrase):
    assert CHECKS.lookup(Query(question), 'front').question == f'where is the {phrase}?'


@pytest.mark.parametrize(
    'marks', ['.', ' ', '. ', ' from the', 'a.', ' is', ' away', "'s distance"]
)
def test_time_grows_with_a_question_s_length_and_no_faster(marks):
    for start in ('what is the', 'can you tell me how far the'):
        CHECKS.lookup(Query(f'{start} {marks * LONG}x'), 'front')
    question = f'how far is the {marks * LONG}x'
    assert object_phrase(f'where is the {marks * LONG}x?').endswith('x')
    assert CHECKS.lookup(Query(question, options=('a', 'b')), 'front') is None
    CHECKS.lookup(Query(question), 'front')


def test_nothing_else_is_looked_up():
    questions = wordings(of_distance=False)
    assert len(questions) > 200
    assert [q for q in questions if CHECKS.lookup(Query(q), 'front')] == []
    assert CHECKS.lookup(Query('how far is the mug?', options=('1 m', '2 m')), 'front') is None
    assert CHECKS.lookup(Query('how far is the mug?'), 'a camera without depth') is None
