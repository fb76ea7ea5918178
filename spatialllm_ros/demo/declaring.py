"""Parameters of the demo's programs, declared with what they may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from spatialllm_ros.errors import ConfigError

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
        return node.declare_parameter(name, default, descriptor(default, words)).value
    except ParameterException as error:
        raise ConfigError(
            f'{name}: {error}; numbers are {GREATEST} at most and not negative, and those with '
            'decimals have a point: 2.0'
        ) from error


def descriptor(default: Any, words: str) -> ParameterDescriptor:
    """Describe a parameter as ``ros2 param describe`` shows it."""
    described = ParameterDescriptor(description=words)
    if isinstance(default, float):
        described.floating_point_range = [
            FloatingPointRange(from_value=0.0, to_value=float(GREATEST))
        ]
    elif isinstance(default, int):
        described.integer_range = [IntegerRange(from_value=0, to_value=GREATEST)]
    return described
