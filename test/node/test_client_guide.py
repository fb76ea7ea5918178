"""The programs of the client guide run as they stand, against a real node."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

GUIDE = Path(__file__).parents[2] / 'docs/guide/client.md'
PROGRAMS = re.findall(r'```python\n(.*?)```', GUIDE.read_text(encoding='utf-8'), re.DOTALL)
DEADLINE_S = 60


def said(program, domain):
    """Run a program in its own process and return the lines that it prints."""
    run = subprocess.run(
        [sys.executable, '-c', program],
        env=os.environ | {'ROS_DOMAIN_ID': str(domain)},
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_the_first_program_is_short():
    assert len(PROGRAMS[0].replace('\n\n', '\n').splitlines()) <= 11


def test_the_guide_s_clients_are_answered(scripted, peer, domain):
    with peer.filming():
        peer.ask_until(0, 'ready?')
        by_service, by_action = (said(program, domain) for program in PROGRAMS)
    assert re.fullmatch(r'(yes|no) \(90%\)', by_service[-1])
    *beginnings, answer = by_action  # rclpy drops those that come before the goal's acceptance
    assert answer
    assert all(
        text.endswith(' ...') and answer.startswith(text.removesuffix(' ...'))
        for text in beginnings
    )
