"""The command line, with an engine that says what the tests want."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from chat_server import chat_server, says
from mcap_ros2.writer import Writer

from spatialllm_ros import __version__
from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime import session as session_module
from spatialllm_ros.runtime.cli import main

ROOT = Path(__file__).parents[3]
IMAGE_DEFINITION = f"""std_msgs/Header header
string format
uint8[] data
{'=' * 80}
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
{'=' * 80}
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
SAID = {
    'is the mug red ?': 'yes', 'the car ?': 'red car', 'how far is the mug ?': '3.4 m',
    'where is the car ?': 'column 42 row 61 distance 3.4 m', 'a mug ?': '3.4 mug', 'red ?': 'red',
}  # fmt: skip


@pytest.fixture
def ask(bundle_folder, text_engine, monkeypatch, capsys):
    """Run ``spatialllm ask`` and return exit status, output and errors."""
    monkeypatch.setattr(session_module, 'load_engine', lambda *_, **__: text_engine(SAID))

    def ask(*arguments):
        words = [str(argument) for argument in arguments]
        try:
            status = main(['ask', '--bundle', str(bundle_folder), *words])
        except SystemExit as stop:
            status = stop.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return ask


PNG = cv2.imencode('.png', np.full((12, 16, 3), 90, np.uint8))[1].tobytes()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / 'kitchen.png'
    path.write_bytes(PNG)
    return path


@pytest.fixture
def bag(tmp_path):
    path = tmp_path / 'drive.mcap'
    with path.open('wb') as file, Writer(file) as writer:
        kind = writer.register_msgdef('sensor_msgs/msg/CompressedImage', IMAGE_DEFINITION)
        for n in range(5):
            header = {'stamp': {'sec': 7, 'nanosec': n * 10**8}, 'frame_id': 'optical'}
            message = {'header': header, 'format': 'png', 'data': PNG}
            writer.write_message('/camera/image/compressed', kind, message, 10**9 + n)
    return path


def test_answers_are_printed_with_confidence_and_latency(ask, photo):
    status, out, err = ask(photo, 'is the mug red ?')
    assert (status, err) == (0, '')
    assert out.startswith(f'{photo}: yes  (confidence 100%, ')
    assert out.endswith(' ms)\n')


def test_a_server_can_be_asked(photo, capsys):
    with chat_server(says('Yes.'), says('4 m', ('4 m', {'4 m': 0.25}))) as server:
        remote = ['--remote', server.url, '--model', 'big', '--json']
        assert (
            main(['ask', str(photo), 'is it red?', '--option', 'yes', '--option', 'no', *remote])
            == 0
        )
        assert main(['ask', str(photo), 'how far is it?', '--fov-deg', '60', *remote]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first['text'], first['yes'], first['confidence']) == ('yes', True, None)
    assert (second['number'], second['unit'], second['confidence']) == (4, 'm', 0.25)
    assert {body['model'] for body in server.bodies} == {'big'}


def test_a_server_s_model_has_to_be_named(ask, photo):
    status, out, err = ask(photo, 'is it red?', '--remote', 'http://localhost:8000/v1')
    assert (status, out) == (2, '')
    assert err.startswith("spatialllm: expected the model's name on the server, found none")
    assert '--model' in err


def test_options_may_stand_anywhere(ask, photo, tmp_path):
    other = tmp_path / 'other.png'
    other.write_bytes(PNG)
    _, out, _ = ask(photo, '--option', 'red', other, '--option', 'blue', 'red ?', '--json')
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer['source'] for answer in answers] == [str(photo), str(other)]
    assert [(answer['text'], answer['choice']) for answer in answers] == [('red', 0)] * 2


def test_json_holds_the_whole_answer(ask, photo):
    _, out, _ = ask(photo, 'where is the car ?', '--json', '--fov-deg', 90)
    answer = json.loads(out)
    assert (answer['kind'], answer['question']) == ('POSE', 'where is the car ?')
    # 16x12 pixels, 90 degrees: 8 px focal length; 42 % is 1.28 px left of the middle.
    x, _, z = answer['pose']['centre_optical_m']
    assert x / z == pytest.approx(-1.28 / 8)
    timing = answer['timing']
    parts = timing['encode_s'] + timing['prefill_s'] + timing['decode_s']
    assert timing['total_s'] == pytest.approx(parts)
    assert timing['encode_s'] > 0


def test_metres_need_a_field_of_view(ask, photo):
    status, out, err = ask(photo, 'how far is the mug ?')
    assert (status, out) == (1, '')
    assert err.startswith(f'{photo}: no answer: expected a calibrated camera')
    assert 'by --fov-deg' in err
    assert 'CameraInfo' not in err
    status, out, _ = ask(photo, 'how far is the mug ?', '--fov-deg', 60)
    assert status == 0
    assert '3.4 m' in out


@pytest.mark.parametrize(('more', 'tenths'), [([], [0, 1, 2, 3, 4]), (['--every', 2], [0, 2, 4])])
def test_bags_are_asked_image_by_image(ask, bag, more, tenths):
    status, out, _ = ask(bag, 'the car ?', *more)
    assert status == 0
    sources = [line.split(': ')[0] for line in out.splitlines()]
    assert sources == [f'{bag} 7.{n}00' for n in tenths]


