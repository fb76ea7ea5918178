"""The bench's live part over real DDS."""

import os

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from spatialllm_ros.demo.bench_live import measure_live
from spatialllm_ros.errors import ProcessError


@pytest.fixture
def environment(domain):
    return os.environ | {'ROS_DOMAIN_ID': str(domain)}


def test_every_question_and_every_image_is_accounted_for(environment, tmp_path):
    found = measure_live(environment, tmp_path, seconds=3.0, parameters={})
    assert sum(found.statuses.values()) == 3
    assert found.latency.count == found.statuses.get('OK', 0)
    assert found.published == 45
    assert found.unaccounted == 0
    assert found.received == 45 - found.lost
    assert found.received == found.used + found.superseded + found.rejected + found.waiting


def test_a_node_that_ends_is_said(environment, tmp_path):
    with pytest.raises(ProcessError, match='/nowhere/at/all'):
        measure_live(environment, tmp_path, seconds=1.0, parameters={'bundle': '/nowhere/at/all'})
