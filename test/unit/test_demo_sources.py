"""What a demo camera can be told to show."""

from itertools import islice

import numpy as np
import pytest
from mcap.writer import Writer
from mcap_ros2.writer import Writer as McapWriter

from spatialllm_ros.demo import sources
from spatialllm_ros.demo.definitions import COMPRESSED_IMAGE
from spatialllm_ros.demo.recording import write_recording
from spatialllm_ros.demo.shots import Shot, jpeg_file
from spatialllm_ros.demo.sources import open_source
from spatialllm_ros.errors import ConfigError, RecordingError


def test_a_bag_goes_round(tmp_path):
    path = tmp_path / 'some.mcap'
    greys = [np.full((48, 64, 3), grey, np.uint8) for grey in (50, 100, 150)]
    write_recording(path, [Shot(rgb, i / 5, {}) for i, rgb in enumerate(greys)])
    for name in (path, tmp_path):
        shots = list(islice(open_source(str(name)), 7))
        assert [round(shot.rgb.mean(), -1) for shot in shots] == [50, 100, 150] * 2 + [50]
        gaps = np.diff([shot.at_s for shot in shots])
        between = sources.BETWEEN_ROUNDS_S
        assert gaps == pytest.approx([0.2, 0.2, between, 0.2, 0.2, between])


def test_of_a_bag_with_two_cameras_one_is_shown(tmp_path):
    path = tmp_path / 'two.mcap'
    with path.open('wb') as file, McapWriter(file) as writer:
        kind = writer.register_msgdef(*COMPRESSED_IMAGE)
        for topic, grey in (('/left/image', 50), ('/right/image', 150)):
            header = {'stamp': {'sec': 1, 'nanosec': 0}, 'frame_id': 'optical'}
            data = jpeg_file(np.full((48, 64, 3), grey, np.uint8))
            writer.write_message(
                topic, kind, {'header': header, 'format': 'jpeg', 'data': data}, 1
            )
    with pytest.raises(RecordingError, match='--topic'):
        next(open_source(str(path)))
    shots = list(islice(open_source(str(path), '/right/image'), 3))
    assert [round(shot.rgb.mean(), -1) for shot in shots] == [150] * 3


def test_a_bag_without_images_does_not_go_round(tmp_path):
    path = tmp_path / 'empty.mcap'
    with path.open('wb') as file:
        writer = Writer(file)
        writer.start(profile='ros2')
        name, definition = COMPRESSED_IMAGE
        schema = writer.register_schema(name, 'ros2msg', definition.encode())
        writer.register_channel('/camera/image/compressed', 'cdr', schema)
        writer.finish()
    with pytest.raises(RecordingError, match=r'empty\.mcap: expected an image'):
        next(open_source(str(path)))


def test_an_unknown_source_is_named():
    with pytest.raises(ConfigError, match="a bag, found '/nowhere/at/all'"):
        open_source('/nowhere/at/all')


@pytest.mark.parametrize('name', ['sim', '/dev/video99'])
def test_only_bags_have_topics(name):
    with pytest.raises(ConfigError, match='leave --topic out'):
        open_source(name, '/left/image')


def test_a_missing_webcam_is_named():
    with pytest.raises(ConfigError, match='camera at /dev/video99'):
        open_source('/dev/video99')


def test_a_file_that_is_no_bag_is_named(tmp_path):
    path = tmp_path / 'notes.txt'
    path.write_text('hello')
    with pytest.raises(RecordingError, match=r'notes\.txt'):
        next(open_source(str(path)))


def test_rendered_worlds_say_what_is_missing(monkeypatch):
    monkeypatch.setattr(sources, 'find_spec', lambda name: None)
    with pytest.raises(ConfigError, match=r'requirements/run\.txt'):
        open_source('sim')


def test_rendered_worlds_are_held_out_and_come_with_truth():
    shot = next(open_source('sim'))
    assert shot.rgb.shape == (480, 640, 3)
    assert shot.truth.questions
    seed = int(shot.truth.scene_id.removeprefix('sim-'))
    assert seed in sources.LIVE_SEEDS
