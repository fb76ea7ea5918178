"""Truth into language: question types, wordings, phrases that name objects, balance."""

from spatialllm_ros.questions.balance import Balancer
from spatialllm_ros.questions.generator import generate
from spatialllm_ros.questions.question_types import QUESTION_TYPES

__all__ = ['QUESTION_TYPES', 'Balancer', 'generate']
