"""Domain, environment and processes of the demo."""

import os
import signal
import socket

import pytest
import yaml

from spatialllm_ros.demo import environment
from spatialllm_ros.demo.environment import demo_environment, free_domain
from spatialllm_ros.demo.processes import Processes, given
from spatialllm_ros.errors import ConfigError, ProcessError


@pytest.fixture
def processes(tmp_path):
    with Processes(os.environ, tmp_path) as processes:
        yield processes


def test_a_domain_in_use_is_passed_over(monkeypatch):
    monkeypatch.setattr(environment, 'DOMAINS', range(60, 62))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(('', 7400 + 250 * 60))
        assert {free_domain() for _ in range(20)} == {61}
        monkeypatch.setattr(environment, 'DOMAINS', range(60, 61))
        with pytest.raises(ConfigError, match='60 to 60 in use'):
            free_domain()


def test_what_is_set_stays():
    own = demo_environment({'ROS_DOMAIN_ID': '7', 'FASTRTPS_DEFAULT_PROFILES_FILE': '/my.xml'})
    assert own['ROS_DOMAIN_ID'] == '7'
    assert own['FASTRTPS_DEFAULT_PROFILES_FILE'] == '/my.xml'
    assert own['FASTDDS_DEFAULT_PROFILES_FILE'].endswith('config/fastdds_shm.xml')


def test_what_is_not_set_is_chosen():
    assert int(demo_environment({})['ROS_DOMAIN_ID']) in environment.DOMAINS
    assert demo_environment({}, domain=0)['ROS_DOMAIN_ID'] == '0'


@pytest.mark.parametrize('value', [
    '20261126', 'true', '1.5', '/a bag/of mine', "it's 5 o'clock: \\n", 'grün', '', True, 7, 0.5,
])  # fmt: skip
def test_a_parameter_reaches_a_program_as_what_it_is(value):
    _, word = given({'source': value})
    assert yaml.safe_load(word.removeprefix('source:=')) == value


def check_until_it_fails(processes):
    while True:
        processes.check()


def test_a_process_that_ends_early_is_named_with_its_last_words(processes):
    processes.start('node', 'runtime.cli', 'nonsense')
    with pytest.raises(ProcessError, match=r'(?s)the node .* status 2; it said.*nonsense'):
        check_until_it_fails(processes)


def test_a_process_in_this_terminal_gives_its_status(processes):
    assert processes.run('runtime.cli', '--help') == 0
    assert processes.run('runtime.cli', 'nonsense') == 2


def test_leaving_ends_what_runs(tmp_path):
    with Processes(os.environ, tmp_path) as processes:
        over = processes.start('over', 'runtime.cli', '--help')
        over.wait()
        waiting = processes.start('waiting', 'demo.ask', 'a question that nobody hears')
    assert over.returncode == 0
    assert waiting.returncode in (1, -signal.SIGTERM), 'it may not have got far'
