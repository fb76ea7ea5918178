"""The table of question types: family, options, metric, and how each finds what it can ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial

from spatialllm_ros import relations
from spatialllm_ros.questions import candidates, scene_candidates
from spatialllm_ros.questions.candidates import AskableScene, Candidate, Candidates
from spatialllm_ros.questions.referring import SUPPORT_WORDS, is_any, is_colourless, is_plain
from spatialllm_ros.scenes.catalogue import COLOURS

YES_NO = ('yes', 'no')
LEFT_RIGHT = ('left', 'right')
FOUR_SIDES = ('front', 'back', 'left', 'right')


class Family(Enum):
    """The paper's three families of 3D questions, and those that a flat image answers."""

    DISTANCE = 'distance'
    ORIENTATION = 'orientation'
    REASONING = 'spatial reasoning'
    CONTROL = '2D control'


class Metric(Enum):
    """What an answer is judged by, where it is not one of a few options."""

    CHOICE = 'share of right options'
    LENGTH = 'relative error of a length'
    ANGLE = 'error of an angle'
    PLACE = 'distance of a place in the image, as a share of its width'
    WORDS = 'share of equal words'


@dataclass(frozen=True)
class QuestionType:
    """One entry of the table.

    Attributes:
        family: what kind of reasoning it asks for.
        options: the closed answers in the question's words; empty where they are not fixed.
        names_objects: the closed answers are the phrases of a and b, the labels ``a`` and ``b``.
        may_name: whether a phrase may name its objects; some would give the answer away.
        metric: what its answers are judged by.
        weight: how often the type is asked, relative to the others.
    """

    name: str
    family: Family
    candidates: Candidates
    options: tuple[str, ...] = ()
    names_objects: bool = False
    may_name: Callable[[str], bool] = is_any
    metric: Metric = Metric.CHOICE
    weight: float = 1.2

    @property
    def is_closed(self) -> bool:
        """Whether the answer is one of a few options."""
        return self.names_objects or bool(self.options)


def _nothing(_: AskableScene) -> Iterator[Candidate]:
    """Return no candidates: the generator itself asks what there is, how many and which."""
    return iter(())