def test_metres_of_a_bag_need_intrinsics_or_a_field_of_view(ask, bag):
    _, _, err = ask(bag, 'how far is the mug ?', '--every', 5)
    assert 'record the CameraInfo' in err
    assert 'by --fov-deg' in err


def test_grey_images_are_warned_of_once_per_camera(ask, tmp_path, photo, bag):
    ramp = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
    grey, colour = tmp_path / 'grey.jpg', tmp_path / 'colour.png'
    grey.write_bytes(cv2.imencode('.jpg', ramp)[1].tobytes())
    colour.write_bytes(cv2.imencode('.png', np.dstack([ramp, ramp, ramp.T.reshape(12, 16)]))[1])
    _, _, err = ask(grey, colour, photo, grey, bag, 'the car ?')
    assert err.count('\n') == err.count(f'{grey}: the image is grey') == 1


def test_an_image_without_an_answer_does_not_end_the_run(ask, photo, bag):
    status, out, err = ask(bag, photo, 'a mug ?')
    assert (status, out) == (1, '')
    assert err.count('no answer: expected yes, no, a length') == 6


@pytest.mark.parametrize(('question', 'words'), [
    ('', 'question in words, found nothing'),
    ('   ', 'question in words, found nothing'),
    ('car ' * 100, 'at most 60 characters'),
    ('zebra', "found 'zebra'"),
])  # fmt: skip
def test_bad_questions(ask, photo, question, words):
    status, out, err = ask(photo, question)
    assert (status, out) == (2, '')
    assert err.startswith('spatialllm: expected a question')
    assert words in err
    assert err.count('\n') == 1


def test_bad_input_is_one_sentence(ask, photo, bag, tmp_path):
    notes = tmp_path / 'notes.txt'
    notes.write_text('no picture')
    broken = tmp_path / 'broken.mcap'
    broken.write_bytes(b'no bag')
    for arguments, words in (
        ((tmp_path / 'absent.png', 'the car ?'), 'absent.png'),
        ((notes, 'the car ?'), 'whole JPEG or PNG'),
        ((broken, 'the car ?'), 'a ROS 2 bag in MCAP'),
        ((bag, 'the car ?', '--topic', '/belly'), "found them on ['/camera/image/compressed']"),
        ((photo, 'the car ?', '--option', 'red'), '2 to 3, found 1'),
    ):
        status, out, err = ask(*arguments)
        assert (status, out) == (2, '')
        assert err.startswith('spatialllm: ')
        assert words in err
        assert err.count('\n') == 1


@pytest.mark.parametrize('arguments', [
    [], ['only-a-question'], ['a.png', 'q', '--fov-deg', '200'], ['a.png', 'q', '--every', '0'],
    ['a.png', 'q', '--engine', 'steam'], ['a.png', 'q', '--every', 'x'],
    ['a.png', 'q', '--opt', 'a', '--opt', 'b'], ['a.png', 'q', '--options', 'a', 'b'],
])  # fmt: skip
def test_wrong_usage_is_explained(ask, arguments):
    status, out, err = ask(*arguments)
    assert (status, out) == (2, '')
    assert 'usage: spatialllm ask' in err


@pytest.mark.parametrize(('option', 'value', 'expected'), [
    ('--fov-deg', 'wide', '0 to 180 degrees'), ('--fov-deg', 'nan', '0 to 180 degrees'),
    ('--every', '2.5', 'a whole number from 1 on'), ('--every', '0', 'a whole number from 1 on'),
])  # fmt: skip
def test_a_number_that_cannot_be_is_told_with_what_was_expected(ask, option, value, expected):
    _, _, err = ask('a.png', 'q', option, value)
    assert f'argument {option}: expected {expected}, found {value}' in err


def test_a_model_that_cannot_be_used_is_no_bad_input(ask, photo, bundle_folder, monkeypatch):
    def fail(*_, **__):
        raise EngineError('expected an engine, found smoke')

    monkeypatch.setattr(session_module, 'load_engine', fail)
    assert ask(photo, 'the car ?') == (1, '', 'spatialllm: expected an engine, found smoke\n')
    (bundle_folder / 'vision.onnx').unlink()
    status, _, err = ask(photo, 'the car ?')
    assert status == 1
    assert 'vision.onnx is missing' in err


def test_an_interrupt_is_no_traceback(ask, photo, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(session_module, 'load_engine', interrupt)
    assert ask(photo, 'the car ?')[0] == 130


def test_the_module_is_the_command():
    def run(*arguments):
        command = [sys.executable, '-m', 'spatialllm_ros.runtime.cli', *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run('--version').stdout == f'spatialllm {__version__}\n'
    assert 'examples:' in run('ask', '--help').stdout
    wrong = run('sing')
    assert wrong.returncode == 2
    assert 'ask' in wrong.stderr


def test_a_reader_that_has_seen_enough_is_no_traceback():
    program = (
        'from spatialllm_ros.runtime import cli\n'
        "cli.COMMANDS['ask'] = lambda _: [print('x' * 9999, flush=True) for _ in range(999)]\n"
        "raise SystemExit(cli.main(['ask']))\n"
    )
    with subprocess.Popen(
        [sys.executable, '-c', program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b''
    assert process.returncode == 1
