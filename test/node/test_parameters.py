"""The table of parameters: defaults, refusals, the README's rendering, the YAML example."""

from pathlib import Path

import pytest
import yaml

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from rcl_interfaces.srv import GetParameters

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.parameters import (
    KINDS,
    build,
    camera_specifications,
    check_topics,
    node_specifications,
    table,
)

ROOT = Path(__file__).parents[2]
EVERY = node_specifications() | camera_specifications('camera')


def test_without_values_everything_has_its_default():
    parameters = build({})
    assert [camera.name for camera in parameters.cameras] == ['camera']
    for name, spec in node_specifications().items():
        assert getattr(parameters, name) == spec.default
    for name, spec in camera_specifications('camera').items():
        assert getattr(parameters.cameras[0], name.split('.')[1]) == spec.default


@pytest.mark.parametrize('name', EVERY)
def test_every_specification_is_complete(name):
    spec = EVERY[name]
    assert type(spec.default) in KINDS
    assert spec.accepts(spec.default)
    assert spec.description
    assert not spec.description.endswith('.')
    is_number = isinstance(spec.default, int | float) and not isinstance(spec.default, bool)
    assert is_number == (spec.minimum is not None) == (spec.maximum is not None)
    for suffix, unit in [('_s', 's'), ('_px', 'pixels'), ('_deg', 'degrees'), ('_hz', 'Hz')]:
        assert name.endswith(suffix) == (spec.unit == unit)


def test_values_reach_the_records():
    parameters = build({
        'max_frame_age_s': 2.5,
        'camera_names': ('front', 'rear'),
        'rear.transport': 'compressed',
    })  # fmt: skip
    assert parameters.max_frame_age_s == 2.5
    assert [(c.name, c.transport) for c in parameters.cameras] == [
        ('front', 'raw'),
        ('rear', 'compressed'),
    ]


@pytest.mark.parametrize(('values', 'words'), [
    ({'max_frame_age_s': 0.01}, 'decimal number from 0.05 to 3600.0 s, found 0.01'),
    ({'max_frame_age_s': 2}, 'decimal number from 0.05 to 3600.0 s, found 2; write 2.0'),
    ({'max_batch': 4.0}, 'whole number from 1 to 64, found 4.0; write 4'),
    ({'max_frame_age_s': float('nan')}, 'found nan'),
    ({'max_waiting_questions': 0}, 'whole number from 1 to 1024, found 0'),
    ({'max_waiting_questions': True}, 'found True'),
    ({'autostart': 'yes'}, "true or false, found 'yes'"),
    ({'camera.transport': 'theora'}, "one of raw, compressed, found 'theora'"),
    ({'max_frame_age': 1.0}, 'max_frame_age: there is no such parameter; is it max_frame_age_s?'),
    ({'camera.image_topc': 'a'}, 'no such parameter; is it camera.image_topic?'),
    ({'rear.transport': 'raw'}, 'rear.transport: there is no such parameter'),
    ({'camera_names': ()}, 'at least one name'),
    ({'camera_names': ('a', 'a')}, 'each once'),
    ({'camera_names': ('Front',)}, "found 'Front'"),
    ({'camera_names': ('bundle',)}, "'bundle' is a parameter"),
    ({'camera_names': ('all',)}, "'all' stands for every camera"),
    ({'camera_names': 'camera'}, "a list of text, found 'camera'"),
])  # fmt: skip
def test_what_cannot_be_is_refused_with_the_reason(values, words):
    with pytest.raises(ConfigError) as refusal:
        build(values)
    assert words in str(refusal.value)


@pytest.mark.parametrize('values', [
    {'max_frame_age_s': 9999}, {'max_batch': 2.5}, {'max_batch': float('inf')},
    {'max_batch': True}, {'watch_hz': False}, {'zebra': 1},
])  # fmt: skip
def test_what_would_be_refused_too_is_not_suggested(values):
    with pytest.raises(ConfigError) as refusal:
        build(values)
    assert not any(word in str(refusal.value) for word in ('write', 'is it'))


def test_all_problems_are_told_together():
    with pytest.raises(ConfigError) as refusal:
        build({'a': 1, 'b': 2, 'max_frame_age_s': 0.0})
    assert [word in str(refusal.value) for word in ('a:', 'b:', 'max_frame_age_s:')] == [True] * 3


@pytest.mark.parametrize(('values', 'words'), [
    ({'camera_names': ('a', 'b')}, "b.image_topic: another camera has 'image' too"),
    ({'camera.image_topic': ''}, "found ''"),
    ({'camera.image_topic': '/front/image_raw/compressed'}, 'base topic'),
])  # fmt: skip
def test_topics_that_no_camera_can_have_are_refused(values, words):
    with pytest.raises(ConfigError) as refusal:
        check_topics(build(values).cameras)
    assert words in str(refusal.value)


def test_the_table_has_one_row_per_parameter():
    rows = table().splitlines()[2:]
    assert len(rows) == len(EVERY)
    assert all(row.count('|') == 6 for row in rows)
    assert any('`max_frame_age_s` | `1.0` | a decimal number from 0.05' in row for row in rows)


EXAMPLE = (ROOT / 'config/spatialllm.yaml').read_text(encoding='utf-8').splitlines()
OFF = [index for index, line in enumerate(EXAMPLE) if line.startswith('    # ')]


def with_lines_on(indices):
    """Return the YAML example with some lines in force, as a user would put them there."""
    lines = [
        line.replace('# ', '', 1) if index in indices else line
        for index, line in enumerate(EXAMPLE)
    ]
    return '\n'.join(lines)


@pytest.mark.parametrize('indices', [[], OFF, *([index] for index in OFF)], ids=str)
def test_every_line_of_the_yaml_example_can_be_put_in_force(indices):
    values = yaml.safe_load(with_lines_on(indices))['/**']['ros__parameters']
    assert len(values) == 1 + len(indices)
    check_topics(build(values).cameras)


def test_the_node_reads_the_yaml_example(start_node, peer, tmp_path):
    path = tmp_path / 'parameters.yaml'
    path.write_text(with_lines_on([i for i in OFF if 'watches_file' not in EXAMPLE[i]]))
    start_node(autostart='false', files=[path])
    asked = peer.call(
        GetParameters, '/spatialllm/get_parameters', names=['bundle', 'camera.pitch_deg']
    ).values
    assert (asked[0].string_value, asked[1].double_value) == ('nano', 12.0)