QUESTION_TYPES: dict[str, QuestionType] = {
    entry.name: entry
    for entry in (
        QuestionType(
            'height_higher',
            Family.DISTANCE,
            partial(candidates.unordered_pairs, relations.higher),
            names_objects=True,
            may_name=is_plain,
        ),
        QuestionType(
            'location_above',
            Family.DISTANCE,
            partial(candidates.ordered_pairs, relations.directly_above),
            YES_NO,
            may_name=is_plain,
            weight=2.0,
        ),
        QuestionType(
            'location_closer_to_camera',
            Family.DISTANCE,
            partial(candidates.unordered_pairs, relations.closer_to_camera),
            names_objects=True,
            may_name=is_plain,
        ),
        QuestionType(
            'location_next_to',
            Family.DISTANCE,
            partial(candidates.ordered_pairs, relations.next_to),
            YES_NO,
            may_name=is_plain,
            weight=1.4,
        ),
        QuestionType(
            'orientation_in_front_of',
            Family.ORIENTATION,
            partial(candidates.pairs_from_front, relations.in_front_of),
            ('front', 'behind'),
        ),
        QuestionType(
            'orientation_on_the_left',
            Family.ORIENTATION,
            partial(candidates.pairs_from_front, relations.on_the_left),
            LEFT_RIGHT,
        ),
        QuestionType(
            'orientation_viewpoint',
            Family.ORIENTATION,
            partial(candidates.singles, candidates.side_seen, True),
            FOUR_SIDES,
            weight=3.0,
        ),
        QuestionType(
            'multi_object_closer_to',
            Family.DISTANCE,
            partial(candidates.pairs_and_third, relations.closer_to, False),
            names_objects=True,
        ),
        QuestionType(
            'multi_object_facing',
            Family.REASONING,
            partial(candidates.pairs_and_third, relations.facing, True),
            names_objects=True,
            weight=1.6,
        ),
        QuestionType(
            'multi_object_viewpoint_towards_object',
            Family.REASONING,
            partial(candidates.pairs_from_front, relations.side_towards),
            FOUR_SIDES,
            weight=2.6,
        ),
        QuestionType(
            'multi_object_parallel',
            Family.ORIENTATION,
            partial(candidates.pairs_of_fronts, relations.parallel),
            ('parallel', 'perpendicular'),
            weight=2.6,
        ),
        QuestionType(
            'multi_object_same_direction',
            Family.ORIENTATION,
            partial(candidates.pairs_of_fronts, relations.same_direction),
            ('same', 'different'),
            weight=3.0,
        ),
        QuestionType(
            'distance_to_camera',
            Family.DISTANCE,
            partial(candidates.singles, candidates.distance_to_camera, False),
            metric=Metric.LENGTH,
            weight=0.8,
        ),
        QuestionType(
            'distance_between',
            Family.DISTANCE,
            partial(candidates.unordered_pairs, candidates.distance_between),
            metric=Metric.LENGTH,
            weight=0.9,
        ),
        QuestionType(
            'height_above_floor',
            Family.DISTANCE,
            partial(candidates.singles, candidates.height_above_floor, False),
            metric=Metric.LENGTH,
            weight=0.5,
        ),
        QuestionType(
            'heading',
            Family.ORIENTATION,
            partial(candidates.singles, candidates.heading, True),
            metric=Metric.ANGLE,
            weight=0.8,
        ),
        QuestionType(
            'locate',
            Family.DISTANCE,
            partial(candidates.singles, candidates.locate, False),
            metric=Metric.PLACE,
            weight=0.6,
        ),
        QuestionType(
            'describe',
            Family.REASONING,
            partial(candidates.singles, candidates.describe, False),
            metric=Metric.WORDS,
            weight=0.4,
        ),
        QuestionType('exist', Family.CONTROL, _nothing, YES_NO, may_name=is_plain, weight=0.7),
        QuestionType('count', Family.CONTROL, _nothing, metric=Metric.WORDS, weight=1.6),
        QuestionType(
            'reasoning_collision',
            Family.REASONING,
            partial(candidates.pairs_of_fronts, relations.collision),
            YES_NO,
            weight=1.0,
        ),
        QuestionType(
            'reasoning_in_the_way',
            Family.REASONING,
            partial(candidates.pairs_from_front, relations.in_the_way),
            YES_NO,
            weight=0.7,
        ),
        QuestionType(
            'reasoning_camera_moves',
            Family.REASONING,
            partial(candidates.ordered_pairs, relations.camera_moves),
            LEFT_RIGHT,
            weight=0.6,
        ),
        QuestionType(
            'reasoning_object_moves',
            Family.REASONING,
            partial(candidates.triples, relations.object_moves),
            LEFT_RIGHT,
            weight=0.7,
        ),
        QuestionType(
            'reasoning_object_turns',
            Family.REASONING,
            partial(candidates.triples, relations.object_turns),
            LEFT_RIGHT,
            weight=0.7,
        ),
        QuestionType(
            'control_colour',
            Family.CONTROL,
            partial(candidates.singles, candidates.colour, False),
            tuple(COLOURS),
            may_name=is_colourless,
            weight=1.4,
        ),
        QuestionType(
            'control_image_side', Family.CONTROL, candidates.image_sides, LEFT_RIGHT, weight=0.6
        ),
        QuestionType(
            'location_support',
            Family.DISTANCE,
            partial(candidates.singles, candidates.support, False),
            tuple(SUPPORT_WORDS),
            may_name=is_plain,
            weight=1.4,
        ),
        QuestionType(
            'location_nearest',
            Family.DISTANCE,
            scene_candidates.nearest,
            metric=Metric.WORDS,
            weight=0.5,
        ),
        QuestionType(
            'location_farthest',
            Family.DISTANCE,
            scene_candidates.farthest,
            metric=Metric.WORDS,
            weight=0.4,
        ),
        QuestionType(
            'list', Family.CONTROL, scene_candidates.listing, metric=Metric.WORDS, weight=0.8
        ),
        QuestionType('exist_any', Family.CONTROL, _nothing, YES_NO, weight=0.5),
        QuestionType('exist_of', Family.CONTROL, _nothing, YES_NO, weight=1.6),
        QuestionType('list_of', Family.CONTROL, _nothing, metric=Metric.WORDS, weight=1.0),
    )
}
"""Every question type by name: the twelve of 3DSRBench, others, multi-step and 2D control."""
