"""Names of nodes as people give them: without a first slash, in one's own namespace."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

from rclpy.exceptions import InvalidTopicNameException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.node import Node
from rclpy.validate_full_topic_name import validate_full_topic_name

NODE_NAME = 'spatialllm'


def add_node_option(parser: ArgumentParser) -> None:
    """Add the option that names the node to ask."""
    parser.add_argument(
        '--node',
        type=node_name,
        default=NODE_NAME,
        help='name of the node to ask, in the own namespace or full (default: %(default)s)',
    )


def node_name(text: str) -> str:
    """Return a node's name as it was given; a type for ``argparse``.

    Raises:
        ArgumentTypeError: no node can have it.
    """
    try:
        validate_full_topic_name(f'/{text.removeprefix("/")}')
    except InvalidTopicNameException as error:
        raise ArgumentTypeError(
            f"expected a node's name (spatialllm, /robot/spatialllm), found {text!r}"
        ) from error
    return text


def full_name(name: str, seen_by: Node) -> str:
    """Return the full name of another node, in the namespace of one that looks for it."""
    return str(expand_topic_name(name, seen_by.get_name(), seen_by.get_namespace()))
