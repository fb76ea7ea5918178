"""What is true of one image: questions with their answers, as JSON beside the image.

``{"stamp": {"sec": 1, "nanosec": 0}, "scene": "sim-7", "questions": [{"type": ...,
"question": ..., "options": [...], "answer": ...}]}``; the stamp is the image's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from spatialllm_ros.errors import SceneError
from spatialllm_ros.schema import QuestionRecord

Stamp = tuple[int, int]
"""Seconds and nanoseconds, as in a message's header."""


@dataclass(frozen=True)
class Truth:
    """The questions that can be asked of an image, with their true answers."""

    scene_id: str
    questions: tuple[QuestionRecord, ...]

    def to_json(self, stamp: Stamp) -> str:
        """Return it as the text of a message about the image with this stamp."""
        questions = [
            {
                'type': record.type,
                'question': record.question,
                'options': record.options,
                'answer': record.answer,
            }
            for record in self.questions
        ]
        sec, nanosec = stamp
        head = {'stamp': {'sec': sec, 'nanosec': nanosec}, 'scene': self.scene_id}
        return json.dumps(head | {'questions': questions})


def read_truth(text: str) -> tuple[Stamp, Truth]:
    """Return the stamp and the truth that a message's text holds.

    Raises:
        SceneError: the text is something else.
    """
    try:
        plain = json.loads(text)
        stamp = (int(plain['stamp']['sec']), int(plain['stamp']['nanosec']))
        records = tuple(
            QuestionRecord(
                plain['scene'], one['type'], one['question'], tuple(one['options']), one['answer']
            )
            for one in plain['questions']
        )
        return stamp, Truth(plain['scene'], records)
    except (KeyError, TypeError, ValueError) as error:
        raise SceneError(
            f'expected the truth of an image as JSON, found {text[:80]!r} ({error!r}); '
            'record the tour again with training/record_tour.py'
        ) from error
