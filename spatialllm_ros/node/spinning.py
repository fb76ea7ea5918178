"""Turns of the executor that outlive a callback which fails."""

from __future__ import annotations

import traceback

from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.task import Task


def spin_once(executor: Executor, node: Node, timeout_s: float | None = None) -> None:
    """Run what is ready; a callback that fails is logged, and costs only whoever called it.

    What the executor itself fails by is raised. So is what leaves a part of the node that it would
    never call again, as an unreadable message does: a node that is half deaf had better end.

    Args:
        executor: has one thread.
        node: all that it calls.
        timeout_s: how long to wait for something; None for ever.
    """
    try:
        executor.spin_once(timeout_sec=timeout_s)
    except Exception as error:
        if not (_is_of_a_callback(error) and _calls_all_of(executor, node)):
            raise
        node.get_logger().error(f'a callback failed: {traceback.format_exc()}')


def _is_of_a_callback(error: Exception) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code is Task.__call__.__code__ for frame, _ in frames)


def _calls_all_of(executor: Executor, node: Node) -> bool:
    topics = (*node.subscriptions, *node.services, *node.clients)
    others = (*node.timers, *node.guards, *node.waitables)
    return all(executor.can_execute(entity) for entity in (*topics, *others))
