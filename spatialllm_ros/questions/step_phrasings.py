"""How multi-step questions and those about the flat image are worded."""

from __future__ import annotations

from spatialllm_ros.questions.wordings import Phrasings

STEP_PHRASINGS: dict[str, Phrasings] = {
    'reasoning_collision': Phrasings(
        (
            'would the {a} and the {b} collide if both keep going straight?',
            'if the {a} and the {b} both go straight ahead, do they collide?',
            'do the {a} and the {b} collide if both move straight ahead?',
            'if both keep going straight ahead, would the {a} and the {b} collide?',
            'would the {a} collide with the {b} if both go straight?',
            'the {a} and the {b} both move straight ahead: do they collide?',
            'would the {a} and the {b} hit each other if both keep going straight?',
        ),
        (
            'if the {a} and the {b} keep going straight ahead, do they collide?',
            'would the {a} and the {b} collide if both move straight ahead?',
        ),
    ),
    'reasoning_in_the_way': Phrasings(
        (
            'if the {a} goes straight ahead, is the {b} in its way?',
            'is the {b} in the way of the {a} if it goes straight ahead?',
            'would the {a} hit the {b} if it goes straight ahead?',
            'if the {a} keeps going straight, does it hit the {b}?',
            'does the {a} hit the {b} if it moves straight ahead?',
            'the {a} moves straight ahead: is the {b} in its way?',
        ),
        (
            'if the {a} moves straight ahead, does it hit the {b}?',
            'is the {b} in the way of the {a} if it keeps going straight?',
        ),
    ),
    'reasoning_camera_moves': Phrasings(
        (
            'if you move to the {a}, is the {b} then on your left or right?',
            'if you go to the {a}, is the {b} on your left or right?',
            'if the camera moves to the {a}, is the {b} then on its left or right?',
            'when you have moved to the {a}, is the {b} on your right or left?',
            'you go straight to the {a}: is the {b} then to your left or right?',
            'after the camera moves to the {a}, is the {b} on its left or right?',
        ),
        (
            'if you go straight to the {a}, is the {b} then on your left or right?',
            'after you move to the {a}, is the {b} to your left or right?',
        ),
    ),
    'reasoning_object_moves': Phrasings(
        (
            'if the {a} moves to the {b}, is the {c} then on its left or right?',
            'if the {a} goes to the {b}, is the {c} on its left or right?',
            'when the {a} has moved to the {b}, is the {c} on its left or right?',
            'the {a} moves straight to the {b}: is the {c} then to its left or right?',
            'if the {a} goes straight to the {b}, is the {c} then on its right or left?',
            'after the {a} moves to the {b}, is the {c} to its left or right?',
        ),
        (
            'if the {a} moves straight to the {b}, is the {c} on its left or right?',
            'after the {a} goes to the {b}, is the {c} then on its left or right?',
        ),
    ),
    'reasoning_object_turns': Phrasings(
        (
            'if the {a} turns to face the {b}, is the {c} on its left or right?',
            'if the {a} turns towards the {b}, is the {c} then on its left or right?',
            'when the {a} has turned to the {b}, is the {c} to its left or right?',
            'the {a} turns to the {b}: is the {c} then on its right or left?',
            'after the {a} turns to face the {b}, is the {c} to its left or right?',
            'standing at the {a} and facing the {b}, is the {c} on the left or right?',
        ),
        (
            'if the {a} turns to the {b}, is the {c} to its left or right?',
            'after the {a} turns towards the {b}, is the {c} on its left or right?',
        ),
    ),
    'control_colour': Phrasings(
        (
            'what colour is the {a}?',
            'which colour is the {a}?',
            'what is the colour of the {a}?',
            'of what colour is the {a}?',
            'which colour does the {a} have?',
        ),
        ('which is the colour of the {a}?', 'what colour does the {a} have?'),
    ),
    'control_image_side': Phrasings(
        (
            'in the image, is the {a} to the left or right of the {b}?',
            'is the {a} left or right of the {b} in the image?',
            'in the image, is the {a} on the left or right of the {b}?',
            'is the {a} to the right or left of the {b} in the image?',
            'in the image, is the {a} right or left of the {b}?',
        ),
        (
            'is the {a} to the left or right of the {b} in the image?',
            'in the image, is the {a} left or right of the {b}?',
        ),
    ),
}
