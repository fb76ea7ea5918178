"""The command ``spatialllm``: each of its commands is a module of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from spatialllm_ros import __version__
from spatialllm_ros.errors import EngineError, InputError, SpatialLLMError
from spatialllm_ros.runtime import ask_command


@contextmanager
def _packages(what: str, remedy: str) -> Iterator[None]:
    """Name what a command needs beside the run time where it is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise EngineError(
            f'expected the packages that {what} with, found no {error.name}; {remedy}'
        ) from error


# Imported only when they are asked for, so that the other commands need none of their packages.


def _build_engine(arguments: Sequence[str]) -> int:
    with _packages('engines are built', 'run `pip install -r requirements/tensorrt.txt`'):
        from spatialllm_ros.deploy import tensorrt_command  # noqa: PLC0415
    return tensorrt_command.main(arguments)


def _verify(arguments: Sequence[str]) -> int:
    with _packages('bundles are verified', 'run `make env-train` and use .venv-train'):
        from spatialllm_ros.deploy import verify_command  # noqa: PLC0415
    return verify_command.main(arguments)


def _bench(arguments: Sequence[str]) -> int:
    with _packages('bundles are timed', 'run `pip install -r requirements/run.txt`'):
        from spatialllm_ros.evaluation import bench_command  # noqa: PLC0415
    return bench_command.main(arguments)


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    'ask': ask_command.main,
    'build-engine': _build_engine,
    'verify': _verify,
    'bench': _bench,
}
"""Every command by name: takes its arguments, returns the exit status."""

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(
        prog='spatialllm',
        description='Answers to spatial questions about camera images.',
        epilog='spatialllm COMMAND --help says more.',
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    parser.add_argument('command', choices=COMMANDS)
    parser.add_argument('arguments', nargs=argparse.REMAINDER, help='of the command')
    parsed = parser.parse_args(arguments)
    try:
        return COMMANDS[parsed.command](parsed.arguments)
    except SpatialLLMError as error:
        print(f'spatialllm: {error}', file=sys.stderr)
        return BAD_INPUT if isinstance(error, InputError) else FAILED
    except BrokenPipeError:  # whoever reads the answers has seen enough
        # The interpreter flushes once more at its end. Source: library reference, module signal.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == '__main__':
    sys.exit(main())
