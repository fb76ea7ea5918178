"""How each type of question is worded: for training, and others held out for evaluation.

``{a}``, ``{b}`` and ``{c}`` stand for phrases that name objects. Held-out wordings use only words
that training wordings use.
"""

from __future__ import annotations

from spatialllm_ros.questions.distance_phrasings import DISTANCE_PHRASINGS
from spatialllm_ros.questions.orientation_phrasings import ORIENTATION_PHRASINGS
from spatialllm_ros.questions.scene_phrasings import SCENE_PHRASINGS
from spatialllm_ros.questions.step_phrasings import STEP_PHRASINGS
from spatialllm_ros.questions.wordings import Phrasings

PHRASINGS: dict[str, Phrasings] = {
    **DISTANCE_PHRASINGS,
    **ORIENTATION_PHRASINGS,
    **SCENE_PHRASINGS,
    **STEP_PHRASINGS,
}
