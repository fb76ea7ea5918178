"""Processes of the demo: started in one environment, ended together."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from spatialllm_ros.errors import ProcessError

IMAGE_TOPIC = '/camera/image'
DASHBOARD_PORT = 8080

GRACE_S, LAST_WORDS_S = 10.0, 2.0
LOOK_AGAIN_S = 0.05
LAST_LINES = 20


class Processes:
    """Processes that end when the ``with`` block does.

    Those in the background write into log files, whose last lines are shown if they fail.
    """

    def __init__(self, environment: Mapping[str, str], log_folder: Path) -> None:
        """Start processes in this environment."""
        self._environment = dict(environment)
        self._logs = log_folder
        self._background: dict[str, subprocess.Popen[bytes]] = {}
        self._all: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Processes:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs."""
        for process in self._all:
            process.terminate()
        for process in self._all:
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Run a module of this package in the background."""
        with self.log(name).open('wb') as log:
            streams = {'stdin': subprocess.DEVNULL, 'stdout': log, 'stderr': log}
            process = self._popen(module, arguments, **streams)
        self._background[name] = process
        return process

    def run(self, module: str, *arguments: str) -> int:
        """Run a module in this terminal and return its exit status.

        Raises:
            ProcessError: one in the background ended meanwhile; holds its last lines.
        """
        process = self._popen(module, arguments)
        try:
            while process.poll() is None:
                self.check()
                time.sleep(LOOK_AGAIN_S)
        except KeyboardInterrupt:  # which the terminal sends to the process too
            with suppress(subprocess.TimeoutExpired):
                process.wait(LAST_WORDS_S)
            raise
        return process.returncode

    def check(self) -> None:
        """See that everything in the background runs.

        Raises:
            ProcessError: one has ended; holds its last lines.
        """
        for name, process in self._background.items():
            if process.poll() is not None:
                text = self.log(name).read_text(encoding='utf-8', errors='replace')
                last = '\n'.join(text.splitlines()[-LAST_LINES:])
                raise ProcessError(
                    f'expected the {name} to run, but it ended with status '
                    f'{process.returncode}; it said\n{last}'
                )

    def log(self, name: str) -> Path:
        """Return the file that a process in the background writes into."""
        return self._logs / f'{name}.log'

    def _popen(
        self, module: str, arguments: tuple[str, ...], **streams: Any
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, '-m', f'spatialllm_ros.{module}', *arguments]
        process = subprocess.Popen(command, env=self._environment, **streams)
        self._all.append(process)
        return process


def start_camera(processes: Processes, parameters: Mapping[str, object]) -> None:
    """Start a camera that publishes on ``IMAGE_TOPIC``."""
    arguments = ['-r', '__ns:=/camera', *given(parameters)]
    processes.start('camera', 'demo.camera_node', '--ros-args', *arguments)


def start_node(processes: Processes, image: str, parameters: Mapping[str, object]) -> None:
    """Start the node on an image topic and the intrinsics beside it."""
    info = PurePosixPath(image).with_name('camera_info')
    arguments = ['-r', f'image:={image}', '-r', f'camera_info:={info}', *given(parameters)]
    processes.start('node', 'node.main', '--ros-args', *arguments)


def start_dashboard(processes: Processes) -> str:
    """Start the web page and return its address."""
    processes.start('dashboard', 'dashboard', '--port', str(DASHBOARD_PORT))
    return f'http://127.0.0.1:{DASHBOARD_PORT}/'


def ask_questions(processes: Processes, parameters: Mapping[str, object]) -> int:
    """Ask questions in this terminal and return the exit status."""
    return processes.run('demo.questioner', '--ros-args', *given(parameters))


def given(parameters: Mapping[str, object]) -> list[str]:
    """Return parameters as words of a command line, behind ``--ros-args``."""
    return [
        word for name, value in parameters.items() for word in ('-p', f'{name}:={_yaml(value)}')
    ]


def _yaml(value: object) -> str:
    """Return a value as YAML, of which JSON is a part: text in quotes, or it may be a number."""
    plain = value if isinstance(value, bool | int | float | list) else str(value)
    return json.dumps(plain, ensure_ascii=False)
