"""How each type of question is worded: for training, and others held out for evaluation.

``{a}``, ``{b}`` and ``{c}`` stand for phrases that name objects. A wording after ``REVERSED`` asks
for the opposite of the relation (lower instead of higher). Held-out wordings use only words that
training wordings use.
"""

from __future__ import annotations

from spatialllm_ros.questions.step_phrasings import STEP_PHRASINGS
from spatialllm_ros.questions.wordings import Phrasings

PHRASINGS: dict[str, Phrasings] = {
    'height_higher': Phrasings(
        (
            'which is higher, the {a} or the {b}?',
            'which is lower, the {a} or the {b}?',
            'which one is higher up, the {a} or the {b}?',
            'which one is lower, the {a} or the {b}?',
            'of the {a} and the {b}, which is higher?',
            'of the {a} and the {b}, which is lower?',
            'of the {a} and the {b}, which one is higher?',
            'of the {a} and the {b}, which one is lower?',
            'the {a} or the {b}: which is higher?',
            'the {a} or the {b}: which is lower?',
            'which of the {a} and the {b} is higher?',
            'which of the {a} and the {b} is lower?',
            'is the {a} or the {b} higher up?',
            'is the {a} or the {b} lower?',
            'which object is higher, the {a} or the {b}?',
            'which object is lower, the {a} or the {b}?',
        ),
        (
            'which one is higher, the {a} or the {b}?',
            'of the {a} and the {b}, which one is higher up?',
        ),
        ('lower',),
    ),
    'location_above': Phrasings(
        (
            'is the {a} directly above the {b}?',
            'is the {a} right above the {b}?',
            'is the {b} directly below the {a}?',
            'does the {a} sit directly above the {b}?',
            'does the {b} sit directly below the {a}?',
            'can you see the {a} right above the {b}?',
        ),
        ('does the {a} sit right above the {b}?', 'is the {b} right below the {a}?'),
    ),
    'location_closer_to_camera': Phrasings(
        (
            'which is closer to the camera, the {a} or the {b}?',
            'which one is nearer to the camera, the {a} or the {b}?',
            'of the {a} and the {b}, which is closer to the camera?',
            'which is farther from the camera, the {a} or the {b}?',
            'the {a} or the {b}: which is nearer to the camera?',
            'of the {a} and the {b}, which one is farther from the camera?',
            'of the {a} and the {b}, which one is closer to the camera?',
            'the {a} or the {b}: which is farther from the camera?',
            'which is closer, the {a} or the {b}?',
            'which of the {a} and the {b} is nearer?',
            'is the {a} or the {b} closer to the camera?',
            'which is farther away, the {a} or the {b}?',
            'which object is nearer to the camera, the {a} or the {b}?',
            'is the {a} or the {b} farther from the camera?',
        ),
        (
            'which one is closer to the camera, the {a} or the {b}?',
            'of the {a} and the {b}, which is nearer to the camera?',
        ),
        ('farther',),
    ),
    'location_next_to': Phrasings(
        (
            'is the {a} next to the {b}?',
            'are the {a} and the {b} next to each other?',
            'is the {a} beside the {b}?',
            'does the {a} stand next to the {b}?',
            'are the {a} and the {b} beside each other?',
            'does the {a} sit next to the {b}?',
            'do the {a} and the {b} sit beside each other?',
        ),
        ('does the {a} stand beside the {b}?', 'do the {a} and the {b} stand next to each other?'),
    ),
    'orientation_in_front_of': Phrasings(
        (
            'from the point of view of the {a}, is the {b} in front or behind?',
            'if you stand at the {a} facing where it faces, is the {b} in front or behind?',
            'is the {b} in front of the {a} or behind it, as the {a} faces?',
            'standing at the {a} and facing its way, is the {b} in front or behind?',
            'as seen from the {a}, is the {b} in front or behind?',
            'if you face the way the {a} faces, is the {b} behind or in front?',
            'is the {b} behind the {a} or in front of it, as the {a} faces?',
            'standing at the {a} and facing where it faces, is the {b} behind or in front?',
        ),
        (
            'as the {a} faces, is the {b} in front or behind?',
            'from the point of view of the {a}, is the {b} behind or in front?',
        ),
    ),
    'orientation_on_the_left': Phrasings(
        (
            'from the point of view of the {a}, is the {b} on the left or right?',
            'if you stand at the {a} facing where it faces, is the {b} on the left or right?',
            'is the {b} to the left or right of the {a}, as the {a} faces?',
            'standing at the {a} and facing its way, is the {b} on the left or right?',
            'as seen from the {a}, is the {b} on the left or right?',
            'if you face the way the {a} faces, is the {b} on the right or left?',
            'is the {b} on the left or right side of the {a}, as the {a} faces?',
            'standing at the {a} and facing where it faces, is the {b} to the right or left?',
        ),
        (
            'as the {a} faces, is the {b} on the left or right?',
            'from the point of view of the {a}, is the {b} to the left or right?',
        ),
    ),
    'orientation_viewpoint': Phrasings(
        (
            'which side of the {a} faces the camera?',
            'which side of the {a} is towards the camera?',
            'what side of the {a} does the camera see?',
            'from the camera, which side of the {a} is seen?',
            'which side of the {a} can you see?',
            'what side of the {a} is facing the camera?',
            'which side of the {a} do you see?',
            'what side of the {a} is seen from the camera?',
        ),
        ('which side of the {a} does the camera see?', 'what side of the {a} faces the camera?'),
    ),
    'multi_object_closer_to': Phrasings(
        (
            'which is closer to the {c}, the {a} or the {b}?',
            'which one is nearer to the {c}, the {a} or the {b}?',
            'of the {a} and the {b}, which is closer to the {c}?',
            'is the {a} or the {b} closer to the {c}?',
            'which of the {a} and the {b} is closer to the {c}?',
            'which object is nearer to the {c}, the {a} or the {b}?',
            'is the {a} or the {b} nearer to the {c}?',
            'the {a} or the {b}: which is closer to the {c}?',
        ),
        (
            'which one is closer to the {c}, the {a} or the {b}?',
            'of the {a} and the {b}, which one is nearer to the {c}?',
        ),
    ),
    'multi_object_facing': Phrasings(
        (
            'which object is the {c} facing, the {a} or the {b}?',
            'is the {c} facing the {a} or the {b}?',
            'does the {c} face the {a} or the {b}?',
            'the {a} or the {b}: which is the {c} facing?',
            'which is the {c} facing, the {a} or the {b}?',
            'which one does the {c} face, the {a} or the {b}?',
            'of the {a} and the {b}, which is the {c} facing?',
            'does the {c} face towards the {a} or the {b}?',
        ),
        (
            'which object does the {c} face, the {a} or the {b}?',
            'the {a} or the {b}: which does the {c} face?',
        ),
    ),
    'multi_object_viewpoint_towards_object': Phrasings(
        (
            'which side of the {a} faces the {b}?',
            'which side of the {a} is towards the {b}?',
            'what side of the {a} is the {b} on?',
            'seen from the {b}, which side of the {a} is seen?',
            'which side of the {a} is facing the {b}?',
            'on which side of the {a} is the {b}?',
            'what side of the {a} is towards the {b}?',
            'from the {b}, what side of the {a} is seen?',
        ),
        ('what side of the {a} faces the {b}?', 'which side of the {a} is the {b} on?'),
    ),
    'multi_object_parallel': Phrasings(
        (
            'are the {a} and the {b} parallel or perpendicular?',
            'do the {a} and the {b} stand parallel or perpendicular?',
            'is the {a} parallel or perpendicular to the {b}?',
            'is the {a} perpendicular or parallel to the {b}?',
            'do the {a} and the {b} face parallel or perpendicular directions?',
            'are the directions of the {a} and the {b} parallel or perpendicular?',
            'do the {a} and the {b} stand perpendicular or parallel?',
        ),
        (
            'does the {a} stand parallel or perpendicular to the {b}?',
            'are the {a} and the {b} perpendicular or parallel?',
        ),
    ),
    'multi_object_same_direction': Phrasings(
        (
            'do the {a} and the {b} face the same or different directions?',
            'are the {a} and the {b} facing the same or different directions?',
            'is the direction the {a} faces the same as or different from that of the {b}?',
            'are the {a} and the {b} facing different directions or the same?',
            'are the directions of the {a} and the {b} the same or different?',
            'is the direction of the {a} different from or the same as that of the {b}?',
        ),
        (
            'are the directions the {a} and the {b} face the same or different?',
            'do the {a} and the {b} face different directions or the same?',
        ),
    ),
    'distance_to_camera': Phrasings(
        (
            'how far is the {a} from the camera?',
            'how far away is the {a}?',
            'what is the distance to the {a}?',
            'how many metres away is the {a}?',
            'how far from the camera is the {a}?',
            'what is the distance from the camera to the {a}?',
            'how many metres is it to the {a}?',
            'how many metres away from the camera is the {a}?',
            'how far is it to the {a}?',
        ),
        (
            'what is the distance of the {a} from the camera?',
            'how many metres is the {a} from the camera?',
        ),
    ),
    'distance_between': Phrasings(
        (
            'how far is the {a} from the {b}?',
            'how far apart are the {a} and the {b}?',
            'what is the distance between the {a} and the {b}?',
            'how many metres is the {a} from the {b}?',
            'what is the distance from the {a} to the {b}?',
            'how far away from the {b} is the {a}?',
            'how many metres are there between the {a} and the {b}?',
        ),
        (
            'how many metres apart are the {a} and the {b}?',
            'how far is it from the {a} to the {b}?',
        ),
    ),
    'height_above_floor': Phrasings(
        (
            'how high above the floor is the {a}?',
            'what is the height of the {a} above the floor?',
            'how far above the floor is the {a}?',
            'at what height above the floor is the {a}?',
            'how many metres is the {a} above the floor?',
        ),
        ('how many metres above the floor is the {a}?', 'how high is the {a} above the floor?'),
    ),
    'heading': Phrasings(
        (
            'what is the heading of the {a}?',
            'at what angle does the {a} face?',
            'what angle does the {a} face?',
            'what is the heading angle of the {a}?',
            'what direction does the {a} face, in degrees?',
            'at what heading does the {a} stand?',
        ),
        ('what is the angle of the {a}?', 'what heading does the {a} face?'),
    ),
    'locate': Phrasings(
        (
            'where is the {a}?',
            'locate the {a}.',
            'find the {a}.',
            'where do you see the {a}?',
            'locate where the {a} is.',
            'where in view is the {a}?',
            'where can the camera see the {a}?',
        ),
        ('find where the {a} is.', 'where can you see the {a}?'),
    ),
    'describe': Phrasings(
        (
            'describe the {a}.',
            'describe where the {a} is and how it faces.',
            'describe the {a} and how it faces.',
            'describe where you see the {a}.',
            'describe the distance and height of the {a}.',
        ),
        ('describe how the {a} faces and where it is.', 'describe where the {a} is.'),
    ),
    'exist': Phrasings(
        (
            'is there a {a}?',
            'can you see a {a}?',
            'is a {a} in view?',
            'do you see a {a}?',
            'is there a {a} that you can see?',
            'can the camera see a {a}?',
        ),
        ('is there a {a} in view?', 'can you see a {a} in view?'),
    ),
    'count': Phrasings(
        (
            'how many {a} are there?',
            'how many {a} can you see?',
            'how many {a} do you see?',
            'how many {a} can the camera see?',
            'how many {a} can you find?',
            'how many {a} stand there?',
            'how many {a} can you see in view?',
        ),
        ('how many {a} are in view?', 'how many {a} are there in view?'),
    ),
    **STEP_PHRASINGS,
}
