"""Run the node until SIGINT or SIGTERM: ``ros2 run spatialllm_ros spatialllm_node``."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.configured import SessionLoader, load_session
from spatialllm_ros.node.spatialllm_node import SpatialLLMNode

SIGNALS = (signal.SIGINT, signal.SIGTERM)
FAREWELL_S = 0.5
"""How long the replies to cancelled questions may take to leave."""


def run(load: SessionLoader, arguments: Sequence[str] | None = None) -> int:
    """Run the node with a way to load its model, and return the exit status.

    One thread runs all callbacks: none of them waits for the model.
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
        signalled.recv(1)
        executor.create_task(stopping.set)  # a task wakes the executor

    try:
        if node.autostart and not node.start():
            return 1
        threading.Thread(target=stop_when_signalled, daemon=True).start()
        while not stopping.is_set():
            executor.spin_once()
        return 0
    finally:
        _say_farewell(node, executor)
        executor.shutdown()
        node.destroy_node()


def _say_farewell(node: SpatialLLMNode, executor: SingleThreadedExecutor) -> None:
    if node.stop():
        end_s = time.monotonic() + FAREWELL_S
        while time.monotonic() < end_s:
            executor.spin_once(timeout_sec=FAREWELL_S / 10)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node with the model of its parameters."""
    return run(load_session, arguments)


if __name__ == '__main__':
    sys.exit(main())
