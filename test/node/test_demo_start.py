"""The whole demo, started as a person does."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from spatialllm_ros.demo.__main__ import is_image_topic, main
from spatialllm_ros.demo.processes import DASHBOARD_PORT

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120.0


def start(domain, *arguments):
    command = [sys.executable, '-m', 'spatialllm_ros.demo', *arguments]
    environment = os.environ | {'ROS_DOMAIN_ID': str(domain), 'PYTHONUNBUFFERED': '1'}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_missing_model_ends_all_with_the_reason(domain):
    demo = start(domain, '--bundle', '/nowhere/at/all')
    out, err = demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 1
    assert 'the node to run' in err
    assert '/nowhere/at/all' in err
    assert f'ROS_DOMAIN_ID={domain} python -m spatialllm_ros.demo.ask' in out


def test_a_missing_camera_ends_all_with_the_reason(domain):
    demo = start(domain, '--camera', 'nonsense')
    _, err = demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 1
    assert "found 'nonsense'" in err


def test_the_topic_of_a_bag_can_be_named(domain):
    demo = start(domain, '--camera', str(ROOT / 'recordings/tour.mcap'), '--topic', '/belly/image')
    _, err = demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 1
    assert "expected images on /belly/image, found them on ['/camera/image/compressed']" in err


def test_a_dashboard_that_cannot_be_served_ends_all_with_the_reason(domain):
    with socket.socket() as other:
        with suppress(OSError):  # somebody else has the port already
            other.bind(('127.0.0.1', DASHBOARD_PORT))
            other.listen()
        demo = start(domain, '--dashboard', '--questions', '1000')
        out, err = demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 1
    assert f'http://127.0.0.1:{DASHBOARD_PORT}/' in out
    assert 'the dashboard to run' in err
    assert f'expected to serve at 127.0.0.1 port {DASHBOARD_PORT}' in err


def test_it_ends_by_itself(domain):
    demo = start(domain, '--questions', '6', '--period', '0.2')
    out, err = demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 0, err
    assert '6 of 6 questions answered' in out
    assert out.count(' ms: encode ') == 6


def test_a_signal_ends_all(domain):
    demo = start(domain, '--questions', '1000')
    for line in demo.stdout:
        if ' ms: encode ' in line:
            break
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 1
    assert str(domain) not in domains_of_processes()


def domains_of_processes():
    """Return the ROS domains of all processes of the demo on this machine."""
    found = set()
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            command = (folder / 'cmdline').read_bytes()
            environment = (folder / 'environ').read_bytes().split(b'\0')
        except OSError:  # it has ended, or is somebody else's
            continue
        if b'spatialllm_ros.' in command:
            found |= {
                word.decode().removeprefix('ROS_DOMAIN_ID=')
                for word in environment
                if word.startswith(b'ROS_DOMAIN_ID=')
            }
    return found


@pytest.mark.parametrize(
    ('camera', 'expected'),
    [
        ('tour', False),
        ('sim', False),
        ('/dev/video0', False),
        ('/front/image', True),
        ('/', False),
    ],
)
def test_a_topic_is_told_from_what_the_demo_can_open(camera, expected):
    assert is_image_topic(camera) == expected


def test_a_topic_within_a_topic_is_refused(monkeypatch, capsys):
    monkeypatch.setattr('sys.argv', ['demo', '--camera', '/front/image_raw', '--topic', '/rear'])
    with pytest.raises(SystemExit):
        main()
    assert 'expected --topic with a bag' in capsys.readouterr().err
