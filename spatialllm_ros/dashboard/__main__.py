"""Serve the dashboard until SIGINT or SIGTERM.

python -m spatialllm_ros.dashboard
python -m spatialllm_ros.dashboard --host 0.0.0.0 --port 9000 --node /robot/spatialllm
python -m spatialllm_ros.dashboard --ros-args -r __ns:=/robot
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from rclpy.utilities import remove_ros_args

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.node_names import add_node_option

GREATEST_PORT = 65535
REMEDIES = {'nicegui': 'pip install -r requirements/dashboard.txt'}
"""By package; what is not named belongs to ROS."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, serve and return the exit status."""
    given = sys.argv if arguments is None else [sys.argv[0], *arguments]
    args = parser().parse_args(remove_ros_args(given)[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):  # which the server raises again when it has ended
            run(args, given)
    except ConfigError as error:
        print(f'dashboard: {error}', file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    own = argparse.ArgumentParser(
        prog='python -m spatialllm_ros.dashboard',
        description='Serve a web page on a running node.',
    )
    own.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to bind to; where others can reach it, they need the token that is printed',
    )
    own.add_argument('--port', type=port_number, default=8080)
    add_node_option(own)
    return own


def port_number(text: str) -> int:
    """Return a port given as text."""
    port = int(text)
    if not 0 < port <= GREATEST_PORT:
        raise argparse.ArgumentTypeError(f'expected 1 to {GREATEST_PORT}, found {text}')
    return port


def run(args: argparse.Namespace, ros_arguments: Sequence[str]) -> None:
    """Serve until a signal.

    Raises:
        ConfigError: NiceGUI or a ROS package is not there, or the address cannot be bound to.
    """
    try:
        from spatialllm_ros.dashboard.server import serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        package = str(error.name).partition('.')[0]
        remedy = REMEDIES.get(package, 'source the workspace that it is built in')
        raise ConfigError(f'expected the package {package}, found none; {remedy}') from error
    from spatialllm_ros.dashboard.ros_client import RosClient  # noqa: PLC0415

    check_address(args.host, args.port)
    client = RosClient(args.node, ros_arguments)
    try:
        serve(client, args.host, args.port)
    finally:
        client.close()


def check_address(host: str, port: int) -> None:
    """See that an address can be bound to.

    Raises:
        ConfigError: it cannot.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigError(
            f'expected to serve at {host} port {port}, found {error}; choose another --port or '
            '--host'
        ) from error


if __name__ == '__main__':
    sys.exit(main())
