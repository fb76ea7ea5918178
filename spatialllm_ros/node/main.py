"""Run the node until SIGINT or SIGTERM: ``ros2 run spatialllm_ros spatialllm_node``."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import NoReturn

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.configured import SessionLoader, load_session
from spatialllm_ros.node.spatialllm_node import SpatialLLMNode
from spatialllm_ros.node.spinning import spin_once

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_S = 2.0
"""How long what runs may take to end after a signal; ros2 launch sends the next after 5 s."""

FAREWELL_S = 0.5
"""How long the replies to cancelled questions may take to leave."""


def run(load: SessionLoader, arguments: Sequence[str] | None = None) -> int:
    """Run the node with a way to load its model, and return the exit status.

    One thread runs all callbacks: none of them waits for the model, except that transitions load
    it. A signal ends the process in the midst of that, with the status 128 + its number.
    """
    signalled = _signalled()
    # rclpy's own handlers end the context before open questions are told that they are cancelled.
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        return _spin(load, signalled)
    except ConfigError as error:
        print(f'spatialllm_node: {error}', file=sys.stderr)
        return 2
    finally:
        rclpy.shutdown()


def _signalled() -> socket.socket:
    """Return a socket that can be read from once one of SIGNALS has come.

    The executor waits outside Python, where a handler would not run before the next message.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer.detach())
    return reader


def _spin(load: SessionLoader, signalled: socket.socket) -> int:
    node = SpatialLLMNode(load)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    stopping = threading.Event()

    def stop_when_signalled() -> None:
        number = signalled.recv(1)[0]
        executor.create_task(stopping.set)  # a task wakes the executor
        if not stopping.wait(GRACE_S):
            _end_at_once(node, number)

    threading.Thread(target=stop_when_signalled, daemon=True).start()
    try:
        if node.autostart and not node.start():
            return 1
        while not stopping.is_set():
            spin_once(executor, node)
        return 0
    finally:
        stopping.set()
        _say_farewell(node, executor)
        executor.shutdown()
        node.destroy_node()


def _end_at_once(node: SpatialLLMNode, number: int) -> NoReturn:
    """End the process, with the status of a shell, whatever its main thread is doing.

    Only loading a model keeps that for so long, and nobody can interrupt an engine or a server.
    """
    node.get_logger().warning(f'ended by signal {number} while the model was being loaded')
    os._exit(128 + number)


def _say_farewell(node: SpatialLLMNode, executor: SingleThreadedExecutor) -> None:
    if node.stop():
        end_s = time.monotonic() + FAREWELL_S
        while time.monotonic() < end_s:
            spin_once(executor, node, FAREWELL_S / 10)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node with the model of its parameters."""
    return run(load_session, arguments)


if __name__ == '__main__':
    sys.exit(main())
