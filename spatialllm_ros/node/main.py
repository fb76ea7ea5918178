"""Run the node until SIGINT or SIGTERM: ``ros2 run spatialllm_ros spatialllm_node``."""

from __future__ import annotations

import signal
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

SIGNALS = {signal.SIGINT, signal.SIGTERM}
FAREWELL_S = 0.5
"""How long the answers to cancelled questions may take to leave."""


def run(load: SessionLoader, arguments: Sequence[str] | None = None) -> int:
    """Run the node with a way to load its model, and return the exit status.

    One thread runs all callbacks: none of them waits for the model.
    """
    # Blocked before any thread is made, so that only stop_on_signal receives them. rclpy's own
    # handlers would end the context before open questions have been told that they are cancelled.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        return _spin(load)
    except ConfigError as error:
        print(f'spatialllm_node: {error}', file=sys.stderr)
        return 2
    finally:
        rclpy.shutdown()


def _spin(load: SessionLoader) -> int:
    node = SpatialLLMNode(load)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if node.autostart and not node.start():
            return 1
        stopping = threading.Event()
        threading.Thread(target=_stop_on_signal, args=(executor, stopping), daemon=True).start()
        while rclpy.ok() and not stopping.is_set():
            executor.spin_once()
        return 0
    finally:
        if node.stop():
            end_s = time.monotonic() + FAREWELL_S
            while time.monotonic() < end_s:
                executor.spin_once(timeout_sec=FAREWELL_S / 10)
        executor.shutdown()
        node.destroy_node()


def _stop_on_signal(executor: SingleThreadedExecutor, stopping: threading.Event) -> None:
    signal.sigwait(SIGNALS)
    executor.create_task(stopping.set)  # a task wakes the executor


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node with the model of its parameters."""
    return run(load_session, arguments)


if __name__ == '__main__':
    sys.exit(main())
