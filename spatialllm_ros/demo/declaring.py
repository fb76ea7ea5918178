"""Parameters of the demo's programs, declared with what they may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rclpy.exceptions import ParameterException
from rclpy.node import Node

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.parameter_server import descriptor
from spatialllm_ros.node.parameters import Specification

GREATEST = 1_000_000


def declared(node: Node, parameters: Mapping[str, tuple[Any, str]]) -> list[Any]:
    """Declare parameters and return their values.

    Args:
        node: gets them.
        parameters: default and meaning by name; numbers may be from 0 on.

    Raises:
        ConfigError: one was set to something of another type, or to a negative number.
    """
    return [_declared(node, name, *given) for name, given in parameters.items()]


def _declared(node: Node, name: str, default: Any, words: str) -> Any:
    try:
        return node.declare_parameter(name, default, descriptor(specified(default, words))).value
    except ParameterException as error:
        raise ConfigError(
            f'{name}: {error}; numbers are {GREATEST} at most and not negative, and those with '
            'decimals have a point: 2.0'
        ) from error


def specified(default: Any, words: str) -> Specification:
    """Return what a parameter may be."""
    if isinstance(default, str):
        return Specification(default, words)
    kind = type(default)  # ROS tells ranges of whole numbers from others
    return Specification(default, words, minimum=kind(0), maximum=kind(GREATEST))
