"""Standing questions over real DDS: set, answered, latched, refused; and read from a file."""

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from rclpy.qos import DurabilityPolicy, QoSProfile

from spatialllm_msgs.msg import SpatialAnswer, Status, Watch
from spatialllm_msgs.srv import SetWatches
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.watch_file import load_watches

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BRIGHT = {'name': 'bright', 'question': 'is it bright?', 'options': ['yes', 'no']}


def set_watches(peer, *watches):
    named = [Watch(**watch) for watch in watches]
    return peer.call(SetWatches, '/spatialllm/set_watches', watches=named)


def listen(peer, name):
    answers = []
    topic = f'/spatialllm/watch/{name}'
    peer.node.create_subscription(SpatialAnswer, topic, answers.append, LATCHED)
    return answers


def dark(grey_image):
    return grey_image(data=bytes([10] * 144))


def test_a_standing_question_is_answered_and_latched(scripted, peer, grey_image):
    response = set_watches(peer, BRIGHT, {'name': 'colour', 'question': 'what colour?'})
    assert (response.status, response.message) == (Status.OK, '')
    assert response.topics == ['/spatialllm/watch/bright', '/spatialllm/watch/colour']
    bright, colour = listen(peer, 'bright'), listen(peer, 'colour')
    with peer.filming() as stamps:
        first = peer.until(lambda: bright)[0]
        peer.until(lambda: colour)
    assert (first.yes, first.question, first.camera) == (True, 'is it bright?', 'camera')
    assert (first.header.stamp.sec, first.header.stamp.nanosec) in stamps
    late = listen(peer, 'bright')
    assert peer.until(lambda: late)[0].yes


def test_a_change_has_to_hold_and_nothing_else_is_published(start_node, peer, grey_image):
    start_node(
        watch_hz=20.0, watch_hold_frames=3, watch_min_confidence=0.0, watch_refresh_s=3600.0
    )
    set_watches(peer, BRIGHT)
    answers = listen(peer, 'bright')
    with peer.filming() as seen:
        peer.until(lambda: answers)
        peer.until(lambda: len(seen) > 30)
    with peer.filming(dark(grey_image)):
        peer.until(lambda: len(answers) > 1)
    assert [answer.yes for answer in answers] == [True, False]


def test_what_cannot_be_watched_is_refused_and_nothing_changes(scripted, peer):
    assert set_watches(peer, BRIGHT).status == Status.OK
    refused = {
        "found 'Bright'": [{**BRIGHT, 'name': 'Bright'}],
        "found 'bright' 2 times": [BRIGHT, BRIGHT],
        'mute: expected a question': [{'name': 'mute', 'question': ''}],
        'at most 32 watches, found 33': [{**BRIGHT, 'name': f'b{n}'} for n in range(33)],
    }
    for words, watches in refused.items():
        response = set_watches(peer, *watches)
        assert response.status == Status.BAD_QUESTION
        assert words in response.message
        assert response.topics == []
    response = set_watches(peer, {**BRIGHT, 'camera': 'belly'})
    assert response.status == Status.UNKNOWN_CAMERA
    answers = listen(peer, 'bright')
    with peer.filming():
        peer.until(lambda: answers)


def test_questions_are_answered_beside_many_standing_ones(scripted, peer):
    endless = [{'name': f'w{n}', 'question': 'talk without end'} for n in range(32)]
    assert set_watches(peer, *endless).status == Status.OK
    with peer.filming():
        peer.ask_until(Status.OK, 'ready?')
        for _ in range(5):
            assert peer.ask('what colour?').status == Status.OK
    assert set_watches(peer).status == Status.OK


def test_standing_questions_and_their_failures_are_in_the_diagnostics(scripted, peer):
    diagnostics = peer.diagnostics()
    set_watches(peer, BRIGHT, {'name': 'far', 'question': 'how far is it?'})
    with peer.filming():
        status = peer.until(
            lambda: (
                (found := diagnostics().get('spatialllm: watches', {}))
                and 'yes' in found['bright']
                and 'far:' in found['message']
                and found
            )
        )
    assert 'expected a calibrated camera' in status['message']
    assert 'no answer yet' in status['far']


FILE = """
watches:
  - name: bright
    question: is it bright?
    options: [yes, no]
  - {name: colour, question: "what colour?", camera: camera}
"""


def test_standing_questions_come_from_a_file(start_node, peer, tmp_path):
    path = tmp_path / 'watches.yaml'
    path.write_text(FILE, encoding='utf-8')
    bright, colour = load_watches(path)
    assert (bright.query.options, bright.query.camera) == (('yes', 'no'), '')
    assert (colour.query.options, colour.query.camera) == ((), 'camera')
    start_node(watches_file=path)
    answers = listen(peer, 'bright')
    with peer.filming():
        assert peer.until(lambda: answers)[0].yes


def test_a_file_with_a_bad_question_keeps_the_node_from_starting(start_node, tmp_path):
    path = tmp_path / 'watches.yaml'
    path.write_text(FILE.replace('camera: camera', 'camera: belly'), encoding='utf-8')
    node = start_node(watches_file=path)
    assert node.exit_status() == 1
    assert 'watches_file: colour: expected a camera of' in node.log


@pytest.mark.parametrize(('text', 'words'), [
    ('', 'a list named watches'),
    ('watches: 3', 'a list named watches'),
    ('watches: [{question: "what?"}]', 'watch 1: expected a name and a question'),
    ('watches: [{name: a, question: "what?", colour: red}]', "found ['colour']"),
    ('watches: [{name: a, question: "what?", options: yes}]', 'options in a list'),
    ('watches: [{name: a, question: ["what?"]}]', 'expected texts'),
    ('watches: [', 'a YAML file with watches'),
    ('watches: [' + 'x' * 70_000, 'at most 65536 bytes'),
    ('\x00', 'a YAML file with watches'),
])  # fmt: skip
def test_files_without_standing_questions_are_refused(tmp_path, text, words):
    path = tmp_path / 'watches.yaml'
    path.write_text(text, encoding='utf-8')
    with pytest.raises(ConfigError) as refusal:
        load_watches(path)
    assert words in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r'none\.yaml'):
        load_watches(tmp_path / 'none.yaml')
