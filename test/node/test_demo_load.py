"""A short run under load over real DDS: no time is judged, but everything is accounted for."""

import json
import os

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from spatialllm_ros.demo.load import as_json, print_load
from spatialllm_ros.demo.load_run import measure_load

SECONDS = 4.0


def test_every_question_and_every_image_is_accounted_for(domain, tmp_path, capsys):
    found = measure_load(os.environ | {'ROS_DOMAIN_ID': str(domain)}, tmp_path, SECONDS)
    assert found.asked == 8
    assert sum(found.statuses.values()) + found.unanswered == 8
    assert found.unanswered == 0
    assert found.counted == (8, 8)
    assert found.published == 60
    for camera, frames in found.frames.items():
        fates = frames.used + frames.superseded + frames.rejected + frames.waiting
        assert frames.received == fates == 60 - found.lost[camera]
        assert frames.used > 0
    assert found.unaccounted == 0
    assert len(found.watches) == 8
    assert found.late_samples > 0
    print_load(found)
    assert '0 without a reply' in capsys.readouterr().out
    assert json.loads(as_json(found, 0.0))['targets']['nothing is unaccounted for'] is True
